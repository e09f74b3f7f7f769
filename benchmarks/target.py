"""The target tracker against the published PerSAM video recipe, one improvement after the other.

The built-in backbone sits in SAM's place in all of them, so what differs is the tracker. Every row adds one
thing to the row above::

    python benchmarks/target.py --data ../shared/data --work out/target

Sequences that are done are not tracked again when it is started anew with the same ``--work``.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import torch
from common import RESULTS, data_root, write_json

from vos.runs.benchmark import BENCHMARK_SETTINGS, benchmark_davis
from vos.settings import override

SETS = {"DAVIS 2016/dev": ("DAVIS", "2016/dev"), "schoolgirls": ("DAVIS-2017-240p", "2017/val")}

OFF: dict[str, Any] = {
    "recent": 0,
    "soft_assignment": False,
    "agree": 0.0,
    "reacquire": False,
    "prompts": {
        "warped_mask": False,
        "positive_points": 2,
        "margin": 0.0,
        "margin_pixels": 10,
        "guided_attention": False,
        "semantic_prompt": False,
    },
}
WARPED = {"prompts": {"warped_mask": True, "positive_points": 1, "margin": 0.1, "margin_pixels": 6}}
STEPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("fixed slots, the remembered cells of the first frame", OFF),
    (
        "guided attention and semantic prompt",
        {"prompts": {"guided_attention": True, "semantic_prompt": True}},
    ),
    ("flow-carried mask as prompt and motion prior", WARPED),
    ("competition", {"soft_assignment": True}),
    ("choice of the candidate by agreement with motion", {"agree": 1.0}),
    ("recent memory", {"recent": 4}),
    ("re-acquisition: the default", {"reacquire": True}),
)


def merged(lower: dict[str, Any], upper: dict[str, Any]) -> dict[str, Any]:
    """``upper`` laid over ``lower``, mappings within mappings."""
    both = {key: merged(lower[key], upper[key]) for key in lower.keys() & upper.keys() if key == "prompts"}
    return {**lower, **upper, **both}


def rungs() -> list[tuple[str, dict[str, Any]]]:
    """What is added -> settings of the run."""
    found = [("PerSAM as published", {"model": "persam", "tracker": {"variant": "as-published"}})]
    tracker: dict[str, Any] = {}
    for what, change in STEPS:
        tracker = merged(tracker, change)
        found.append((f"+ {what}", {"model": "persam", "tracker": tracker}))
    return found


def main() -> None:
    """Run every rung on every set that is there."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, default=data_root(), help="folder with DAVIS and the like")
    parser.add_argument("--work", type=Path, required=True, help="folder for masks")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", type=Path, default=RESULTS / "target.json")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    rows: list[dict[str, Any]] = []
    for number, (what, changes) in enumerate(rungs()):
        for title, (folder, subset) in SETS.items():
            if not (arguments.data / folder).is_dir():
                continue
            done = benchmark_davis(
                arguments.data / folder,
                subset,
                arguments.work / f"{number}-{folder}",
                override(BENCHMARK_SETTINGS, changes),
                resume=True,
            ).to_dict()
            scores = {name: round(100 * value, 1) for name, value in done["global"].items()}
            rows.append(
                {
                    "tracker": what,
                    "set": title,
                    **{name: scores[name] for name in ("J-Mean", "F-Mean", "J&F-Mean")},
                    "seconds_per_frame": round(done["seconds_per_frame"], 3),
                    "per_sequence": {
                        f"{row['sequence']} {row['object']}": round(50 * (row["J-Mean"] + row["F-Mean"]), 1)
                        for row in done["per_sequence"]
                    },
                    "settings": changes,
                }
            )
            print(f"{what:60} {title:16} J&F {scores['J&F-Mean']}", flush=True)
            write_json(arguments.json, "target tracker", {"threads": arguments.threads}, rows)


if __name__ == "__main__":
    main()
