"""The tables of ``docs/interactive.md``, from what ``benchmarks/prompts.py`` measured.

python -m benchmarks.prompts_page
"""

from __future__ import annotations

import json
from typing import Any

from benchmarks.common import RESULTS, ROOT, write_between

PAGE = ROOT / "docs" / "interactive.md"
BEGIN, END = "<!-- first masks: written by benchmarks/prompts_page.py -->\n", "<!-- end of first masks -->"
FIRST_FRAMES = "dev+train"
OTHERS = {"several": "videos with several objects", "photographs": "photographs"}
METHOD, STILL = "interactive", "interactive,motion=null"
WORST = {
    "1 click": "one click",
    "3 clicks": "three clicks",
    "stroke": "a stroke",
    "box": "a box",
}
"""Kinds of prompt whose lowest rows are listed, and what they are called."""
Row = dict[str, Any]


def means(rows: list[Row], groups: str) -> dict[tuple[str, str], Row]:
    """Means of a group by prompt and method."""
    return {(row["prompt"], row["method"]): row for row in rows if row.get("groups") == groups}


def table(rows: list[Row]) -> str:
    """A line for each kind of prompt, in percent, and processor time in seconds."""
    found = means(rows, FIRST_FRAMES)
    lines = [
        "| prompt | mean IoU | best of its 3 candidates | IoU below 0.3 | without motion | seconds |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for prompt in dict.fromkeys(prompt for prompt, _ in found):
        moving, still = found[prompt, METHOD], found[prompt, STILL]
        called = prompt + (f" of IoU {100 * given:.1f}" if (given := moving.get("given_iou")) else "")
        lines.append(
            f"| {called} | {100 * moving['iou']:.1f} | {100 * moving['best_of_3']:.1f} "
            f"| {100 * moving['catastrophes']:.0f} % | {100 * still['iou']:.1f} "
            f"| {moving['seconds']:.2f} |"
        )
    return "\n".join(lines) + "\n"


def table_of_others(rows: list[Row]) -> str:
    """Mean IoU in percent, a line for each kind of prompt and a column for each group."""
    found = {group: means(rows, group) for group in OTHERS}
    counts = {group: next(iter(rows.values()))["objects"] for group, rows in found.items()}
    titles = [f"{OTHERS[group]}, {count} objects" for group, count in counts.items()]
    lines = [f"| mean IoU | {' | '.join(titles)} |", "|---|" + "--:|" * len(titles)]
    for prompt in dict.fromkeys(prompt for prompt, _ in found["several"]):
        values = (f"{100 * found[group][prompt, METHOD]['iou']:.1f}" for group in OTHERS)
        lines.append(f"| {prompt} | " + " | ".join(values) + " |")
    return "\n".join(lines) + "\n"


def worst(rows: list[Row], prompt: str, count: int = 10) -> str:
    """The objects of first frames with the lowest IoU, the lowest first."""
    chosen = [
        row
        for row in rows
        if row.get("group") in FIRST_FRAMES.split("+") and (row["prompt"], row["method"]) == (prompt, METHOD)
    ]
    chosen.sort(key=lambda row: float(row["iou"]))
    return ", ".join(f"{row['object']} {100 * row['iou']:.0f}" for row in chosen[:count])


def section(rows: list[Row], others: list[Row]) -> str:
    """What the page says of the measurements: of first frames, and of the other groups."""
    measured = {row["prompt"] for row in rows}
    lowest = "".join(
        f"Lowest from {called}: {worst(rows, prompt)}.\n"
        for prompt, called in WORST.items()
        if prompt in measured
    )
    return f"{table(rows)}\n{lowest}\n{table_of_others(others)}"


def rows_of(name: str) -> list[Row]:
    """The rows of a file of results."""
    rows: list[Row] = json.loads((RESULTS / name).read_text())["rows"]
    return rows


def main() -> None:
    """Write the page."""
    write_between(PAGE, BEGIN, END, section(rows_of("prompts.json"), rows_of("prompts-others.json")))


if __name__ == "__main__":
    main()
