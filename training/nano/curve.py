"""Score against training time: ``python -m training.nano.curve RUN --davis ROOT``.

Every ``nano-<minutes>.safetensors`` of a run is put into the tracker and scored on DAVIS sequences (first and
last frame left out). Scores go to ``RUN/curve.csv``, checkpoints that are in it are not scored again, and a
plot of them to ``RUN/curve.svg``. Time 0 is the engine alone. No frame that is scored is trained on: a
tracker sees the first mask of the sequence, as all engines do.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from vos.errors import InputError
from vos.runs.benchmark import BENCHMARK_SETTINGS, benchmark_davis

from .train import Recipe, export, start

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 640, 320, 56, 44, 16
"""Of the image, and of the room for its scales, in pixels."""
LEAST_SPAN = 4.0
"""Points of J&F that the image shows at least."""


def score(
    checkpoint: Path, davis: Path, subset: str, sequences: list[str] | None, tracker: Mapping[str, Any]
) -> dict[str, float]:
    """J&F in percent by sequence, and their ``mean``; ``tracker`` overrides its settings."""
    settings = replace(BENCHMARK_SETTINGS, model="nano", checkpoint=str(checkpoint), tracker=tracker)
    with tempfile.TemporaryDirectory() as folder:
        report = benchmark_davis(davis, subset, folder, settings, sequences=sequences).report
    rows = {row["sequence"]: 100 * row["J&F-Mean"] for row in report.to_dict()["sequences"]}
    return {"mean": sum(rows.values()) / len(rows), **rows}


def curve(
    run: Path,
    davis: Path,
    subset: str,
    sequences: list[str] | None = None,
    tracker: Mapping[str, Any] | None = None,
) -> list[dict[str, float]]:
    """Score what has not been scored, write ``curve.csv`` and ``curve.svg``, and return all rows by time.

    Raises:
        InputError: if the run has no checkpoints.
    """
    checkpoints = {float(path.stem.removeprefix("nano-")): path for path in run.glob("nano-*.safetensors")}
    if not checkpoints:
        raise InputError(f"no nano-<minutes>.safetensors in {run}; make some: python -m training.nano.train")
    table = run / "curve.csv"
    rows = _read(table)
    with tempfile.TemporaryDirectory() as folder:
        untrained = Path(folder) / "untrained.safetensors"
        export(start(Recipe()), untrained)
        for minutes, path in sorted({0.0: untrained, **checkpoints}.items()):
            if minutes not in {row["minutes"] for row in rows}:
                rows.append({"minutes": minutes, **score(path, davis, subset, sequences, tracker or {})})
                rows.sort(key=lambda row: row["minutes"])
                _write(table, rows)
    (run / "curve.svg").write_text(draw([(row["minutes"], row["mean"]) for row in rows]), encoding="utf-8")
    return rows


def draw(points: list[tuple[float, float]], score_name: str = "J&amp;F, percent") -> str:
    """SVG of score against minutes; the dashed line is the first point's score."""
    longest = max(max(x for x, _ in points), 1.0)
    scores = [y for _, y in points]
    middle, span = (max(scores) + min(scores)) / 2, max(max(scores) - min(scores), LEAST_SPAN) * 1.15
    low = middle - span / 2

    def across(minutes: float) -> float:
        return LEFT + (WIDTH - LEFT - TOP) * minutes / longest

    def down(points_of_score: float) -> float:
        return TOP + (HEIGHT - TOP - BOTTOM) * (1 - (points_of_score - low) / span)

    def level(y: float, style: str) -> str:
        return f'<line x1="{LEFT}" x2="{WIDTH - TOP}" y1="{down(y):.1f}" y2="{down(y):.1f}" {style}/>'

    def words(x: float, y: float, anchor: str, text: str) -> str:
        return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{text}</text>'

    scale = [low + span * i / 4 for i in range(5)]
    times = [longest * i / 5 for i in range(6)]
    marks = [(across(x), down(y)) for x, y in points]
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in marks)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        *(level(y, 'stroke="#ddd"') for y in scale),
        *(words(LEFT - 8, down(y) + 4, "end", f"{y:.1f}") for y in scale),
        *(words(across(x), HEIGHT - BOTTOM + 18, "middle", f"{x:.0f}") for x in times),
        level(scores[0], 'stroke="#888" stroke-dasharray="5 4"'),
        f'<polyline fill="none" stroke="#1f6fb4" stroke-width="2" points="{path}"/>',
        *(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="#1f6fb4"/>' for x, y in marks),
        words((LEFT + WIDTH) / 2, HEIGHT - 8, "middle", "minutes of training"),
        words(LEFT, TOP - 4, "start", score_name),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _read(table: Path) -> list[dict[str, float]]:
    if not table.exists():
        return []
    with table.open(newline="") as file:
        return [{name: float(value) for name, value in row.items()} for row in csv.DictReader(file)]


def _write(table: Path, rows: list[dict[str, float]]) -> None:
    with table.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows({name: round(value, 3) for name, value in row.items()} for row in rows)


def main() -> None:
    """Score a run from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--davis", type=Path, required=True)
    parser.add_argument("--set", dest="subset", default="2016/dev")
    parser.add_argument("--sequences", help="A,B: these alone")
    parser.add_argument("--tune", action="store_true")
    options = parser.parse_args()
    sequences = options.sequences.split(",") if options.sequences else None
    try:
        tracker = {"tune": options.tune}
        rows = curve(options.run, options.davis, options.subset, sequences, tracker)
    except InputError as error:
        raise SystemExit(str(error)) from error
    for row in rows:
        print(f"{row['minutes']:7.1f} min  J&F {row['mean']:.1f}")


if __name__ == "__main__":
    main()
