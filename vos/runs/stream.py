"""Tracking in memory: frames in, results out, no files.

::

    import vos

    prompts = vos.load_prompts(boxes=["1:120,80,310,400"])
    for result in vos.track("clip.mp4", prompts, tracker="classical"):
        print(result.frame_index, result.labels.shape, result.confidence)
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..errors import InputError, MediaError, ModelError, PromptError, SettingsError
from ..frame import Frame
from ..prompting.checks import check_targets
from ..prompting.schedule import UserPrompts
from ..prompts import Target
from ..results import FrameResult
from ..trackers.base import ALL_PROMPTS, Tracker
from ..trackers.propagate import propagate
from ..trackers.registry import build_tracker

if TYPE_CHECKING:
    from ..backbones.base import Backbone
    from ..video import Video

Images = Iterable[Frame | NDArray[np.uint8]]
"""Frames, or (H, W, 3) uint8 RGB images in order: from a camera, or a decoder of one's own."""


def load_tracker(
    name: str = "classical",
    *,
    settings: Mapping[str, Any] | None = None,
    device: str = "cpu",
    dtype: str = "auto",
    checkpoint: str | None = None,
) -> Tracker:
    """A tracker that takes every kind of prompt, to be stepped through any frames.

    ::

        tracker = vos.load_tracker("classical")
        result = tracker.start(vos.Frame(0, image), prompts)
        result = tracker.step(vos.Frame(1, next_image))
        result = tracker.step(vos.Frame(2, image_after), vos.mask_targets(corrected, frame_index=2))

    Args:
        name: what the flag ``--model`` takes: ``classical``, ``nano``, ``sam2.1-tiny``, ...; ``vos models
            list`` prints those with weights.
        settings: laid over the tracker's own.
        device, dtype: where its network runs, and what it computes in.
        checkpoint: file with the network's weights, in place of the weights cache.

    Raises:
        ModelError: for an unknown name, or weights that are missing or unusable.
        SettingsError: for an unknown setting, or one of the wrong type.
    """
    tracker = build_tracker(name, settings=settings, device=device, dtype=dtype, checkpoint=checkpoint)
    return with_all_prompts(tracker)


def with_all_prompts(tracker: Tracker, backbone: Backbone | None = None) -> Tracker:
    """``tracker``, or, if it takes masks only, one around it that decodes points and boxes first.

    Args:
        tracker: any.
        backbone: decodes; the tracker's own unless given, or else the graph-cut backbone.
    """
    if tracker.info.accepts == ALL_PROMPTS:
        return tracker
    from ..prompting.decoding import PromptDecodingTracker
    from .models import backbone_of

    return PromptDecodingTracker(tracker, lambda: backbone or backbone_of(tracker))


def track(
    video: str | os.PathLike[str] | Video | Images,
    prompts: Sequence[Target],
    *,
    tracker: str | Tracker = "classical",
    **options: Any,
) -> Generator[FrameResult]:
    """Track objects forward through a video; one frame is in memory at a time.

    An object is tracked from the first frame it is prompted in; later prompts for it are corrections. Frames
    before an object's first prompt do not show it: :func:`vos.track_video` also tracks backward, writes files
    and resumes.

    Args:
        video: a path as for :func:`vos.open_video`, an open video, or any iterable of frames or
            (H, W, 3) uint8 RGB images, numbered from 0 as they come, such as a (T, H, W, 3) array.
        prompts: at least one; see :func:`vos.load_prompts` and :func:`vos.mask_targets`.
        tracker: a name, or a tracker from :func:`load_tracker`.
        **options: of :func:`load_tracker`, where ``tracker`` is a name.

    Returns:
        An iterator over the results of all frames, in order. A path is opened with the first one, and closed
        with the last one or when the iterator is closed or dropped.

    Raises:
        PromptError: without prompts; while iterating, for prompts that do not fit their frame, or once the
            video has ended before the frame of a prompt.
        ModelError, SettingsError: as of :func:`load_tracker`.
        MediaError: while iterating, if the video cannot be read, or has no frame.
        InputError: for images of another shape or type, or of a size that changes.
    """
    schedule = UserPrompts(prompts)
    engine = _tracker_of(tracker, options)
    if isinstance(video, (str, os.PathLike)):
        return _track_path(video, schedule, engine)
    if not isinstance(video, Iterable):
        raise InputError(f"video must be a path, an open video or images, got {video!r:.60}")
    shape = getattr(video, "shape", None)  # of an array, or a tensor
    if shape is not None and len(shape) != 4:
        raise InputError(
            f"video must be (T, H, W, 3), got an array {tuple(shape)}; of one image give [image]"
        )
    return _track(_numbered(video), schedule, engine)


def _tracker_of(tracker: str | Tracker, options: Mapping[str, Any]) -> Tracker:
    if isinstance(tracker, str):
        return load_tracker(tracker, **options)
    if not isinstance(tracker, Tracker) or isinstance(tracker, type):
        raise ModelError(f"tracker must be a name, or what vos.load_tracker gives, got {tracker!r:.60}")
    if options:
        raise SettingsError(
            f"{', '.join(options)}: for a tracker that is given by its name; give vos.load_tracker these"
        )
    return with_all_prompts(tracker)


def _track_path(
    path: str | os.PathLike[str], schedule: UserPrompts, tracker: Tracker
) -> Generator[FrameResult]:
    from ..video import open_video

    with open_video(path) as video:
        yield from _track(video, schedule, tracker)


def _track(frames: Iterable[Frame], schedule: UserPrompts, tracker: Tracker) -> Generator[FrameResult]:
    def prompts(frame: Frame) -> Sequence[Target]:
        given = schedule.forward(frame)
        check_targets(given, frame.size)
        return given

    last = -1
    for frame, result in propagate(frames, tracker, prompts):
        last = max(last, frame.index)
        yield result
    if last < 0:
        raise MediaError("there are no frames to track in: what was given as the video is empty")
    missed = schedule.warnings(last)
    if missed:
        raise PromptError(missed[0])


def _numbered(images: Images) -> Iterator[Frame]:
    for index, image in enumerate(images):
        yield image if isinstance(image, Frame) else Frame(index, image)
