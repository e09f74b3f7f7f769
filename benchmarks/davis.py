"""J and F of trackers on DAVIS 2016, per sequence: the ten of 2016/dev and the thirty of DAVIS-2016-train.

    python -m benchmarks.davis classical nano --jobs 2 --json benchmarks/results/davis-2016.json
    python -m benchmarks.davis --tables

A tracker starts from the true mask of the first frame; as in DAVIS, first and last frame do not count.
It is ``classical``, ``nano`` or the file of a network for nano; settings of
:class:`vos.trackers.nano.tracker.NanoSettings` follow after commas (``best.safetensors,appearance=1``).
``--videos FOLDER`` takes ``FOLDER/<sequence>.mp4`` with masks in ``FOLDER/<sequence>/`` in place of the 40.
Rows that are in the file already stay, so the command can be stopped and started again. Seconds are
processor time of one thread. ``--tables`` writes the tables of README.md, docs/engine.md and docs/nano.md;
columns of other methods are means of their published scores per frame, over the same frames.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.common import RESULTS, ROOT, between, data_root, write_json
from training.confidence.record import Annotated, sequences
from vos.backbones.nano.backbone import build_nano
from vos.evaluation.boundary import contour_accuracy
from vos.evaluation.region import region_similarity
from vos.evaluation.statistics import sequence_statistics
from vos.files import write_text_atomic
from vos.prompts import Prompt, Target
from vos.trackers.classical.tracker import ClassicalTracker
from vos.trackers.nano.tracker import NanoSettings, NanoTracker

FILE = RESULTS / "davis-2016.json"
PUBLISHED = {"bvs": "BVS", "ofl": "OFL", "jmp": "JMP", "siammask": "SiamMask", "osvos": "OSVOS"}
BEGIN, END = "<!-- {}: written by benchmarks/davis.py -->\n", "<!-- end of {} -->"

Row = dict[str, Any]


def tracker_of(name: str) -> ClassicalTracker:
    """The tracker that a name on the command line stands for."""
    path, *pairs = name.split(",")
    if path == "classical":
        return ClassicalTracker()
    settings = NanoSettings()
    for pair in pairs:
        key, value = pair.split("=")
        settings = replace(settings, **{key: type(getattr(settings, key))(float(value))})
    return NanoTracker(build_nano(checkpoint=None if path == "nano" else path), settings)


def score(name: str, sequence: Annotated, frames: int | None = None) -> Row:
    """Mean and decay of J and F in percent, and processor seconds per frame."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    truths = sequence.truth[:frames]
    tracker = tracker_of(name)
    overlaps, contours, seconds = [], [], 0.0
    for frame, truth in zip(sequence.frames(), truths, strict=False):
        began = time.process_time()
        if frame.index == 0:
            tracker.start(frame, [Target(1, Prompt(mask=truth))])
        else:
            labels = tracker.step(frame).labels > 0
        seconds += time.process_time() - began
        if 0 < frame.index < len(truths) - 1:
            overlaps.append(region_similarity(truth, labels))
            contours.append(contour_accuracy(truth, labels))
    if len(overlaps) != len(truths) - 2:
        raise ValueError(f"{sequence.video} has {len(overlaps) + 2} frames, but {len(truths)} masks")
    row = {"tracker": name, "sequence": sequence.name, **_scores(overlaps, contours)}
    return {**row, "seconds_per_frame": round(seconds / len(truths), 4)}


def _scores(overlaps: Sequence[float], contours: Sequence[float]) -> Row:
    j, f = sequence_statistics(overlaps), sequence_statistics(contours)
    values = {"J": j.mean, "F": f.mean, "J&F": (j.mean + f.mean) / 2, "J-Decay": j.decay, "F-Decay": f.decay}
    return {key: round(100 * value, 2) for key, value in values.items()}


def published(root: Path) -> list[Row]:
    """Rows of other methods, as far as their scores per frame are there."""
    rows = []
    for method, name in PUBLISHED.items():
        path = root / "davis_published" / "2016" / "per_frame" / f"{method}_davis.json"
        frames = json.loads(path.read_text()) if path.exists() else {}
        rows += [
            {"tracker": name, "sequence": sequence, **_scores(values["J"], values["F"])}
            for sequence, values in sorted(frames.items())
            if sequence != "id"
        ]
    return rows


def run(
    videos: Sequence[Annotated],
    names: Sequence[str],
    target: Path,
    jobs: int,
    frames: int | None = None,
    others: Sequence[Row] = (),
) -> list[Row]:
    """Score what is not in ``target``, long videos first, and write it after every sequence.

    ``others`` are the first rows of a new file.
    """
    settings = {"start": "true mask of the first frame", "frames": frames, "threads": 1}
    rows: list[Row] = json.loads(target.read_text())["rows"] if target.exists() else list(others)
    done = {(row["tracker"], row["sequence"]) for row in rows}
    ordered = sorted(videos, key=lambda video: -len(list(video.annotations.glob("*.png"))))
    missing = [(name, video) for name in names for video in ordered if (name, video.name) not in done]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, context) as executor:
        for future in as_completed([executor.submit(score, *pair, frames) for pair in missing]):
            rows.append(future.result())
            write_json(target, "trackers on DAVIS 2016", settings, rows)
    return rows


def means(rows: Sequence[Row], key: str = "J&F") -> dict[str, float]:
    """The mean over sequences of every tracker."""
    found: dict[str, list[float]] = {}
    for row in rows:
        found.setdefault(row["tracker"], []).append(row[key])
    return {name: float(np.mean(values)) for name, values in found.items()}


class Tables:
    """The tables of the pages, from the rows of :data:`FILE`."""

    def __init__(self, rows: Sequence[Row]) -> None:
        others = [row for row in rows if row["tracker"] in PUBLISHED.values()]
        self._dev = sorted({row["sequence"] for row in others})
        self._by = {(row["tracker"], row["sequence"]): row for row in rows}
        self._names = sorted({row["sequence"] for row in rows})

    def development(self) -> str:
        """The ten of 2016/dev beside other methods."""
        trackers = ["classical", "nano", *PUBLISHED.values()]
        rows = [[name, *(self._by[tracker, name]["J&F"] for tracker in trackers)] for name in self._dev]
        return _table(["sequence", *trackers], [*rows, _mean(rows)])

    def summary(self) -> str:
        """Both trackers: means on the ten, the thirty and all."""
        train = [name for name in self._names if name not in self._dev]
        groups = {"2016/dev (10)": self._dev, "DAVIS-2016-train (30)": train, "all 40": self._names}
        rows = [
            [tracker, group, *self._means(tracker, names)]
            for group, names in groups.items()
            for tracker in ("classical", "nano")
        ]
        return _table(["tracker", "sequences", *_MEASURES], rows)

    def each(self, tracker: str) -> str:
        """All 40 of one tracker."""
        rows = [[name, *(self._by[tracker, name][key] for key in _MEASURES)] for name in self._names]
        return _table(["sequence", *_MEASURES], [*rows, _mean(rows)])

    def both(self) -> str:
        """All 40 of both trackers, and what nano gains."""
        rows = []
        for name in self._names:
            classical, nano = (self._by[tracker, name]["J&F"] for tracker in ("classical", "nano"))
            rows.append([name, classical, nano, nano - classical])
        return _table(["sequence", "classical", "nano", "gain"], [*rows, _mean(rows)])

    def _means(self, tracker: str, names: Sequence[str]) -> list[float]:
        return [float(np.mean([self._by[tracker, name][key] for name in names])) for key in _MEASURES]


_MEASURES = ("J", "F", "J&F", "J-Decay", "F-Decay")
PAGES: Mapping[str, Mapping[str, Callable[[Tables], str]]] = {
    "README.md": {"development scores": Tables.development, "summary": Tables.summary},
    "docs/engine.md": {"scores": lambda tables: tables.each("classical")},
    "docs/nano.md": {"scores": Tables.both},
}
"""Page -> name of a table in it -> how that is made."""


def _mean(rows: Sequence[Sequence[Any]]) -> list[Any]:
    return ["**mean**", *(float(np.mean(column)) for column in list(zip(*rows, strict=True))[1:])]


def _table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    lines = [
        "| " + " | ".join(header) + " |",
        "|---" * sum(h in ("sequence", "tracker", "sequences") for h in header),
    ]
    lines[1] += "|--:" * (len(header) - lines[1].count("|---")) + "|"
    lines += ["| " + " | ".join(c if isinstance(c, str) else f"{c:.1f}" for c in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def pages(rows: Sequence[Row]) -> dict[Path, str]:
    """Every page with tables, as it has to be."""
    tables, found = Tables(rows), {}
    for page, parts in PAGES.items():
        text = (ROOT / page).read_text(encoding="utf-8")
        for name, make in parts.items():
            text = between(text, BEGIN.format(name), END.format(name), f"\n{make(tables)}\n")
        found[ROOT / page] = text
    return found


def main() -> None:
    """Score, or write the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("trackers", nargs="*")
    parser.add_argument("--json", type=Path, default=FILE)
    parser.add_argument("--videos", type=Path, help="folder of videos with masks in place of DAVIS")
    parser.add_argument("--sequences", help="only these, separated by commas")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--frames", type=int, help="of each video, at most")
    parser.add_argument("--tables", action="store_true", help="write the tables of the pages from --json")
    options = parser.parse_args()
    if options.trackers:
        videos = sequences(data_root())
        if options.videos is not None:
            paths = sorted(options.videos.glob("*.mp4"))
            videos = [Annotated(path.stem, path, path.with_suffix("")) for path in paths]
        if options.sequences:
            videos = [video for video in videos if video.name in options.sequences.split(",")]
        others = published(data_root()) if options.videos is None else []
        rows = run(videos, options.trackers, options.json, options.jobs, options.frames, others)
        for name, mean in means(rows).items():
            print(f"{name}: J&F {mean:.2f}")
    if options.tables:
        for page, text in pages(json.loads(options.json.read_text())["rows"]).items():
            write_text_atomic(page, text)


if __name__ == "__main__":
    main()
