"""``vos`` with one more engine, ``drift``, for tests that need a process of its own.

Its labels depend on every step since ``begin``, and a step takes as long as DRIFT_SECONDS says, so that a
signal can be sent in the middle.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "job"))

from job_fakes import DriftingTracker

from vos.frame import Frame
from vos.masks import Segmentation
from vos.tracking import TRACKERS


class SlowTracker(DriftingTracker):
    """Takes its time."""

    def step(self, frame: Frame, given: Segmentation | None = None) -> Segmentation:
        """As slow as asked for."""
        time.sleep(float(os.environ.get("DRIFT_SECONDS", "0")))
        return super().step(frame, given)


def build(**options: Any) -> SlowTracker:
    """The engine, which has no options."""
    return SlowTracker()


TRACKERS["drift"] = build

if __name__ == "__main__":
    from vos_cli.main import main

    main()
