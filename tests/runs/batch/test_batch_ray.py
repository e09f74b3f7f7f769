"""A batch on Ray: an actor is killed, a clip is damaged, and the rest is as without Ray."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_fakes import drift_task, results, write_clips

from vos.errors import SettingsError
from vos.runs import TrackSettings
from vos.runs.batch import BatchOptions, run_batch
from vos.runs.batch import worker as workers
from vos.runs.batch.ray_pool import LOCAL, RayPool, ray_pool

SETTINGS = TrackSettings(model="drift", outputs=("masks",))


@pytest.fixture
def pool(monkeypatch: pytest.MonkeyPatch) -> Iterator[RayPool]:
    """Two actors on this machine."""
    pytest.importorskip("ray", reason="needs vos-toolkit[ray]")
    folders = [
        str(Path(__file__).parent),
        str(Path(__file__).resolve().parents[1]),
        os.environ.get("PYTHONPATH", ""),
    ]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([*folders, *sys.path]))
    pool = ray_pool(LOCAL, 2, run=drift_task)
    yield pool
    pool.close()


@pytest.mark.slow
def test_a_batch_on_ray(pool: RayPool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """11 of 12 done, one failed as media, one actor killed, and the bytes of a plain run."""
    monkeypatch.setattr(workers, "delay", lambda attempt, generator: 0.0)
    manifest = write_clips(tmp_path, 12)
    for path in (tmp_path / "clip7").iterdir():
        path.write_bytes(b"damaged")
    run_batch(manifest, tmp_path / "plain", SETTINGS, run=drift_task)
    killed: list[str] = []

    def observe(what: str, task_id: str, facts: dict[str, Any]) -> None:
        if what == "done" and not killed:
            for key, pid in pool.process_ids().items():
                os.kill(pid, signal.SIGKILL)
                killed.append(key)
                break

    outcome = run_batch(
        manifest, tmp_path / "ray", SETTINGS, BatchOptions(dynamic=True), pool=pool, observe=observe
    )
    assert killed
    assert (outcome.done, outcome.failed) == (11, ("clip7",))
    assert results(tmp_path / "ray") == results(tmp_path / "plain")


def test_without_ray(monkeypatch: pytest.MonkeyPatch) -> None:
    """The extra to install is named."""
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(SettingsError, match=r"vos-toolkit\[ray\]"):
        ray_pool(LOCAL, 1)
