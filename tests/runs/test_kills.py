"""SIGKILL at any time: what is on disk is whole, and --resume ends with the same bytes."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from forks import KILLS, Child, check_whole
from run_fakes import DriftingTracker, SceneReader, files, target

from vos.errors import OutputError
from vos.prompts import Target
from vos.runs import TrackSettings, track_video
from vos.testing import Scene
from vos.trackers.base import Tracker
from vos.trackers.registry import build_tracker
from vos.video.selection import Video

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")
TRACKERS: dict[str, Callable[[], Tracker]] = {
    "drifting": DriftingTracker,
    "classical": lambda: build_tracker("classical"),
    "nano": lambda: build_tracker("nano"),
}
PROMPTS = {
    "forward": [(1, 0), (2, 0)],
    "both directions": [(1, 4), (2, 9)],
    "corrections": [(1, 0), (2, 3), (1, 7)],
}


@pytest.mark.slow
@pytest.mark.parametrize("replacing", [False, True])
@pytest.mark.parametrize("prompts", PROMPTS)
@pytest.mark.parametrize("tracker", TRACKERS)
def test_killed_by_the_system(
    clip: Scene, source: Path, tmp_path: Path, tracker: str, prompts: str, replacing: bool
) -> None:
    """Killed again and again, at random moments of a run that goes on or begins from an earlier result."""
    targets = [target(clip, number, index) for number, index in PROMPTS[prompts]]
    settings = TrackSettings(checkpoint_every=5)
    earlier = TrackSettings(checkpoint_every=5, end=12)

    def killed(work: Callable[[], object]) -> bool:
        child = Child(work, tmp_path / "log")
        time.sleep(rng.uniform(0, longest))
        child.send(signal.SIGKILL)
        code = child.wait()
        assert code in (0, -signal.SIGKILL), child.errors
        return code != 0

    def go(out: Path, what: list[Target], how: TrackSettings, **flags: bool) -> None:
        reader = SceneReader(clip, source)
        track_video(Video(reader, end=how.end), what, out, how, tracker=TRACKERS[tracker](), **flags)

    begun = time.monotonic()
    go(tmp_path / "whole", targets, settings)
    longest = time.monotonic() - begun
    whole = files(tmp_path / "whole")
    rng = random.Random(f"{tracker} {prompts} {replacing}")
    kills = round_ = 0
    while kills < KILLS:
        out = tmp_path / f"out{round_}"
        round_ += 1
        if replacing:
            go(out, [target(clip, 1)], earlier)
        before = files(out) if replacing else {}
        flags = {"overwrite": True} if replacing else {"resume": True}
        while kills < KILLS and killed(partial(go, out, targets, settings, **flags)):
            kills += 1
            check_whole(out)
            if replacing and not (out / ".work" / "swap.json").exists() and (out / ".work").exists():
                assert {k: v for k, v in files(out).items() if not k.startswith(".work")} in (before, whole)
            if (out / ".work" / "new").exists():
                flags = {"resume": True}
        try:
            go(out, targets, settings, resume=True)
        except OutputError:  # a replacing run that never began: the earlier result is there
            assert files(out) == before
            continue
        assert files(out) == whole
