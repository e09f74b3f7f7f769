"""The table of ``docs/interactive.md``, from what ``benchmarks/prompts.py`` measured.

python -m benchmarks.prompts_page
"""

from __future__ import annotations

import json
from typing import Any

from benchmarks.common import RESULTS, ROOT, write_between

PAGE = ROOT / "docs" / "interactive.md"
BEGIN, END = "<!-- first masks: written by benchmarks/prompts_page.py -->\n", "<!-- end of first masks -->"
GROUPS = "dev+train"
METHOD, STILL = "interactive", "interactive,motion=null"
Row = dict[str, Any]


def table(rows: list[Row]) -> str:
    """A line for each kind of prompt, in percent, and processor time in seconds."""
    means = {(row["prompt"], row["method"]): row for row in rows if row.get("groups") == GROUPS}
    lines = [
        "| prompt | mean IoU | best of its 3 candidates | IoU below 0.3 | without motion | seconds |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for prompt in dict.fromkeys(prompt for prompt, _ in means):
        with_motion, still = means[prompt, METHOD], means[prompt, STILL]
        called = prompt + (f" of IoU {100 * given:.1f}" if (given := with_motion.get("given_iou")) else "")
        lines.append(
            f"| {called} | {100 * with_motion['iou']:.1f} | {100 * with_motion['best_of_3']:.1f} "
            f"| {100 * with_motion['catastrophes']:.0f} % | {100 * still['iou']:.1f} "
            f"| {with_motion['seconds']:.2f} |"
        )
    return "\n".join(lines) + "\n"


def worst(rows: list[Row], prompt: str, count: int = 10) -> str:
    """The objects with the lowest IoU, the lowest first."""
    chosen = [
        row for row in rows if row.get("object") and row["prompt"] == prompt and row["method"] == METHOD
    ]
    chosen.sort(key=lambda row: float(row["iou"]))
    return ", ".join(f"{row['object']} {100 * row['iou']:.0f}" for row in chosen[:count])


def section(rows: list[Row]) -> str:
    """What the page says of the measurement."""
    return (
        f"{table(rows)}\nLowest from one click: {worst(rows, '1 click')}.\n"
        f"Lowest from a box: {worst(rows, 'box')}.\n"
    )


def main() -> None:
    """Write the page."""
    rows = json.loads((RESULTS / "prompts.json").read_text())["rows"]
    write_between(PAGE, BEGIN, END, section(rows))


if __name__ == "__main__":
    main()
