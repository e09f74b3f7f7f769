"""What :mod:`training.confidence.record` has written, as samples to fit and to score.

A tracked mask inherits the errors of the mask it started from, so its expected J has the expected J of that
mask as a factor: 1 for true masks, else what the decoder's model says of it. Where models are scored, that is
a model fitted without the sequence.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vos.trackers.classical.confidence import REFERENCE, Signals

from .regression import Samples, cross_validated, fit

Row = dict[str, Any]

TRACKING = tuple(field.name for field in fields(Signals) if field.name != REFERENCE)
_COMMON = ("score", "agreement", "depth", "smallness")
DECODING = {"box": (*_COMMON, "reach"), "click": (*_COMMON, "contrast"), "points": _COMMON}
"""Signals by kind of prompt. Contrast did not help with boxes and several points."""
PROMPTS = {"box": ("box",), "click": ("1 click",), "points": ("2 clicks", "3 clicks")}
"""Recorded prompts by kind."""
STARTS = {"mask": None, "box": "box", "click": "1 click"}
"""How tracking started, and the recorded prompt that its first mask was decoded from."""
RELATED = {"nano": "classical"}
"""Trackers that are fitted to the records of another one as well: nano refines what it proposes."""
DECODER = "interactive"
"""The backbone that decoded them."""
DECODING_RIDGE = 0.003
"""Decoded masks have few signals: little has to hold their weights back."""


@dataclass(frozen=True, eq=False)
class Records:
    """All rows, each with the name of its sequence."""

    decoded: dict[str, list[Row]]
    """By backbone."""
    tracked: dict[str, list[Row]]
    """By tracker; each row names its start."""

    def decoding(self, backbone: str, kind: str) -> Samples:
        """Masks that a backbone decoded from a kind of prompt in :data:`PROMPTS`."""
        return _samples(self.decoding_rows(backbone, kind), DECODING[kind])

    def decoding_rows(self, backbone: str, kind: str) -> list[Row]:
        """The rows of :meth:`decoding`."""
        return [row for row in self.decoded[backbone] if row["prompt"] in PROMPTS[kind]]

    def tracking(self, tracker: str, *, held_out: bool) -> Samples:
        """Tracked masks; their factor is that of the expected J of their first mask.

        ``held_out``: by a decoding model fitted to other sequences.
        """
        expected, rows = self._expected_first(held_out), self.tracked[tracker]
        first = [
            1.0 if (prompt := STARTS[row["start"]]) is None else expected[row["sequence"], prompt]
            for row in rows
        ]
        return _samples(rows, TRACKING, first)

    def related(self, tracker: str, *, held_out: bool) -> Samples | None:
        """Tracked masks of the tracker in :data:`RELATED`, if there is one."""
        other = RELATED.get(tracker, "")
        return self.tracking(other, held_out=held_out) if other in self.tracked else None

    def starts(self, tracker: str) -> NDArray[np.str_]:
        """(n,) how each row of :meth:`tracking` was started."""
        return np.array([row["start"] for row in self.tracked[tracker]])

    def _expected_first(self, held_out: bool) -> dict[tuple[str, str], float]:
        """Expected J of the decoded masks by sequence and prompt."""
        expected = {}
        for kind in PROMPTS:
            rows, samples = self.decoding_rows(DECODER, kind), self.decoding(DECODER, kind)
            if held_out:
                quality = cross_validated(samples, DECODING_RIDGE)
            else:
                quality = fit(samples, DECODING_RIDGE)(samples.signals)
            expected |= {
                (r["sequence"], r["prompt"]): float(q)
                for r, q in zip(rows, quality, strict=True)
                if r.get("motion", True)
            }
        return expected


def read_records(folder: Path) -> Records:
    """The folders ``decoding-BACKBONE`` and ``tracking-TRACKER-START`` under ``folder``."""
    decoded: dict[str, list[Row]] = {}
    tracked: dict[str, list[Row]] = {}
    for path in sorted(folder.glob("*/*.jsonl")):
        what, name, *start = path.parent.name.split("-")
        rows = [json.loads(line) | {"sequence": path.stem} for line in path.read_text().splitlines()]
        if what == "decoding":
            decoded.setdefault(name, []).extend(rows)
        else:
            tracked.setdefault(name, []).extend(row | {"start": start[0]} for row in rows)
    return Records(decoded, tracked)


def _samples(rows: list[Row], names: tuple[str, ...], factor: Sequence[float] | None = None) -> Samples:
    return Samples(
        np.array([[row["signals"][name] for name in names] for row in rows]),
        np.array([row["j"] for row in rows]),
        np.array([row["sequence"] for row in rows]),
        np.ones(len(rows)) if factor is None else np.array(factor),
    )
