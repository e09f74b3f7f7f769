"""Processor time of trackers that run on the CPU, by size of frame, size of object and number of objects.

Two checkouts can be timed in the same run, in turns, since processors differ and are rarely idle::

    git worktree add /tmp/before COMMIT
    python -m benchmarks.tracking_cost --before /tmp/before [--models classical,nano]

The numbers go into ``benchmarks/results/tracking-cost.json``, and from there into the table of
``docs/engine.md``; ``--page`` writes the table alone.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, ROOT, write_between, write_json

PAGE = ROOT / "docs" / "engine.md"
JSON = RESULTS / "tracking-cost.json"
BEGIN, END = "<!-- cost: written by benchmarks/tracking_cost.py -->\n", "<!-- end of cost -->"
SIZES = ((854, 480), (1280, 720), (1920, 1080))
OBJECTS = {"large": "rhino", "middle": "dog", "small": "motocross-bumps"}
"""Sequences whose object covers 19, 11 and 1 percent of the first frame."""
MANY, COUNTS = "schoolgirls", (1, 3, 7)
"""A sequence with seven objects, and how many of them are tracked."""
SIDES = ("before", "after")


def cases(models: Sequence[str]) -> list[dict[str, Any]]:
    """What is measured: one object of three sizes, and one to seven objects, at three sizes of the frame."""
    one = [{"object": kind, "sequence": name, "objects": 1} for kind, name in OBJECTS.items()]
    many = [{"object": "several", "sequence": MANY, "objects": count} for count in COUNTS]
    return [
        {"model": model, "size": list(size), **what}
        for model in models
        for what in one + many
        for size in SIZES
    ]


def measure(case: Mapping[str, Any], steps: int) -> dict[str, float]:
    """Seconds of processor time of the first frame and, as a median, of the frames after it."""
    import cv2
    import numpy as np

    from benchmarks.sequences import read_sequence
    from vos.frame import Frame
    from vos.prompts import Prompt, Target
    from vos.trackers.registry import build_tracker
    from vos.video import open_video

    size = tuple(case["size"])
    with tempfile.TemporaryDirectory() as folder:
        sequence = read_sequence(case["sequence"], steps + 1, 0, Path(folder))
        with open_video(sequence.folder) as video:
            frames = [
                Frame(f.index, cv2.resize(f.image, size, interpolation=cv2.INTER_CUBIC), f.name)
                for f in video
            ]
    labels = cv2.resize(sequence.truth[0], size, interpolation=cv2.INTER_NEAREST)
    ids = [int(k) for k in np.unique(labels) if k][: case["objects"]]
    targets = [Target(k, Prompt(mask=labels == k)) for k in ids]
    tracker = build_tracker(case["model"])
    begin = time.process_time()
    tracker.start(frames[0], targets)
    start = time.process_time() - begin
    spent = []
    for frame in frames[1:]:
        begin = time.process_time()
        tracker.step(frame)
        spent.append(time.process_time() - begin)
    # What follows from the prompted frame may be computed when it is first needed.
    usual = statistics.median(spent)
    return {"start": start + max(0.0, spent[0] - usual), "step": usual}


def serve() -> None:
    """Measure the cases that arrive line by line."""
    import cv2
    import torch

    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    for line in sys.stdin:
        case = json.loads(line)
        found = measure(case, case["steps"])
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(json.dumps({**found, "peak_mib": round(peak)}), flush=True)


class Side:
    """A checkout in a process of its own; the benchmark itself is this one's."""

    def __init__(self, checkout: Path) -> None:
        self._folder = tempfile.TemporaryDirectory()
        links = {"vos": "vos", "vos_cli": "cli", "vos_configs": "configs"}
        for package, source in links.items():
            (Path(self._folder.name) / package).symlink_to(checkout / source)
        path = os.pathsep.join([self._folder.name, str(ROOT), str(ROOT / "benchmarks")])
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from benchmarks.tracking_cost import serve; serve()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=self._folder.name,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )

    def measure(self, case: Mapping[str, Any]) -> dict[str, float]:
        """See :func:`measure`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(case) + "\n")
        self._process.stdin.flush()
        found: dict[str, float] = json.loads(self._process.stdout.readline())
        return found

    def close(self) -> None:
        """End the process."""
        self._process.communicate()
        self._folder.cleanup()


def run(
    models: Sequence[str], checkouts: Mapping[str, Path], steps: int, repeats: int
) -> Iterator[dict[str, Any]]:
    """The rows: the least disturbed of some repeats of each case, in turns."""
    sides = {name: Side(checkout) for name, checkout in checkouts.items()}
    for model, side in itertools.product(models, sides.values()):  # what is loaded once is no part of a start
        side.measure({**cases([model])[0], "steps": 1})
    for case in cases(models):
        found: dict[str, dict[str, float]] = {}
        for _ in range(repeats):
            for name, side in sides.items():
                new = side.measure({**case, "steps": steps})
                old = found.setdefault(name, new)
                found[name] = {key: min(old[key], new[key]) for key in ("start", "step")} | {
                    "peak_mib": new["peak_mib"]
                }
        yield {**case, **{name: _rounded(values) for name, values in found.items()}}
    for side in sides.values():
        side.close()


def _rounded(values: Mapping[str, float]) -> dict[str, float]:
    return {key: round(value, 3) for key, value in values.items()}


def table(document: Mapping[str, Any]) -> str:
    """The rows in Markdown, with the ratios that tell whether costs stay level."""
    rows = document["rows"]
    lines = [
        "| model | object | frame | start, s | before | step, s | before | step / 480p | before |",
        "|---|---|---|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        smallest = next(r for r in rows if _what(r) == _what(row) and tuple(r["size"]) == SIZES[0])
        cells = [row["model"], _named(row), "x".join(map(str, row["size"]))]
        for key in ("start", "step"):
            cells += [f"{row[side][key]:.2f}" if side in row else "" for side in reversed(SIDES)]
        cells += [
            f"{row[side]['step'] / smallest[side]['step']:.2f}" if side in row else ""
            for side in reversed(SIDES)
        ]
        lines.append("| " + " | ".join(cells) + " |")
    lines += ["", "Each further object, as a part of the step of one:", ""]
    lines += ["| model | frame | objects | after | before |", "|---|---|---|--:|--:|"]
    for row in (r for r in rows if r["sequence"] == MANY and r["objects"] > 1):
        first = next(
            r
            for r in rows
            if r["objects"] == 1 and all(r[key] == row[key] for key in ("model", "size", "sequence"))
        )
        cells = [row["model"], "x".join(map(str, row["size"])), str(row["objects"])]
        for side in reversed(SIDES):
            more = (
                (row[side]["step"] / first[side]["step"] - 1) / (row["objects"] - 1) if side in row else None
            )
            cells.append("" if more is None else f"{more:.2f}")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def _what(row: Mapping[str, Any]) -> tuple[Any, ...]:
    return row["model"], row["sequence"], row["objects"]


def _named(row: Mapping[str, Any]) -> str:
    return f"{row['objects']} of {row['sequence']}" if row["sequence"] == MANY else str(row["object"])


def write_page(document: Mapping[str, Any]) -> None:
    """Put the table into the page."""
    write_between(PAGE, BEGIN, END, "\n" + table(document) + "\n")


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--before", type=Path, help="checkout to be timed beside this one")
    parser.add_argument("--models", default="classical,nano")
    parser.add_argument("--steps", type=int, default=6, help="frames after the first")
    parser.add_argument("--repeats", type=int, default=2)
    parser.add_argument("--json", type=Path, default=JSON)
    parser.add_argument("--page", action="store_true", help="write the table of the page only")
    options = parser.parse_args()
    if not options.page:
        checkouts = ({"before": options.before.resolve()} if options.before else {}) | {"after": ROOT}
        settings = {
            "steps": options.steps,
            "repeats": options.repeats,
            "threads": 1,
            "commits": {name: _commit(checkout) for name, checkout in checkouts.items()},
        }
        rows = []
        for row in run(options.models.split(","), checkouts, options.steps, options.repeats):
            print(json.dumps(row), flush=True)
            rows.append(row)
            write_json(options.json, "processor time of trackers, in seconds", settings, rows)
    write_page(json.loads(options.json.read_text(encoding="utf-8")))


def _commit(checkout: Path) -> str:
    command = ["git", "-C", str(checkout), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


if __name__ == "__main__":
    main()
