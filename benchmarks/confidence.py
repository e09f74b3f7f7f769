"""How well confidence predicts J, on sequences that it was not fitted to, and the reliability curve.

Reads what ``training/confidence/record.py`` has written; the models are fitted ten times, each time without a
tenth of the sequences, and asked about those::

    python -m benchmarks.confidence records [--json benchmarks/results/confidence.json]

The reliability curve becomes ``docs/images/confidence.svg``, the table goes into ``docs/confidence.md``.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import RESULTS, ROOT, write_between, write_json
from training.confidence.measures import reliability, scores
from training.confidence.records import DECODING_RIDGE, PROMPTS, STARTS, Records, read_records
from training.confidence.regression import FOLDS, RIDGE, cross_validated
from vos.files import write_text_atomic

PAGE = ROOT / "docs" / "confidence.md"
PICTURE = ROOT / "docs" / "images" / "confidence.svg"
BEGIN, END = "<!-- scores: written by benchmarks/confidence.py -->\n", "<!-- end of scores -->"
FEWEST = 10
"""Parts of the reliability curve with fewer masks are not drawn."""
COLOURS = ("#0072b2", "#d55e00", "#009e73")
"""Of Okabe and Ito's colour-blind-safe palette."""


def tracked_rows(records: Records, tracker: str) -> list[dict[str, Any]]:
    """A row for each start, and one for all of them."""
    samples, starts = records.tracking(tracker, held_out=True), records.starts(tracker)
    predicted = cross_validated(samples, RIDGE, more=records.related(tracker, held_out=True))
    every = np.ones(len(starts), bool)
    chosen = {"all": every} | {start: starts == start for start in STARTS if (starts == start).any()}
    return [
        {"model": tracker, "masks": f"tracked, start: {start}", **_row(predicted, samples, rows)}
        for start, rows in chosen.items()
    ]


def decoded_rows(records: Records, backbone: str) -> list[dict[str, Any]]:
    """A row for each prompt."""
    rows = []
    for kind, prompts in PROMPTS.items():
        samples = records.decoding(backbone, kind)
        predicted = cross_validated(samples, DECODING_RIDGE)
        asked = np.array([row["prompt"] for row in records.decoding_rows(backbone, kind)])
        for prompt in prompts:
            rows.append(
                {
                    "model": backbone,
                    "masks": f"decoded from {prompt}",
                    **_row(predicted, samples, asked == prompt),
                }
            )
    return rows


def _row(predicted: Any, samples: Any, rows: Any) -> dict[str, Any]:
    j = samples.j[rows]
    return {
        "sequences": len(set(samples.sequences[rows])),
        "count": len(j),
        "mean_j": round(float(j.mean()), 3),
        "share_j50": round(float((j < 0.5).mean()), 3),
        "share_j75": round(float((j < 0.75).mean()), 3),
        **{name: _rounded(value) for name, value in scores(predicted[rows], j).items()},
        "reliability": [
            {name: _rounded(value) for name, value in part.items()}
            for part in reliability(predicted[rows], j)
        ],
    }


def _rounded(value: float) -> float | None:
    """Three decimals; None where there is no such number, as the AUROC without bad masks."""
    return None if np.isnan(value) else round(float(value), 3)


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows in Markdown."""
    lines = [
        "| model | masks | sequences | masks scored | mean J | J < 0.5 | Spearman | AUROC J < 0.5 "
        "| AUROC J < 0.75 | ECE |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        numbers = [row[k] for k in ("mean_j", "share_j50", "spearman", "auroc_j50", "auroc_j75", "ece")]
        shown = " | ".join("-" if number is None else f"{number:.2f}" for number in numbers)
        lines.append(f"| {row['model']} | {row['masks']} | {row['sequences']} | {row['count']} | {shown} |")
    return "\n".join(lines)


def draw(rows: Sequence[Mapping[str, Any]]) -> str:
    """The reliability curves of tracked masks as SVG: a panel per tracker, a line per start."""
    trackers = sorted({row["model"] for row in rows})
    side, gap = 240, 60
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{len(trackers) * (side + gap) + gap}" '
        f'height="{side + 2 * gap}" font-family="sans-serif" font-size="12">'
    ]
    for column, tracker in enumerate(trackers):
        x0, y0 = gap + column * (side + gap), gap / 2 + side
        parts.append(
            f'<rect x="{x0}" y="{y0 - side}" width="{side}" height="{side}" fill="white" stroke="#888"/>'
            f'<path d="M{x0} {y0}L{x0 + side} {y0 - side}" stroke="#888" stroke-dasharray="4"/>'
            f'<text x="{x0 + side / 2}" y="{y0 - side - 8}" text-anchor="middle">{tracker}</text>'
            f'<text x="{x0 + side / 2}" y="{y0 + 32}" text-anchor="middle">confidence</text>'
            f'<text x="{x0 - 40}" y="{y0 - side / 2}">J</text>'
        )
        for tick in (0, 0.5, 1):
            parts.append(
                f'<text x="{x0 + tick * side}" y="{y0 + 15}" text-anchor="middle">{tick}</text>'
                f'<text x="{x0 - 6}" y="{y0 - tick * side + 4}" text-anchor="end">{tick}</text>'
            )
        lines = [row for row in rows if row["model"] == tracker and not row["masks"].endswith("all")]
        for number, (row, colour) in enumerate(zip(lines, COLOURS, strict=False)):
            drawn = [part for part in row["reliability"] if part["rows"] >= FEWEST]
            places = [(x0 + p["confidence"] * side, y0 - p["j"] * side) for p in drawn]
            path = "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
            parts.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
            parts += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3" fill="{colour}"/>' for x, y in places]
            label = row["masks"].removeprefix("tracked, ")
            parts.append(
                f'<text x="{x0 + 8}" y="{y0 - side + 18 + 15 * number}" fill="{colour}">{label}</text>'
            )
    return "\n".join([*parts, "</svg>\n"])


def main() -> None:
    """Score, write and draw."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("records", type=Path)
    parser.add_argument("--json", default=str(RESULTS / "confidence.json"))
    arguments = parser.parse_args()
    records = read_records(arguments.records)
    tracked = [row for tracker in records.tracked for row in tracked_rows(records, tracker)]
    decoded = [row for backbone in records.decoded for row in decoded_rows(records, backbone)]
    print(table(tracked + decoded))
    settings = {"folds": FOLDS, "ridge": RIDGE, "decoding_ridge": DECODING_RIDGE}
    write_json(arguments.json, "confidence", settings, tracked + decoded)
    write_text_atomic(PICTURE, draw(tracked))
    write_between(PAGE, BEGIN, END, table(tracked + decoded) + "\n")


if __name__ == "__main__":
    main()
