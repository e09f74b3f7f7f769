"""Several videos: from a folder, uploaded, added by another process, and missing."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from vos.errors import ModelError
from vos.projects import Project
from vos.prompts import Prompt
from vos.server import bodies
from vos.server.app import create_app
from vos.server.prompt_worker import SupersededError
from vos.server.security import Gate
from vos.server.workspace import Options, Workspace
from vos.testing import Scene, ScriptedBackbone, scene, write_video

from .conftest import ADDRESS, CLIP, FRAMES


def opened(workspace: Workspace, gate: Gate) -> Iterator[TestClient]:
    """A client with a session."""
    with TestClient(create_app(workspace, gate), base_url=ADDRESS) as client:
        client.headers.update({"Origin": ADDRESS, "X-Vos": "1"})
        client.post("/api/session", json={"token": gate.token}).raise_for_status()
        yield client


@pytest.fixture
def open_client(project: Project, gate: Gate, tmp_path: Path) -> Iterator[TestClient]:
    """Of a server that lets pages open and upload videos."""
    (tmp_path / "root" / "sub").mkdir(parents=True)
    yield from opened(Workspace(project, Options(root=tmp_path / "root", upload=True)), gate)


def test_a_video_below_the_root_is_added(open_client: TestClient, tmp_path: Path, truth: Scene) -> None:
    """By its name in the listing; the frames of both are served."""
    write_video(truth, tmp_path / "root" / "sub" / "second.mkv")
    assert open_client.get("/api/files?path=sub").json()["videos"] == ["second.mkv"]
    answer = open_client.post("/api/videos", json={"path": "sub/second.mkv", "key": "b"})
    assert answer.json()["video"]["frames"] == FRAMES
    assert [video["key"] for video in open_client.get("/api/project").json()["videos"]] == [CLIP, "b"]
    for key in (CLIP, "b"):
        assert open_client.get(f"/api/videos/{key}/frames/{FRAMES - 1}.jpg").status_code == 200
    assert open_client.post("/api/videos", json={"path": "sub/second.mkv", "key": "b"}).status_code == 400
    assert open_client.post("/api/videos", json={"path": "../clip"}).status_code == 404


def test_a_video_is_uploaded(
    open_client: TestClient, tmp_path: Path, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is kept in the project; what is no video, or too large, leaves nothing."""
    path = write_video(scene("crossing", num_frames=3, size=(16, 24)), tmp_path / "small.mkv")
    answer = open_client.post("/api/videos?name=..%2Fmy clip.mkv", content=path.read_bytes())
    assert answer.json()["video"]["frames"] == 3
    assert (project.folder / "videos" / "my_clip.mkv").is_file()
    bad = open_client.post("/api/videos?name=bad.mkv", content=b"no video at all")
    assert (bad.status_code, bad.json()["error"]["kind"]) == (422, "media")
    again = open_client.post("/api/videos?name=my clip.mkv", content=b"x")
    assert "already" in again.json()["error"]["message"]
    monkeypatch.setattr("vos.server.uploads.VIDEO_BYTES", 1000)
    large = open_client.post("/api/videos?name=large.mkv", content=iter([bytes(900), bytes(900)]))
    assert large.status_code == 413
    assert [entry.name for entry in (project.folder / "videos").iterdir()] == ["my_clip.mkv"]
    assert bodies.VIDEO_BYTES == 4 << 30


def test_a_missing_video_is_told_and_everything_else_works(client: TestClient, clip: Path) -> None:
    """What to do is in the message, without the path of the project's file being needed."""
    shutil.move(clip, clip.with_name("elsewhere"))
    video = client.get("/api/project").json()["videos"][0]
    assert video["available"] is False
    assert "no longer" in video["message"]
    answer = client.get(f"/api/videos/{CLIP}/frames/0.jpg")
    assert (answer.status_code, answer.json()["error"]["kind"]) == (422, "media")
    prompt = {"frame": 0, "object": 1, "points": [[1, 1]], "labels": [1]}
    assert client.post(f"/api/videos/{CLIP}/decode", json=prompt).status_code == 422
    assert client.get(f"/api/videos/{CLIP}/strip").status_code == 200


def test_what_other_processes_do_is_seen(
    client: TestClient, workspace: Workspace, project: Project, truth: Scene, tmp_path: Path
) -> None:
    """Events of other annotators, and videos that they add."""
    told: list[str] = []
    workspace.feed.publish = lambda kind, data, number=None: told.append(kind)  # type: ignore[method-assign]
    path = write_video(truth, tmp_path / "other.mkv")
    with Project.open(project.folder, annotator="ben") as other:
        other.add_video(path)
        other.add_object("three")
    workspace.refresh()
    found = client.get("/api/project").json()
    assert [video["key"] for video in found["videos"]] == [CLIP, "other"]
    assert found["objects"][2]["name"] == "three"
    assert set(told) == {"event", "project"}
    told.clear()
    workspace.refresh()
    assert told == []


def test_a_model_that_is_missing_is_told(
    client: TestClient, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once at the side, and for every click; drawing goes on."""

    def missing(name: str, **options: Any) -> Any:
        raise ModelError("weights are missing: vos models download it")

    monkeypatch.setattr("vos.backbones.registry.build_backbone", missing)
    prompt = {"frame": 0, "object": 1, "points": [[1, 1]], "labels": [1]}
    for _ in range(2):
        answer = client.post(f"/api/videos/{CLIP}/decode", json=prompt)
        assert (answer.status_code, answer.json()["error"]["kind"]) == (503, "busy")
    found = client.get("/api/project").json()["segmenter"]
    assert found == {
        "name": "classical",
        "state": "failed",
        "message": "weights are missing: vos models download it",
    }
    assert client.post(f"/api/videos/{CLIP}/draw", json={"frame": 0, "strokes": []}).status_code == 200


def test_only_the_latest_click_is_decoded(
    workspace: Workspace, backbone: ScriptedBackbone, truth: Scene
) -> None:
    """Those that wait while one is decoded give way to the one that came last; other objects do not."""
    started, may_go_on = threading.Event(), threading.Event()

    def slow() -> Any:
        started.set()
        may_go_on.wait(20)
        return truth.frames[0]

    def ask(number: int, object_id: int = 1, load: Any = None) -> Any:
        return workspace.prompt_worker.decode(
            (CLIP, 0),
            load or (lambda: truth.frames[0]),
            Prompt(box=np.array([1, 1, 9, 9], np.float32)),
            None,
            refine=False,
            object_id=object_id,
            number=number,
        )

    first = ask(1, load=slow)
    assert started.wait(20)
    older, other, latest, late = ask(2), ask(1, object_id=2), ask(3), ask(2)
    may_go_on.set()
    for future in (older, late):
        with pytest.raises(SupersededError):
            future.result(20)
    for future in (first, other, latest):
        future.result(20)
    assert len(backbone.calls) == 3
    workspace.close()
