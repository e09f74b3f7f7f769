"""Track a whole data set from its first annotations, and score it."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import (
    InterruptedRunError,
    OutputError,
    PartialResultError,
    SettingsError,
)
from ..json_report import JsonReport
from ..pool import ProcessPool, run_all
from .benchmark_targets import starting_targets, starting_targets_by_object
from .folder import Layout, is_taken
from .models import build_tracker_of
from .settings import TrackSettings
from .summary import Progress, TrackSummary
from .track import track_video

if TYPE_CHECKING:
    from ..evaluation.report import Report
    from ..evaluation.vos_sets import VosReport
    from ..trackers.base import Tracker

BENCHMARK_SETTINGS = TrackSettings(outputs=("masks",))
"""Masks only: an overlay of a whole data set is for those who ask for it."""


@dataclass(frozen=True, eq=False)
class Benchmark(JsonReport):
    """The scores of a data set and what it took."""

    report: Report | VosReport
    settings: TrackSettings
    runs: dict[str, TrackSummary]
    """By sequence, in the order of the set."""

    @property
    def seconds_per_frame(self) -> float:
        """Reading, tracking and writing, over all frames of the set."""
        seconds = sum(run.seconds["total"] for run in self.runs.values())
        return seconds / max(sum(run.frames for run in self.runs.values()), 1)

    def to_dict(self) -> dict[str, Any]:
        """The report's document with ``seconds_per_frame``, ``settings`` and ``runs`` added."""
        runs = [
            {
                "sequence": sequence,
                "frames": run.frames,
                "objects": len(run.objects),
                "seconds": run.seconds,
                "seconds_per_frame": run.seconds_per_frame,
            }
            for sequence, run in self.runs.items()
        ]
        return {
            **self.report.to_dict(),
            "seconds_per_frame": self.seconds_per_frame,
            "settings": dataclasses.asdict(self.settings),
            "runs": runs,
        }

    def table(self) -> str:
        """The report's table, and the time."""
        frames = sum(run.frames for run in self.runs.values())
        return f"{self.report.table()}{frames} frames, {self.seconds_per_frame:.3f} s per frame\n"


@dataclass(frozen=True, eq=False)
class _Job:
    """One sequence to track; travels to another process."""

    sequence: str
    images: Path
    annotations: tuple[Path, ...]
    """Index PNGs; or folders of the masks of one object each."""
    one_object: bool
    layout: Layout
    settings: TrackSettings
    resume: bool
    overwrite: bool


def benchmark_davis(
    root: str | os.PathLike[str],
    subset: str,
    output: str | os.PathLike[str],
    settings: TrackSettings = BENCHMARK_SETTINGS,
    *,
    task: str = "semi-supervised",
    resolution: str = "480p",
    sequences: Sequence[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    jobs: int = 1,
    progress: Callable[[str, Progress | None], None] | None = None,
) -> Benchmark:
    """Track every sequence of a DAVIS set from its first annotations, and score all.

    Every object is started at the first frame it is annotated in, for most the first of the sequence.

    Masks go to ``output/<sequence>/<frame>.png``, first frames included, which is the layout of a DAVIS
    submission; the record of a sequence goes to ``output/runs/<sequence>.json``. Sequences that are
    finished are not tracked again with ``resume``.

    Args:
        root: folder with ``JPEGImages``, ``Annotations`` and ``ImageSets``.
        subset: a list below ``ImageSets``: ``2016/val``.
        output: folder for the results, made where absent.
        settings: of every run. All frames are read, at the size they have.
        task: ``semi-supervised`` or ``unsupervised``.
        resolution: folder below ``JPEGImages`` and ``Annotations``.
        sequences: track and score only these.
        resume: continue from what is there.
        overwrite: replace what earlier runs left there.
        jobs: processes, each with a sequence of its own and its share of the cores.
        progress: called with a sequence and how far it is; with more than one process only when it is
            done (None).

    Raises:
        EvaluationError: unknown set or sequence, or annotations that show no object.
        VosError: see :func:`vos.track_video`.
    """
    from ..evaluation.davis import evaluate_davis
    from ..evaluation.davis_layout import read_davis_set

    _refuse_selection(settings)
    settings = dataclasses.replace(settings, backward=False)  # nothing is known of an object before its start
    davis = read_davis_set(root, subset, task, resolution, sequences=sequences)
    remaining = [
        _Job(
            sequence.name,
            Path(root) / "JPEGImages" / resolution / sequence.name,
            sequence.annotations,
            davis.one_object,
            Layout.of_sequence(output, sequence.name),
            settings,
            resume,
            overwrite,
        )
        for sequence in davis.sequences
    ]
    if not (resume or overwrite):
        _refuse_results(remaining, Path(output))
    runs = dict(_run_all(remaining, settings, jobs, progress or (lambda sequence, progress: None)))
    report = evaluate_davis(output, root, subset, task, resolution=resolution, sequences=sequences)
    return Benchmark(report, settings, {job.sequence: runs[job.sequence] for job in remaining})


def benchmark_vos(
    root: str | os.PathLike[str],
    layout: str,
    output: str | os.PathLike[str],
    settings: TrackSettings = BENCHMARK_SETTINGS,
    *,
    seen: Collection[str] | None = None,
    videos: Sequence[str] | None = None,
    resume: bool = False,
    overwrite: bool = False,
    jobs: int = 1,
    progress: Callable[[str, Progress | None], None] | None = None,
) -> Benchmark:
    """Track every video of a set in the layout of YouTube-VOS, LVOS, MOSE or SA-V, and score all.

    As :func:`benchmark_davis`, with images in ``root/JPEGImages/<video>`` and annotations of some or all of
    their frames in ``root/Annotations/<video>``. Of SA-V these are ``root/JPEGImages_24fps/<video>`` and
    ``root/Annotations_6fps/<video>/<object>``, and masks go to ``output/<video>/<object>/<frame>.png``.

    Args:
        root: folder with ``JPEGImages`` and ``Annotations``.
        layout: a name in :data:`vos.evaluation.registry.PROTOCOLS`.
        output: folder for the results, made where absent.
        settings: of every run.
        seen: categories of the training set, for G.
        videos: track and score only these.
        resume, overwrite, jobs, progress: see :func:`benchmark_davis`.

    Raises:
        EvaluationError: an unknown layout or video, or annotations that show no object.
        VosError: see :func:`vos.track_video`.
    """
    from ..evaluation.vos_sets import (
        annotation_files,
        evaluate_vos,
        object_folders,
        protocol_of,
        video_names,
    )

    protocol = protocol_of(layout)
    _refuse_selection(settings)
    settings = dataclasses.replace(settings, backward=False)
    masks, annotated = "masks", annotation_files
    if protocol.per_object:
        masks, annotated = "object-masks", object_folders
        outputs = tuple(masks if name == "masks" else name for name in settings.outputs)
        settings = dataclasses.replace(settings, outputs=outputs)
    annotations = Path(root) / protocol.annotations
    remaining = [
        _Job(
            name,
            Path(root) / protocol.images / name,
            tuple(annotated(annotations / name)),
            False,
            Layout.of_sequence(output, name, masks=masks),
            settings,
            resume,
            overwrite,
        )
        for name in video_names(annotations, videos)
    ]
    if not (resume or overwrite):
        _refuse_results(remaining, Path(output))
    runs = dict(_run_all(remaining, settings, jobs, progress or (lambda name, progress: None)))
    report = evaluate_vos(output, root, layout, seen=seen, videos=videos)
    return Benchmark(report, settings, {job.sequence: runs[job.sequence] for job in remaining})


def _run_all(
    remaining: Sequence[_Job],
    settings: TrackSettings,
    jobs: int,
    progress: Callable[[str, Progress | None], None],
) -> Iterator[tuple[str, TrackSummary]]:
    if jobs < 1:
        raise SettingsError(f"jobs must be 1 or more, got {jobs}")
    if jobs == 1 or len(remaining) == 1:
        tracker = build_tracker_of(settings)
        for job in remaining:
            yield job.sequence, _track(job, tracker, partial(progress, job.sequence))
            progress(job.sequence, None)
        return
    yield from _run_in_processes(remaining, min(jobs, len(remaining)), progress)


def _run_in_processes(
    remaining: Sequence[_Job], workers: int, progress: Callable[[str, Progress | None], None]
) -> Iterator[tuple[str, TrackSummary]]:
    pool = ProcessPool(_track_in_worker, workers, threads=max((os.cpu_count() or 1) // workers, 1))
    done = 0
    try:
        for event in run_all(pool, {job.sequence: job for job in remaining}):
            if event.kind == "failed":
                raise event.value
            if event.kind == "died":
                raise PartialResultError(
                    f"a process was killed from outside, perhaps because memory ran out; {done} of "
                    f"{len(remaining)} sequences are done: continue with --resume and fewer --jobs"
                )
            if event.kind == "done":
                progress(event.key, None)
                done += 1
                yield event.key, event.value
    except KeyboardInterrupt as error:
        raise InterruptedRunError(
            f"interrupted: {done} of {len(remaining)} sequences are done; "
            "the same command with --resume continues"
        ) from error
    finally:
        pool.close()  # what still runs is not needed any more, and as safe to kill as any run


def _track(job: _Job, tracker: Tracker, progress: Callable[[Progress], None] | None = None) -> TrackSummary:
    """Track one sequence; the engine serves one after the other, since a model may take long to load."""
    from ..video import open_video

    with open_video(job.images, reader=job.settings.reader) as video:
        names = [path.stem for path in video.paths]
        if "object-masks" in job.settings.outputs:
            targets = starting_targets_by_object(job.annotations, names)
        else:
            targets = starting_targets(job.annotations, names, one_object=job.one_object)
        return track_video(
            video,
            targets,
            job.layout,
            job.settings,
            resume=job.resume,
            overwrite=job.overwrite,
            progress=progress,
            build=lambda settings: tracker,
        )


_worker_tracker: list[Tracker] = []
"""The engine of a worker process, once it has one; empty in any other process."""


def _track_in_worker(job: _Job, report: Callable[[Any], None]) -> TrackSummary:
    if not _worker_tracker:
        _worker_tracker.append(build_tracker_of(job.settings))
    return _track(job, _worker_tracker[0])


def _refuse_selection(settings: TrackSettings) -> None:
    for name in ("start", "end", "stride", "size"):
        value = getattr(settings, name)
        if value != getattr(BENCHMARK_SETTINGS, name):
            raise SettingsError(f"setting {name} is {value}: a benchmark reads all frames at their size")
    if "object-masks" in settings.outputs:
        raise SettingsError("setting outputs has object-masks: layouts that score them write them")
    if "masks" not in settings.outputs:
        raise SettingsError("setting outputs lacks masks: they are what is scored")


def _refuse_results(remaining: Sequence[_Job], output: Path) -> None:
    taken = [job.sequence for job in remaining if is_taken(job.layout)]
    if taken:
        raise OutputError(
            f"{output} holds results of {len(taken)} of the {len(remaining)} sequences, such as {taken[0]}: "
            "give --resume to continue, --overwrite to replace them, or another folder"
        )
