"""``vos`` with the tracker ``slow-drift``, for workers that are processes of their own.

A frame takes as long as DRIFT_SECONDS says. The engine is there in spawned children as well, since they
import the main module.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

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
        return super().step(frame, prompts, commit=commit)


def build(**options: Any) -> SlowTracker:
    """The engine, which has no options."""
    return SlowTracker()


TRACKERS["slow-drift"] = TrackerEntry(
    f"{__name__}:build", "run_fakes:no_settings", "of the tests", "included"
)

if __name__ == "__main__":
    from vos_cli.main import main

    main()
