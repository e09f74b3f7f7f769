"""Fit the confidence models of all trackers and backbones that there are records of.

    python -m training.confidence.fit records

They are written to ``vos/assets/confidence``, one file per tracker or backbone; models there that nothing was
recorded for stay.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from vos.files import make_folder, write_text_atomic

from .records import DECODING, DECODING_RIDGE, PROMPTS, TRACKING, Records, read_records
from .regression import fit

ASSETS = Path(__file__).resolve().parents[2] / "vos" / "assets" / "confidence"


def fit_all(records: Records) -> dict[str, dict[str, Any]]:
    """Models by tracker or backbone and by what they are for: ``box``, ``click``, ``points``, ``tracked``."""
    models: dict[str, dict[str, Any]] = {}
    for backbone in records.decoded:
        models[backbone] = {
            kind: fit(records.decoding(backbone, kind), DECODING_RIDGE).named(DECODING[kind])
            for kind in PROMPTS
        }
    for tracker in records.tracked:
        samples, more = records.tracking(tracker, held_out=False), records.related(tracker, held_out=False)
        samples = samples if more is None else samples + more
        models.setdefault(tracker, {})["tracked"] = fit(samples).named(TRACKING)
    return models


def main() -> None:
    """Fit and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("records", type=Path, help="folder that training.confidence.record has written to")
    parser.add_argument("--out", type=Path, default=ASSETS)
    arguments = parser.parse_args()
    make_folder(arguments.out)
    for name, models in fit_all(read_records(arguments.records)).items():
        path = arguments.out / f"{name}.json"
        earlier = json.loads(path.read_text())["models"] if path.is_file() else {}
        write_text_atomic(path, json.dumps({"models": earlier | models}, indent=2) + "\n")


if __name__ == "__main__":
    main()
