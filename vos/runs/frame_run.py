"""A run over the frames of a video: read, track, write, with checkpoints from which it continues."""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..errors import MediaError, OutputError, PromptError
from ..files import make_folder
from ..formats.base import VideoFacts, safe_name
from ..formats.with_frames import audio_source
from ..frame import Frame
from ..prompting.schedule import PromptSchedule
from ..prompts import Target
from ..results import FrameResult
from ..trackers.key_frames import KeyFrames
from ..trackers.propagate import PromptsAt, propagate
from ..video.ahead import read_ahead
from ..video.losses import describe_damaged
from .backward import BackwardStore, merge
from .extension import Extension, KeptStates, earlier_result
from .fingerprint import InputWatch, versions
from .folder import PROGRAM, RunFolder
from .layout import STATES
from .outputs import Outputs
from .runner import Run
from .settings import TrackSettings
from .summary import Progress, TrackSummary

if TYPE_CHECKING:
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
    damaged: list[int] = field(default_factory=list)
    """Indices of the frames with images that the decoder made up in part."""
    seconds: dict[str, float] = field(
        default_factory=lambda: dict.fromkeys(("read", "track", "write", "total"), 0.0)
    )


class FrameRun(Run):
    """One run over the frames of a video."""

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
        calibrated: Sequence[str],
        progress: Callable[[Progress], None] | None,
    ) -> None:
        super().__init__(
            folder,
            noun="frame",
            results="masks",
            parts=("read", "track", "write", "total"),
            total=None,
            progress=progress,
        )
        self.watch = watch
        self.video = video
        self.wanted = wanted
        self.prompting = prompting
        self.tracker = tracker
        self.settings = settings
        self.identity = identity
        self.calibrated = list(calibrated)
        self.outputs: Outputs
        needs_backward = prompting.last_start() > wanted.start
        self.state = _State(stage="backward" if needs_backward else "forward", seconds=self.seconds)
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
        with self.guarded():
            self.outputs = Outputs(self.folder, self.settings, _facts(self.video, self.prompting))
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

    @property
    def count(self) -> int:
        """Frames of this stage that are done."""
        return self.state.done

    @property
    def has_results(self) -> bool:
        """Whether this process or one before it has done a frame."""
        return self.fresh > 0 or self.folder.resumed

    def abandon(self) -> None:
        """Leave the place as it was, outputs closed first."""
        if hasattr(self, "outputs"):
            self.outputs.clear()
        super().abandon()

    def whereabouts(self) -> str:
        """How far the run is, and how to continue it."""
        if self.has_results and self.state.stage == "backward":
            return f"{self.counted()} done of those before the prompts; --resume continues"
        return super().whereabouts()

    def _restore(self) -> None:
        """Outputs and tracker as the latest checkpoint has them."""
        saved = self.folder.checkpoint
        if saved is None:
            return
        done = _State(**saved["state"])
        if done.last_index >= self.wanted.stop or (done.complete and saved["stop"] != self.wanted.stop):
            raise OutputError(
                f"{self.layout.folder} is done up to frame {done.last_index} already, "
                "which does not go with this --end: give the same, or --overwrite to start over"
            )
        self.outputs.restore(saved["writers"])
        self._set_state(saved)
        logger.info("going on after %d frames (%s)", self.state.done, self.state.stage)

    def _replay(self, extension: Extension) -> None:
        """Take the frames up to a kept state of the finished run from its result."""
        before = self.folder.final
        earlier = KeptStates(before.paths[STATES], 0)
        saved = earlier.newest(extension)
        last = -1 if saved is None else saved["state"]["last_index"]
        if (
            saved is None
            or not self.outputs.are_hard
            # The last frame was a key frame, which it is not in a longer video.
            or (self.keys is not None and extension.is_longer)
            or "masks" not in self.settings.outputs
            or last < self.prompting.last_start()
        ):
            logger.info("no state of the finished run can be used: all frames are tracked again")
            self._prepare()
            return
        entries = {entry["index"]: entry for entry in extension.record["frames"]}
        for done, frame in enumerate(self._read(self.video.frames(self.wanted.start, last + 1)), start=1):
            with self.timed("write"):
                self.outputs.write(frame, earlier_result(before, entries[frame.index], frame))
                if done % self.settings.checkpoint_every == 0:  # the pieces are those of one whole run
                    self.outputs.checkpoint()
        seconds = {name: float(value) for name, value in extension.record["timings"].items()}
        self._set_state({**saved, "state": {**saved["state"], "seconds": seconds}})
        for name in earlier.names_until(last) if self.settings.keep_states else ():
            self.folder.note(STATES, name)  # a later correction may be of an earlier frame
            self.kept.adopt(earlier, name)
        self.backward = None
        self.fresh = self.state.done
        logger.info("continuing after %d frames of the finished run", self.state.done)

    def _set_state(self, saved: Mapping[str, Any]) -> None:
        """Position, prompts and tracker as they were saved."""
        self.state = _State(**saved["state"])
        self.seconds = self.state.seconds
        self.prompting.set_state(saved["prompting"])
        if self.state.started:
            self.tracker.load(saved["tracker"])
        if self.keys is not None:
            self.keys.load(saved["keys"])

    def _prepare(self) -> None:
        def searched(done: int, total: int | None) -> None:
            self.report(Progress("search", done, total))

        with self.timed("track"):
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
            with self.timed("write"):
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
            if frame.is_damaged:
                self._note_damaged(frame)
            with self.timed("write"):
                if self.backward is not None and frame.index < self.prompting.last_start():
                    before = self.backward.read(frame)
                    segmentation = merge(segmentation, before, self.prompting.first_given)
                self.prompting.observe(segmentation)
                self.state.objects = sorted({*self.state.objects, *segmentation.ids})
                self.outputs.write(frame, segmentation)
            self.state.last_index = frame.index
            self._advance(total)
        self.state.complete = True
        self._save_checkpoint()

    def _note_damaged(self, frame: Frame) -> None:
        """Keep a damaged frame in mind; MediaError with ``strict``."""
        if self.settings.strict:
            raise MediaError(
                f"frame {frame.index} of {self.video.paths[0]} is damaged; without --strict it is tracked"
            )
        if not self.state.damaged:
            logger.warning("frame %d of %s is damaged, and maybe more", frame.index, self.video.paths[0])
        self.state.damaged.append(frame.index)

    def _frames_to_skip(self) -> int:
        """Frames of this stage that need not be read: those that are done, but for the last key frame."""
        return self.state.done - (self.keys is not None and self.keys.resumes)

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
                with self.timed("read"):
                    frame = next(ahead, None)
                if frame is None:
                    return
                yield frame

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
        with self.timed("write"):
            writers = self.outputs.checkpoint()
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
        losses = [*self.video.losses(), *([describe_damaged(state.damaged)] if state.damaged else [])]
        warnings = [*losses, *self.prompting.warnings(state.last_index)]
        for warning in self.prompting.warnings(state.last_index):
            logger.warning(warning)
        with self.timed("write"):
            record = self.outputs.close()
        notes = self.outputs.notes()
        for note in notes:
            logger.warning(note)
        state.seconds["total"] += time.perf_counter() - self.since
        record.header = {
            "program": PROGRAM,
            **self.identity,
            "calibrated": self.calibrated,
            "versions": versions(),
        }
        record.footer = {
            "counts": {"frames": self._frames_done(), "objects": state.objects},
            "names": {str(object_id): name for object_id, name in sorted(self.prompting.names.items())},
            **self.prompting.facts(),
            "folders": self.outputs.folders()
            | ({STATES: self.kept.names()} if self.settings.keep_states else {}),
            "warnings": [*warnings, *notes],
            "losses": losses,
            "timings": self.timings(),
        }
        make_folder(record.path.parent)
        record.close()
        self.folder.finish()
        logger.info("%s", ", ".join(f"{name} {value:.1f} s" for name, value in state.seconds.items()))
        return TrackSummary.of_record(self.folder.final, {**record.header, **record.footer})

    def _frames_done(self) -> int:
        return len(range(self.wanted.start, self.state.last_index + 1, self.wanted.step))


def _facts(video: Video, prompting: PromptSchedule) -> VideoFacts:
    """What outputs may have to know."""
    sequence = video.paths[0].parent.resolve().name if video.is_images else video.paths[0].stem
    return VideoFacts(
        video.info.fps, prompting.names, sequence=safe_name(sequence), audio=audio_source(video)
    )
