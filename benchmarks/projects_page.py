"""The tables of ``docs/projects.md`` and ``docs/annotate.md``, from what benchmarks of annotation measured.

python benchmarks/projects_page.py
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from common import RESULTS, ROOT, write_between

DOCS = ROOT / "docs"
BEGIN, END = "<!-- measured: written by benchmarks/projects_page.py -->\n", "<!-- end of measured -->"
Document = dict[str, Any]


def key_frames(document: Document) -> str:
    """Masks between key frames, by the way they are filled."""
    settings = document["settings"]
    sequences = {row["sequence"] for row in document["rows"]}
    lines = [
        f"Masks between true masks ({len(sequences)} sequences of DAVIS, at most {settings['frames']} frames "
        f"each, {_cut(settings)}), mean over sequences, processor seconds per frame on {_machine(document)}:",
        "",
        "| filled by | J | F | seconds per frame |",
        "|---|--:|--:|--:|",
    ]
    for way, mean in settings["means"].items():
        lines.append(
            f"| {way} | {mean['j']:.1f} | {mean['f']:.1f} | {mean['seconds_per_filled_frame']:.2f} |"
        )
    return "\n".join(lines)


def corrections(document: Document) -> str:
    """J&F by number of corrections."""
    settings = document["settings"]
    summary = settings["summary"]
    counts = list(summary[0]["j_and_f"])
    needed = next(key for key in summary[0] if key.startswith("mean corrections"))
    lines = [
        "A simulated annotator gives the true masks of frame 0 and of one frame after the other, and tracks. "
        f"J&F by number of corrections, {_length(settings)}, {_cut(settings)}; "
        f"the last column counts a sequence that never gets there with {int(counts[-1]) + 1}:",
        "",
        f"| tracker | frames chosen by | sequences | {' | '.join(counts)} | {needed} J&F |",
        f"|---|---|--:|{'--:|' * (len(counts) + 1)}",
    ]
    for entry in summary:
        scores = " | ".join(f"{entry['j_and_f'][count]:.1f}" for count in counts)
        head = f"{entry['model']} | {entry['policy']} | {entry['sequences']}"
        lines.append(f"| {head} | {scores} | {entry[needed]:.1f} |")
    if len({entry["policy"] for entry in summary}) > 2:
        lines.extend(best_in_hindsight(document, counts))
    return "\n".join(lines)


def best_in_hindsight(document: Document, counts: list[str]) -> list[str]:
    """A line per tracker: of each sequence and number of corrections the best of all policies."""
    lines = []
    for model in sorted({row["model"] for row in document["rows"]}):
        by_sequence: dict[str, list[dict[str, float]]] = {}
        for row in document["rows"]:
            if row["model"] == model:
                by_sequence.setdefault(row["sequence"], []).append(row["j_and_f"])
        runs = by_sequence.values()
        scores = [sum(max(run[count] for run in one) for one in runs) / len(runs) for count in counts]
        shown = " | ".join(f"{score:.1f}" for score in scores)
        lines.append(f"| {model} | best of these in hindsight | {len(runs)} | {shown} | |")
    return lines


def review_queue(document: Document) -> str:
    """What the doubt is worth."""
    settings, (row,) = document["settings"], document["rows"]
    models = list(row["auroc"])
    lines = [
        f"Area under the ROC curve for J < {settings['bad']}, on {settings['masks']} tracked masks of "
        f"{settings['sequences']} sequences, {settings['bad masks']} of them bad:",
        "",
        f"| doubt | {' | '.join(models)} |",
        f"|---|{'--:|' * len(models)}",
    ]
    for what in row["auroc"][models[0]]:
        areas = " | ".join(format(row["auroc"][model][what], ".3f") for model in models)
        lines.append(f"| {what} | {areas} |")
    return "\n".join(lines)


def latency(document: Document) -> str:
    """What the server's answers to a page cost."""
    lines = [
        f"Processor time of the server per request on {_machine(document)}, and in units of what it takes to "
        "decode one frame of that video and encode it as JPEG:",
        "",
        "| request | video | ms | frames |",
        "|---|---|--:|--:|",
    ]
    for row in document["rows"]:
        if "processor_ms_mean" in row:
            cost, unit = row["processor_ms_mean"], row["yardstick_ms"]
            lines.append(f"| {row['what']} | {row['video']} | {cost:.0f} | {cost / unit:.1f} |")
    return "\n".join(lines)


def kills(document: Document) -> str:
    """What was lost by killing the server."""
    rows = document["rows"]
    acknowledged = sum(row["acknowledged"] for row in rows)
    lost, problems = (sum(len(row[what]) for row in rows) for what in ("lost", "problems"))
    return (
        f"{len(rows)} times the server was killed (SIGKILL) at a random moment while a script annotated: of "
        f"{acknowledged:,} acknowledged actions {lost} were lost, and `vos project check` found {problems} "
        "problems."
    )


TABLES: dict[str, dict[str, Callable[[Document], str]]] = {
    "projects.md": {
        "key_frames.json": key_frames,
        "corrections.json": corrections,
        "corrections-whole.json": corrections,
        "review-queue.json": review_queue,
    },
    "annotate.md": {"annotate.json": latency, "annotate_kill.json": kills},
}
"""Page -> file in ``benchmarks/results`` -> the table of it."""


def _length(settings: Document) -> str:
    return f"sequences of at most {settings['frames']} frames" if settings["frames"] else "whole sequences"


def _cut(settings: Document) -> str:
    return f"shorter side {settings['size']} pixels" if settings["size"] else "as they are"


def _machine(document: Document) -> str:
    machine = document["machine"]
    return f"one core of {machine['processor']}"


def measured(page: str) -> str:
    """All tables of a page of which there are numbers."""
    parts = []
    for name, table in TABLES[page].items():
        path = RESULTS / name
        if path.exists():
            source = f"([benchmarks/results/{name}](../benchmarks/results/{name}))"
            parts.append(f"{table(json.loads(path.read_text()))}\n\n{source}\n")
    return "\n".join(parts)


def main() -> None:
    """Write the tables into the pages."""
    for page in TABLES:
        write_between(DOCS / page, BEGIN, END, f"\n{measured(page)}\n")


if __name__ == "__main__":
    main()
