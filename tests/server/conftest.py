"""A workspace over a small clip with scripted models, and a client of its interface in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("starlette", reason="the extra app is not installed")
from starlette.testclient import TestClient

from vos.projects import Engine, Project, ProjectSettings
from vos.server.app import create_app
from vos.server.security import Gate
from vos.server.workspace import Options, Workspace
from vos.testing import Scene, ScriptedBackbone, ScriptedTracker, scene, write_images

SIZE = (48, 64)
FRAMES = 12
CLIP = "clip"
PORT = 8123
ADDRESS = f"http://127.0.0.1:{PORT}"


@pytest.fixture(scope="session")
def truth() -> Scene:
    """The clip, with the true labels."""
    return scene("crossing", num_frames=FRAMES, size=SIZE)


@pytest.fixture
def clip(tmp_path: Path, truth: Scene) -> Path:
    """The clip as a folder of images."""
    write_images(truth, tmp_path / CLIP)
    return tmp_path / CLIP


@pytest.fixture
def backbone(truth: Scene) -> ScriptedBackbone:
    """The model that answers clicks."""
    return ScriptedBackbone(truth)


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch, truth: Scene, backbone: ScriptedBackbone) -> None:
    """Models that know the answer, in place of those that have to be loaded."""
    tracker = ScriptedTracker(truth.labels)
    engine = Engine(lambda: tracker, {"name": "scripted", "version": "0", "settings": "", "weights": None})
    monkeypatch.setattr("vos.projects.tracking.engine_of", lambda settings: engine)
    monkeypatch.setattr("vos.projects.replaying.engine_of", lambda settings: engine)
    monkeypatch.setattr("vos.backbones.registry.build_backbone", lambda name, **options: backbone)


@pytest.fixture
def project(tmp_path: Path, clip: Path) -> Project:
    """The clip and two objects."""
    settings = ProjectSettings(fill=0)  # every interval is the scripted tracker's
    project = Project.create(tmp_path / "project", annotator="anna", settings=settings)
    project.add_video(clip)
    project.add_object("one")
    project.add_object("two")
    return project


@pytest.fixture
def workspace(project: Project) -> Workspace:
    """The project with everything that serves it; the client closes it."""
    return Workspace(project, Options())


@pytest.fixture
def gate() -> Gate:
    """What requests have to show."""
    return Gate(PORT)


@pytest.fixture
def stranger(workspace: Workspace, gate: Gate) -> Iterator[TestClient]:
    """A client that shows nothing."""
    with TestClient(create_app(workspace, gate), base_url=ADDRESS, raise_server_exceptions=False) as client:
        yield client


@pytest.fixture
def client(stranger: TestClient, gate: Gate) -> TestClient:
    """A client with a session."""
    stranger.headers.update({"Origin": ADDRESS, "X-Vos": "1"})
    stranger.post("/api/session", json={"token": gate.token}).raise_for_status()
    return stranger


@pytest.fixture
def run_job(client: TestClient) -> Callable[..., dict[str, Any]]:
    """Starts a job and waits until it has ended; the JOB."""

    def run(kind: str, **request: Any) -> dict[str, Any]:
        answer = client.post("/api/jobs", json={"kind": kind, **request})
        assert answer.status_code == 202, answer.text
        return wait_for_job(client, answer.json()["id"])

    return run


def wait_for_job(client: TestClient, job_id: str, seconds: float = 60) -> dict[str, Any]:
    """The JOB when it has ended."""
    for _ in range(int(seconds / 0.02)):
        found: dict[str, Any] = next(
            job for job in client.get("/api/jobs").json()["jobs"] if job["id"] == job_id
        )
        if found["state"] not in ("waiting", "running"):
            return found
        time.sleep(0.02)
    raise AssertionError(f"job {job_id} does not end")


def square(row: int, column: int, side: int = 8) -> np.ndarray:
    """A (H, W) mask."""
    mask = np.zeros(SIZE, bool)
    mask[row : row + side, column : column + side] = True
    return mask
