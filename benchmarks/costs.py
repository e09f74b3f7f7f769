"""The tables of costs in ``docs/batch.md``, from what was measured in ``benchmarks/results``.

::

    python -m benchmarks.costs
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.common import RESULTS, ROOT, write_between
from vos.trackers.recommend import seconds
from vos.trackers.registry import TRACKERS

PAGE = ROOT / "docs" / "batch.md"
BEGIN, END = "<!-- costs: written by benchmarks/costs.py -->\n", "<!-- end of costs -->"
BATCH_BEGIN, BATCH_END = "<!-- batch: written by benchmarks/costs.py -->\n", "<!-- end of batch -->"
FPS = 25
"""Frames per second of the video whose hour is priced."""
SETS = {
    "classical": "davis-2016-dev.json",
    "nano": "nano-2016-dev.json",
    "nano --tune": "nano-tuned-2016-dev.json",
}
"""Options of ``--model`` -> what ``vos benchmark davis`` wrote."""
SAM_TRACK, H100 = "sam-track.json", "memory-trackers-h100.json"
TWO_CORES = "2 CPU cores"
ESTIMATED = """Trackers with a memory on a processor, by the costs that `vos models recommend` estimates with;
`--key-every 5` takes about a fifth:
"""
RATE = 130.0
"""GFLOP/s in a product of matrices at which models that were not run here are estimated: about two cores."""


@dataclass(frozen=True)
class Cost:
    """What one model takes for one object at 480p."""

    model: str
    machine: str
    seconds_per_frame: float
    source: str
    """File in ``benchmarks/results``."""

    @property
    def hours(self) -> float:
        """Of computing, per hour of video."""
        return FPS * self.seconds_per_frame


def costs(results: Path = RESULTS) -> list[Cost]:
    """All that was measured: processors first, then by model and precision."""

    def read(name: str) -> Any:
        return json.loads((results / name).read_text())

    found = [Cost(model, TWO_CORES, read(name)["seconds_per_frame"], name) for model, name in SETS.items()]
    sam = [row for row in read(SAM_TRACK)["rows"] if row["method"] == "target"]
    found += [Cost(_named(row), TWO_CORES, row["total"], SAM_TRACK) for row in _one_object(sam)]
    gpu = read(H100)
    found += [Cost(_named(row), gpu["machine"], 1 / row["fps"], H100) for row in _one_object(gpu["rows"])]
    return found


def _one_object(rows: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    return (row for row in rows if row["objects"] == 1)


def _named(row: Mapping[str, Any]) -> str:
    return row["model"] + ("" if row["dtype"] == "float32" else f" --dtype {row['dtype']}")


def table(rows: list[Cost]) -> str:
    """The costs in Markdown."""
    lines = [
        f"| `--model` | on | seconds per frame | hours per hour of video at {FPS} frames per second | from |",
        "|---|---|--:|--:|---|",
    ]
    lines += [
        f"| `{row.model}` | {row.machine} | {row.seconds_per_frame:.3f} | {row.hours:.1f} "
        f"| [{row.source}](../benchmarks/results/{row.source}) |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def estimates() -> str:
    """What ``--model auto`` expects of the other trackers on a processor, in Markdown."""
    lines = [
        f"| `--model` | seconds per frame at {RATE:.0f} GFLOP/s, estimated | hours per hour of video |",
        "|---|--:|--:|",
    ]
    for name, entry in TRACKERS.items():
        if entry.memory and sum(entry.cost) and not name.endswith(("-1", "-2", "-512x512")):
            taken = seconds(entry, 1, RATE)
            lines.append(f"| `{name}` | {taken:.1f} | {FPS * taken:.0f} |")
    return "\n".join(lines) + "\n"


def batch_table(results: Path = RESULTS) -> str:
    """What ``benchmarks/batch.py`` measured, in Markdown."""
    rows = json.loads((results / "batch.json").read_text())["rows"]
    check, track, jobs = (
        next(row for row in rows if row["part"] == part) for part in ("check", "track", "jobs")
    )
    lines = [
        "| tasks | a worker's own work, per task | claim a task | `status` | `report` |",
        "|--:|--:|--:|--:|--:|",
    ]
    lines += [
        f"| {row['tasks']:,} | {row['run_cpu_ms_per_task']:.1f} ms | {row['claim_ms_per_task']:.1f} ms "
        f"| {row['status_seconds']:.2f} s | {row['report_seconds']:.2f} s |"
        for row in rows
        if row["part"] == "size"
    ]
    overhead = max(0.0, track["overhead_ms_per_task"])
    lines += [
        "",
        f"Checking a manifest of {check['lines']:,} lines takes {check['cpu_seconds']:.1f} s of processor "
        f"time and {check['peak_mib']:.0f} MiB.",
        f"{track['clips']} clips of {track['frames']} frames take {track['batch_seconds']:.1f} s in a batch, "
        f"and {track['direct_seconds']:.1f} s in a loop over `vos.track_video` with the model loaded once "
        f"({overhead:.0f} ms per task more); two jobs on two cores are {jobs['speedup']:.2f} times as fast "
        "as one.",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the tables into the page."""
    made = table(costs()) + "\n" + ESTIMATED + "\n" + estimates()
    write_between(PAGE, BEGIN, END, "\n" + made + "\n")
    write_between(PAGE, BATCH_BEGIN, BATCH_END, "\n" + batch_table() + "\n")


if __name__ == "__main__":
    main()
