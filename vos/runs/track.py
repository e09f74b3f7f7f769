"""Tracking of a video into a folder: what is refused before the first frame, then the run."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from ..errors import InputError, MediaError, PartialResultError, SettingsError
from ..names import check_name
from ..prompting.class_names import ClassNames
from ..prompting.class_schedule import ClassPrompts
from ..prompting.decoding import PromptDecodingTracker
from ..prompting.reference import References
from ..prompting.schedule import PromptSchedule, UserPrompts
from ..prompts import Target, check_targets_given
from ..trackers.base import ALL_PROMPTS, Tracker
from ..video import Video
from .auto import settle
from .fingerprint import InputWatch, identity_of
from .folder import Layout, claim
from .frame_run import FrameRun
from .models import (
    backbone_of,
    build_detector_of,
    build_tracker_of,
    calibrated_sources,
    matching_backbone_of,
    reference_prompts,
)
from .settings import TrackSettings
from .summary import Progress, TrackSummary

if TYPE_CHECKING:
    from ..backbones.base import Backbone
    from ..detectors.base import Detector

logger = logging.getLogger(__name__)


def track_video(
    video: Video,
    targets: Sequence[Target] | ClassNames | References,
    output: str | os.PathLike[str] | Layout,
    settings: TrackSettings | None = None,
    *,
    resume: bool = False,
    overwrite: bool = False,
    progress: Callable[[Progress], None] | None = None,
    tracker: Tracker | None = None,
    build: Callable[[TrackSettings], Tracker] = build_tracker_of,
    backbone: Backbone | None = None,
    detector: Detector | None = None,
) -> TrackSummary:
    """Track ``targets`` through ``video`` and write the results.

    Objects may be prompted in any frame: frames before the first prompt of an object are tracked backwards in
    time. Objects of named classes are searched from the first frame on, and tracked from where they first
    appear. One frame is in memory at a time; every file under its final name is complete whatever happens.

    Args:
        video: the frames, see :func:`vos.open_video`.
        targets: prompts of the objects, see :mod:`vos.prompting.parsing`; or the names of their classes; or
            references that show them, see :func:`vos.load_references`.
        output: folder for the results, made where absent.
        settings: everything else; what concerns reading is for the record only.
        resume: continue an interrupted run; the result is the same, to the byte, timings apart.
        overwrite: replace what an earlier run left in ``output`` when the new results are complete.
        progress: called after every frame.
        tracker: used in place of the one that ``settings.model`` names.
        build: gives the tracker that the settings name, such as one that is loaded already.
        backbone: turns points and boxes into masks, in place of the tracker's own.
        detector: finds class names, in place of the one that ``settings.classes`` name.

    Raises:
        PromptError, SettingsError, OutputError, MediaError, ModelError: before the first frame is done;
            nothing is left behind then.
        PartialResultError: later on: the disk is full, the video damaged; or after the end, with everything
            in place, where frames were lost in the middle of a damaged video.
        InterruptedRunError: Ctrl-C or SIGTERM.
    """
    settings = TrackSettings() if settings is None else settings
    _check_arguments(video, settings, tracker)
    layout = output if isinstance(output, Layout) else Layout.of_video(output)
    objects = 1
    if not isinstance(targets, (ClassNames, References)):
        targets = check_targets_given(targets)
        objects = len({target.object_id for target in targets})
    settings, choice = settle(settings, layout, objects=objects, resume=resume)

    models = _Models(settings, tracker, build, backbone)
    prompting = _schedule(targets, settings, detector, models)
    _check_losses(video, settings)
    wanted = _wanted(video, settings)
    _check_frame_names(video)
    prompting.check(wanted)
    engine = models.tracker_of_all_prompts()
    _refuse_delay(engine.info.delay, prompting, settings)
    watch = InputWatch(video)
    identity = identity_of(video, targets, settings, engine, layout, watch)
    if choice is not None:
        identity["choice"] = choice
    with claim(layout, identity, resume=resume, overwrite=overwrite, inputs=video.paths) as folder:
        if folder.finished is not None:
            folder.finish()
            logger.info("the run in %s was finished already", layout.folder)
            summary = TrackSummary.of_record(layout, folder.finished)
        else:
            calibrated = models.calibrated_sources()
            run = FrameRun(
                video, wanted, prompting, engine, settings, folder, identity, watch, calibrated, progress
            )
            summary = run.go()
    if summary.losses:
        damage = _damaged(video, summary.losses)
        raise PartialResultError(
            f"all {summary.frames} frames that can be read are done, with results in {layout.folder}, but "
            f"{damage}"
        ) from MediaError(damage)
    return summary


def _check_arguments(video: object, settings: object, tracker: object) -> None:
    """InputError where a path, a mapping or a name is given in place of what it stands for."""
    if not isinstance(video, Video):
        raise InputError(f"video must be what vos.open_video gives, got {video!r:.60}")
    if not isinstance(settings, TrackSettings):
        raise SettingsError(f"settings must be vos.TrackSettings, got {settings!r:.60}")
    if tracker is not None and (not isinstance(tracker, Tracker) or isinstance(tracker, type)):
        raise SettingsError(
            f"tracker must be what vos.load_tracker gives, got {tracker!r:.60}; "
            "vos.TrackSettings(model=NAME) names one"
        )


class _Models:
    """The tracker of a run and the backbones beside it, each built once, when it is first asked for: until
    then a run can be refused without the weights."""

    def __init__(
        self,
        settings: TrackSettings,
        tracker: Tracker | None,
        build: Callable[[TrackSettings], Tracker],
        backbone: Backbone | None,
    ) -> None:
        self._settings = settings
        self._tracker_given = tracker
        self._build = build
        self._backbone_given = backbone

    @cached_property
    def _tracker(self) -> Tracker:
        return self._tracker_given or self._build(self._settings)

    @cached_property
    def _backbone(self) -> Backbone:
        return self._backbone_given or backbone_of(self._tracker)

    def backbone(self) -> Backbone:
        """Turns points and boxes into masks."""
        return self._backbone

    def matching_backbone(self) -> Backbone:
        """Compares objects with those of references."""
        return self._backbone_given or matching_backbone_of(self._tracker)

    def tracker_of_all_prompts(self) -> Tracker:
        """The tracker, which takes points and boxes, too."""
        if self._tracker.info.accepts == ALL_PROMPTS:
            return self._tracker
        return PromptDecodingTracker(self._tracker, self.backbone)

    def calibrated_sources(self) -> list[str]:
        """Sources of masks whose confidence was fitted to J."""
        if self._tracker_given is not None:
            return []
        return calibrated_sources(self._settings, self._tracker, self._backbone_given)


def _schedule(
    targets: Sequence[Target] | ClassNames | References,
    settings: TrackSettings,
    detector: Detector | None,
    models: _Models,
) -> PromptSchedule:
    """Which prompts the tracker gets in which frame."""
    if isinstance(targets, ClassNames):
        detector = build_detector_of(settings) if detector is None else detector
        return ClassPrompts(targets, settings.classes, detector, models.backbone)
    if isinstance(targets, References):
        return reference_prompts(targets, settings, models.backbone, models.matching_backbone)
    return UserPrompts(targets, backward=settings.backward)


def _check_frame_names(video: Video) -> None:
    """InputError where the name of an image cannot be that of a result."""
    if video.is_images:
        for path in video.paths:
            check_name(path.stem, "frame name", room=len(".png"))


def _check_losses(video: Video, settings: TrackSettings) -> None:
    """Warn of the damage of the video; MediaError with ``strict``."""
    losses = video.losses()
    if losses and settings.strict:
        raise MediaError(f"{_damaged(video, losses)}; without --strict the readable frames are tracked")
    for loss in losses:
        logger.warning("%s: %s", video.paths[0], loss)


def _damaged(video: Video, losses: Sequence[str]) -> str:
    return f"{video.paths[0]} is damaged: {'; '.join(losses)}"


def _refuse_delay(delay: int, prompting: PromptSchedule, settings: TrackSettings) -> None:
    """SettingsError where results that come late do not go with the rest."""
    if delay and not isinstance(prompting, UserPrompts):
        raise SettingsError(
            f"results come {delay} frames late (hold_back), and detections need those of each "
            "frame: set hold_back to 0, or prompt the objects"
        )
    if delay and (settings.key_every or 1) > 1:
        raise SettingsError(
            f"results come {delay} frames late (hold_back), which key_every does not go with: "
            "set hold_back to 0, or leave out --key-every"
        )


def _wanted(video: Video, settings: TrackSettings) -> range:
    """Indices of the frames to read; the end is a large number where it is not known yet."""
    count = video.info.num_frames
    stop = sys.maxsize if settings.end is None else settings.end
    if count is not None:
        stop = min(stop, settings.start + count * settings.stride)
    return range(settings.start, stop, settings.stride)
