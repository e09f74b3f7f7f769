"""``vos`` with one more engine, ``drift``, for tests that need a process of its own.

Its labels depend on every step since ``begin``. A step takes as long as DRIFT_SECONDS says, and that of frame
DRIFT_WAITS_AT half a minute more, so that a signal can be sent in the middle.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from run_fakes import DriftingTracker

from vos.frame import Frame
from vos.prompts import Target
from vos.results import FrameResult
from vos.trackers.registry import TRACKERS, TrackerEntry


class SlowTracker(DriftingTracker):
    """Takes its time."""

    def step(self, frame: Frame, prompts: Sequence[Target] = (), *, commit: bool = True) -> FrameResult:
        """As slow as asked for."""
        time.sleep(float(os.environ.get("DRIFT_SECONDS", "0")))
        if str(frame.index) == os.environ.get("DRIFT_WAITS_AT"):
            time.sleep(30)
        return super().step(frame, prompts, commit=commit)


def build(**options: Any) -> SlowTracker:
    """The engine, which has no options."""
    return SlowTracker()


TRACKERS["drift"] = TrackerEntry(f"{__name__}:build", "run_fakes:no_settings", "of the tests", "included")

if __name__ == "__main__":
    from vos_cli.main import main

    main()
