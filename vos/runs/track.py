"""A run: read, track, write, frame by frame, so that it can be stopped and gone on with at any moment."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import (
    InterruptedRunError,
    MediaError,
    OutputError,
    PartialResultError,
    PromptError,
    SettingsError,
)
from ..files import make_folder
from ..formats.base import VideoFacts, Writer, safe_name
from ..formats.cutout_images import CutoutFolderWriter
from ..formats.options import options_by_format
from ..formats.records import RecordWriter
from ..formats.registry import build_writer
from ..formats.run_record import RunWriter
from ..formats.with_frames import audio_source
from ..frame import Frame
from ..names import check_name
from ..prompting.class_names import ClassNames
from ..prompting.class_schedule import ClassPrompts
from ..prompting.decoding import PromptDecodingTracker
from ..prompting.reference import References
from ..prompting.schedule import PromptSchedule, UserPrompts
from ..prompts import Target
from ..results import FrameResult
from ..trackers.base import ALL_PROMPTS
from ..trackers.key_frames import KeyFrames
from ..trackers.propagate import PromptsAt, propagate
from ..video.ahead import read_ahead
from .auto import settle
from .backward import BackwardStore, merge
from .extension import Extension, KeptStates, earlier_result
from .fingerprint import InputWatch, identity_of, versions
from .folder import PROGRAM, Layout, RunFolder, claim
from .layout import STATES
from .models import (
    backbone_of,
    build_detector_of,
    build_tracker_of,
    matching_backbone_of,
    reference_prompts,
)
from .settings import TrackSettings
from .summary import Progress, TrackSummary

if TYPE_CHECKING:
    from ..backbones.base import Backbone
    from ..detectors.base import Detector
    from ..trackers.base import Tracker
    from ..video import Video

logger = logging.getLogger(__name__)


@dataclass
class _State:
    """How far a run is: all that its next frame depends on, besides tracker and writers."""

    stage: str = "forward"
    done: int = 0
    """Frames of this stage that are done."""
    started: bool = False
    """Whether the tracker holds a video."""
    complete: bool = False
    """Whether all frames are done and only the final files are missing."""
    last_index: int = -1
    """Index of the last frame of the forward stage that is done."""
    objects: list[int] = field(default_factory=list)
    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("read", "track", "write", "total"), 0.0)
    )


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
    backbone: Backbone | None = None,
    detector: Detector | None = None,
) -> TrackSummary:
    """Follow ``targets`` through ``video`` and write the results.

    Objects may be given in any frame: what comes before the frame in which an object is given first is
    tracked backwards in time. Objects told by the names of their classes are looked for from the first frame
    on, and followed from where they first appear. One frame is in memory at a time, and every file under its
    final name is complete whatever happens.

    Args:
        video: the frames, see :func:`vos.open_video`.
        targets: who to follow, see :mod:`vos.prompting.parsing`; or the names of their classes; or references
            that show them, see :func:`vos.load_references`.
        output: folder for the results, made where absent.
        settings: everything else; what concerns reading is for the record only.
        resume: go on with a run that was stopped; the result is the same, to the byte, timings apart.
        overwrite: replace what an earlier run left in ``output`` when the new results are complete.
        progress: called after every frame.
        tracker: engine to use in place of the one that ``settings.model`` names.
        backbone: turns points and boxes into masks, in place of the one that goes with the engine.
        detector: looks for class names, in place of the one that ``settings.classes`` name.

    Raises:
        PromptError, SettingsError, OutputError, MediaError, ModelError: before the first frame is done;
            nothing is left behind then.
        PartialResultError: later on: the disk is full, the video damaged; or after the end, with everything
            in place, where frames were lost in the middle of a damaged video.
        InterruptedRunError: Ctrl-C or SIGTERM.
    """
    settings = settings or TrackSettings()
    layout = output if isinstance(output, Layout) else Layout.of_video(output)
    given = () if isinstance(targets, (ClassNames, References)) else targets
    objects = len({target.object_id for target in given})
    settings, choice = settle(settings, layout, objects=max(1, objects), resume=resume)

    def make_backbone() -> Backbone:  # called once there is a tracker: a network is loaded once
        if not built:
            built.append(backbone_of(engine) if backbone is None else backbone)
        return built[0]

    built: list[Backbone] = []
    prompting: PromptSchedule
    if isinstance(targets, ClassNames):
        detector = build_detector_of(settings) if detector is None else detector
        prompting = ClassPrompts(targets, settings.classes, detector, make_backbone)
    elif isinstance(targets, References):
        prompting = reference_prompts(
            targets, settings, make_backbone, lambda: backbone or matching_backbone_of(engine)
        )
    else:
        prompting = UserPrompts(targets, backward=settings.backward)
    losses = video.losses()
    if losses and settings.strict:
        raise MediaError(f"{_damaged(video, losses)}; without --strict what is left is tracked")
    for loss in losses:
        logger.warning("%s: %s", video.paths[0], loss)
    wanted = _wanted(video, settings)
    if video.is_images:
        for path in video.paths:
            check_name(path.stem, "frame name", room=len(".png"))
    prompting.check(wanted)
    engine = tracker or build_tracker_of(settings)
    if engine.info.accepts != ALL_PROMPTS:
        engine = PromptDecodingTracker(engine, make_backbone)
    if engine.info.delay and not isinstance(prompting, UserPrompts):
        raise SettingsError(
            f"results come {engine.info.delay} frames late (hold_back), and detections need those of each "
            "frame: set hold_back to 0, or prompt the objects"
        )
    if engine.info.delay and (settings.key_every or 1) > 1:
        raise SettingsError(
            f"results come {engine.info.delay} frames late (hold_back), which key_every does not go with: "
            "set hold_back to 0, or leave out --key-every"
        )
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
            run = _Run(video, wanted, prompting, engine, settings, folder, identity, watch, progress)
            summary = run.go()
    if losses:
        raise PartialResultError(
            f"all {summary.frames} frames that can be read are done, with results in {layout.folder}, but "
            f"{_damaged(video, losses)}"
        )
    return summary


class _Run:
    """One run in progress; its public methods are called in the order they stand in."""

    def __init__(
        self,
        video: Video,
        wanted: range,
        prompting: PromptSchedule,
        tracker: Tracker,
        settings: TrackSettings,
        folder: RunFolder,
        identity: dict[str, Any],
        watch: InputWatch,
        progress: Callable[[Progress], None] | None,
    ) -> None:
        self.watch = watch
        self.video = video
        self.wanted = wanted
        self.prompting = prompting
        self.tracker = tracker
        self.settings = settings
        self.folder = folder
        self.layout = folder.layout
        self.identity = identity
        self.report = progress or (lambda progress: None)
        self.writers: dict[str, Writer] = {}
        needs_backward = prompting.last_start() > wanted.start
        self.state = _State(stage="backward" if needs_backward else "forward")
        self.backward = BackwardStore(self.layout.work / "backward") if needs_backward else None
        self.since = time.perf_counter()
        """Up to here the total time is counted."""
        self.fresh = 0
        """Frames done by this process."""
        self.due = False
        """Whether a checkpoint is due."""
        self.kept = KeptStates(self.layout.paths[STATES], settings.keep_states)
        every = settings.key_every or 1
        self.keys = KeyFrames(tracker, every) if every > 1 else None

    def go(self) -> TrackSummary:
        """Run to the end; an interruption is reported with what is on disk."""
        try:
            self._restore()
            if self.folder.extension is not None:
                self._replay(self.folder.extension)
            elif self.folder.checkpoint is None:
                self._prepare()
            if self.state.stage == "backward":
                self._track_backward()
            if not self.state.complete:
                self._track_forward()
            return self._finish()
        except KeyboardInterrupt as error:
            raise InterruptedRunError(f"interrupted: {self._whereabouts()}") from error
        except (OutputError, MediaError) as error:
            if not self._has_frames:
                raise
            raise PartialResultError(f"{error}; {self._whereabouts()}") from error
        finally:
            if not self._has_frames:
                self.writers.clear()
                self.folder.forget()

    @property
    def _has_frames(self) -> bool:
        return self.fresh > 0 or self.folder.resumed

    def _whereabouts(self) -> str:
        if not self._has_frames:
            return "no frame was done, and nothing is left behind"
        if self.state.stage == "backward":
            return f"{_frames(self.state.done)} done of those before the prompts; --resume goes on"
        if self.folder.replaces:
            return (
                f"{_frames(self.state.done)} done, and the earlier result is as it was; "
                "the same command with --resume in place of --overwrite goes on"
            )
        return (
            f"{_frames(self.state.done)} done, with complete masks in {self.layout.paths['masks']}; "
            "the same command with --resume goes on"
        )

    def _restore(self) -> None:
        """Writers and tracker as the latest checkpoint has them."""
        sequence = (
            self.video.paths[0].parent.resolve().name if self.video.is_images else self.video.paths[0].stem
        )
        facts = VideoFacts(
            self.video.info.fps,
            self.prompting.names,
            sequence=safe_name(sequence),
            audio=audio_source(self.video),
        )
        options: dict[str, dict[str, Any]] = {
            name: {"options": o} for name, o in self._options().items() if o
        }
        options["overlay"] = {"settings": self.settings.overlay}
        for name in (*self.settings.outputs, "run"):
            path = self.layout.paths[name]
            make_folder(path.parent)
            work = self.layout.work / name
            self.writers[name] = build_writer(name, path, work=work, facts=facts, **options.get(name, {}))
        saved = self.folder.checkpoint
        if saved is None:
            return
        done = _State(**saved["state"])
        if done.last_index >= self.wanted.stop or (done.complete and saved["stop"] != self.wanted.stop):
            raise OutputError(
                f"{self.layout.folder} is done up to frame {done.last_index} already, "
                "which does not go with this --end: give the same, or --overwrite to start anew"
            )
        for name, writer in self.writers.items():
            writer.restore(saved["writers"][name])
        self._set_state(saved)
        logger.info("going on after %d frames (%s)", self.state.done, self.state.stage)

    def _replay(self, extension: Extension) -> None:
        """Take the frames up to a kept state of the finished run from its result."""
        before = self.folder.final
        saved = KeptStates(before.paths[STATES], 0).newest(extension)
        last = -1 if saved is None else saved["state"]["last_index"]
        soft = any(options.get("edge") == "soft" for options in self._options().values())
        if (
            saved is None
            or soft
            or self.keys is not None  # the last frame was one of them, which it is not in a longer video
            or "masks" not in self.settings.outputs
            or last < self.prompting.last_start()
        ):
            logger.info("no state of the finished run can be used: all frames are tracked again")
            self._prepare()
            return
        entries = {entry["index"]: entry for entry in extension.record["frames"]}
        for done, frame in enumerate(self._read(self.video.frames(self.wanted.start, last + 1)), start=1):
            with self._timed("write"):
                self._write(frame, earlier_result(before, entries[frame.index], frame))
                if done % self.settings.checkpoint_every == 0:  # the pieces are those of one whole run
                    for writer in self.writers.values():
                        writer.checkpoint()
        seconds = {name: float(value) for name, value in extension.record["timings"].items()}
        self._set_state({**saved, "state": {**saved["state"], "seconds": seconds}})
        self.backward = None
        self.fresh = self.state.done
        logger.info("continuing after %d frames of the finished run", self.state.done)

    def _set_state(self, saved: Mapping[str, Any]) -> None:
        """Position, prompts and tracker as they were saved."""
        self.state = _State(**saved["state"])
        self.prompting.set_state(saved["prompting"])
        if self.state.started:
            self.tracker.load(saved["tracker"])
        if self.keys is not None:
            self.keys.load(saved["keys"])

    def _options(self) -> dict[str, dict[str, Any]]:
        """The options of each output."""
        return options_by_format(self.settings.outputs, self.settings.options)

    def _prepare(self) -> None:
        def searched(done: int, total: int | None) -> None:
            self.report(Progress("search", done, total))

        with self._timed("track"):
            self.prompting.prepare(self.video, self.wanted, searched)

    def _track_backward(self) -> None:
        """From the latest frame in which an object is given first to the first frame read."""
        assert self.backward is not None
        last = self.prompting.last_start()
        stop = last + 1 - self._frames_to_skip() * self.wanted.step
        frames = self.video.frames(self.wanted.start, stop, reverse=True)
        total = len(range(self.wanted.start, last + 1, self.wanted.step))
        for frame, segmentation in self._tracked(frames, self.prompting.backward):
            if self.state.done == 0 and frame.index != last:
                raise PromptError(f"a prompt is for frame {last}, but the last frame is {frame.index}")
            with self._timed("write"):
                self.backward.write(segmentation)
            self._advance(total)
        self.state = dataclasses.replace(self.state, stage="forward", done=0, started=False)
        if self.keys is not None:
            self.keys.reset()
        self._save_checkpoint()

    def _track_forward(self) -> None:
        """From the first frame read to the last, everything written as it comes."""
        start = self.wanted.start + self._frames_to_skip() * self.wanted.step
        total = self.video.estimate_frames()
        for frame, segmentation in self._tracked(self.video.frames(start), self._forward_prompts):
            with self._timed("write"):
                if self.backward is not None and frame.index < self.prompting.last_start():
                    before = self.backward.read(frame)
                    segmentation = merge(segmentation, before, self.prompting.first_given)
                self.prompting.observe(segmentation)
                self.state.objects = sorted({*self.state.objects, *segmentation.ids})
                self._write(frame, segmentation)
            self.state.last_index = frame.index
            self._advance(total)
        self.state.complete = True
        self._save_checkpoint()

    def _frames_to_skip(self) -> int:
        """Frames of this stage that need not be read: those that are done, but for the last key frame."""
        return self.state.done - (self.keys is not None and self.keys.resumes)

    def _write(self, frame: Frame, segmentation: FrameResult) -> None:
        """One frame into every output."""
        if "masks" in self.writers:
            self.folder.note("masks", f"{frame.name}.png")
        for writer in self.writers.values():
            writer.write(frame, segmentation)

    def _forward_prompts(self, frame: Frame) -> Sequence[Target]:
        """The prompts of a frame; new detections are compared with what tracking alone gives."""
        if not (self.state.started and self.prompting.needs_known(frame)):
            return self.prompting.forward(frame)
        return self.prompting.forward(frame, self.tracker.step(frame, commit=False))

    def _tracked(self, frames: Iterator[Frame], prompts: PromptsAt) -> Iterator[tuple[Frame, FrameResult]]:
        """Frames with their segmentation; the time that reading and tracking take is counted."""

        def prompts_at(frame: Frame) -> Sequence[Target]:
            given = prompts(frame)
            self.state.started = self.state.started or bool(given)
            return given

        started = self.state.started
        if self.keys is not None:
            results = self.keys.propagate(self._read(frames), prompts_at, started=started)
        else:
            results = propagate(self._read(frames), self.tracker, prompts_at, started=started)
        seconds = self.state.seconds
        while True:
            start, read_before = time.perf_counter(), seconds["read"]
            result = next(results, None)
            seconds["track"] += time.perf_counter() - start - (seconds["read"] - read_before)
            if result is None:
                return
            yield result

    def _read(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        with contextlib.closing(read_ahead(frames)) as ahead:
            while True:
                with self._timed("read"):
                    frame = next(ahead, None)
                if frame is None:
                    return
                yield frame

    @contextlib.contextmanager
    def _timed(self, part: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            self.state.seconds[part] += time.perf_counter() - start

    def _advance(self, total: int | None) -> None:
        """One more frame of this stage is done."""
        self.state.done += 1
        self.fresh += 1
        self.due = self.due or self.state.done % self.settings.checkpoint_every == 0
        if self.due and (self.keys is None or self.keys.at_key):
            self._save_checkpoint()
        self.report(Progress(self.state.stage, self.state.done, total))

    def _save_checkpoint(self) -> None:
        """Secure everything so far: first the pieces of all results, then, in one rename, that they count."""
        self.due = False
        with self._timed("write"):
            writers = {name: writer.checkpoint() for name, writer in self.writers.items()}
            now = time.perf_counter()
            self.state.seconds["total"] += now - self.since
            self.since = now
            saved = self.tracker.save() if self.state.started else None
            # A tracker with a delay may have seen its first prompt, and not have settled that frame.
            started = self.state.started and (bool(saved) or not self.tracker.info.delay)
            state = {
                "state": dataclasses.asdict(self.state) | {"started": started},
                "stop": self.wanted.stop,
                "prompting": self.prompting.get_state(),
                "tracker": saved,
                "keys": None if self.keys is None else self.keys.save(),
            }
            if self.state.stage == "forward" and (self.state.complete or self.settings.keep_states > 1):
                self._keep(state)
            self.folder.save_checkpoint({**state, "writers": writers})

    def _keep(self, state: Mapping[str, Any]) -> None:
        """Keep the state beside the results, where that is wanted."""
        if self.settings.keep_states and self.state.done:
            self.folder.note(STATES, self.kept.name(self.state.last_index))
            untimed = {**state["state"], "seconds": {}, "complete": False}  # equal runs keep equal files
            self.kept.add(self.state.last_index, {**state, "state": untimed})

    def _finish(self) -> TrackSummary:
        """Put the final files in place, ``run.json`` last, and clear away the rest."""
        self.watch.check_file()
        state = self.state
        warnings = [*self.video.losses(), *self.prompting.warnings(state.last_index)]
        for warning in self.prompting.warnings(state.last_index):
            logger.warning(warning)
        record = self.writers.pop("run")
        assert isinstance(record, RunWriter)
        with self._timed("write"):
            for name, writer in self.writers.items():
                make_folder(self.layout.paths[name].parent)  # other runs share it, and may have left it empty
                writer.close()
            kinds = (RecordWriter, CutoutFolderWriter)
            records = {name: w for name, w in self.writers.items() if isinstance(w, kinds)}
            for name, kept in records.items():
                for file in kept.files if kept.is_folder else ():
                    self.folder.note(name, file)
        notes = [f"{name}: {note}" for name, w in self.writers.items() for note in getattr(w, "notes", ())]
        for note in notes:
            logger.warning(note)
        state.seconds["total"] += time.perf_counter() - self.since
        record.header = {"program": PROGRAM, **self.identity, "versions": versions()}
        record.footer = {
            "counts": {"frames": self._frames_done(), "objects": state.objects},
            "names": {str(object_id): name for object_id, name in sorted(self.prompting.names.items())},
            **self.prompting.facts(),
            "folders": {name: writer.files for name, writer in records.items() if writer.is_folder}
            | ({STATES: self.kept.names()} if self.settings.keep_states else {}),
            "warnings": [*warnings, *notes],
            "timings": {name: round(value, 3) for name, value in state.seconds.items()},
        }
        make_folder(record.path.parent)
        record.close()
        self.folder.finish()
        logger.info("%s", ", ".join(f"{name} {value:.1f} s" for name, value in state.seconds.items()))
        return TrackSummary.of_record(self.folder.final, {**record.header, **record.footer})

    def _frames_done(self) -> int:
        return len(range(self.wanted.start, self.state.last_index + 1, self.wanted.step))


def _damaged(video: Video, losses: Sequence[str]) -> str:
    return f"{video.paths[0]} is damaged: {'; '.join(losses)}"


def _frames(count: int) -> str:
    return "1 frame is" if count == 1 else f"{count} frames are"


def _wanted(video: Video, settings: TrackSettings) -> range:
    """Indices of the frames to read; the end is a large number where it is not known yet."""
    count = video.info.num_frames
    stop = sys.maxsize if settings.end is None else settings.end
    if count is not None:
        stop = min(stop, settings.start + count * settings.stride)
    return range(settings.start, stop, settings.stride)
