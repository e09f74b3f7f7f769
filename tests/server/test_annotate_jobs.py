"""Work that takes long: progress, cancelling, export, import and merging."""

from __future__ import annotations

import hashlib
import io
import json
import os
import sys
import threading
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient

from vos import Prompt, Target, open_video, track_video
from vos.frame import Frame
from vos.projects import Project, track_project
from vos.server import sandbox
from vos.server.security import Gate
from vos.server.workspace import Workspace
from vos.testing import Scene, ScriptedTracker, write_labels

from .conftest import CLIP, FRAMES, wait_for_job

Run = Callable[..., dict[str, Any]]


@pytest.fixture
def tracked(project: Project, truth: Scene) -> Project:
    """Both objects, tracked."""
    for object_id in (1, 2):
        project.anchor(CLIP, 0, object_id, truth.labels[0] == object_id)
    track_project(project)
    return project


def shown(project: Project) -> np.ndarray:
    """(T, H, W) labels."""
    return np.stack([project.frame(CLIP, index).labels for index in range(FRAMES)])


def unzipped(client: TestClient, job: dict[str, Any]) -> zipfile.ZipFile:
    """The archive of an export."""
    assert job["state"] == "done", job
    answer = client.get(f"/api/exports/{job['result']['export']}")
    assert answer.status_code == 200
    assert len(answer.content) == job["result"]["size"]
    return zipfile.ZipFile(io.BytesIO(answer.content))


def upload(client: TestClient, data: bytes, name: str) -> str:
    """Upload a file; its key."""
    answer = client.post("/api/uploads", params={"name": name}, content=data)
    assert answer.status_code == 200, answer.text
    key: str = answer.json()["upload"]
    return key


def test_an_export_holds_what_is_shown(
    client: TestClient, tracked: Project, run_job: Run, gate: Gate
) -> None:
    """Every frame, whole or by ranges; several formats in one archive; the export is on record; no keys."""
    job = run_job("export", video=CLIP, formats=["davis", "coco"])
    with unzipped(client, job) as archive:
        names = archive.namelist()
        pngs = sorted(name for name in names if name.endswith(".png"))
        labels = np.stack([np.asarray(Image.open(archive.open(name))) for name in pngs])
        coco = json.loads(archive.read(next(name for name in names if name.endswith("annotations.json"))))
        assert not any(key.encode() in archive.read(n) for n in names for key in (gate.token, gate.cookie))
    np.testing.assert_array_equal(labels, shown(tracked))
    assert {category["name"] for category in coco["categories"]} == {"one", "two"}
    assert tracked.events()[-1].kind == "export"
    part = client.get(f"/api/exports/{job['result']['export']}", headers={"Range": "bytes=0-3"})
    assert (part.status_code, part.content) == (206, b"PK\x03\x04")
    assert client.get("/api/exports/nothing").status_code == 404


def test_an_export_of_accepted_frames_holds_no_others(
    client: TestClient, tracked: Project, run_job: Run
) -> None:
    """Anchors and accepted masks; of some objects and frames, if wanted."""
    tracked.review(CLIP, 3, 4, "accepted", [1])
    job = run_job("export", formats=["masks"], only="accepted", first=2, last=5)
    with unzipped(client, job) as archive:
        pngs = sorted(name for name in archive.namelist() if name.endswith(".png"))
        labels = np.stack([np.asarray(Image.open(archive.open(name))) for name in pngs])
    # Frames that nobody accepted are left out.
    np.testing.assert_array_equal(labels, np.where(shown(tracked) == 1, 1, 0)[3:5])
    job = run_job("export", formats=["masks"], objects=[2], first=0, last=0)
    with unzipped(client, job) as archive:
        png = next(name for name in archive.namelist() if name.endswith(".png"))
        assert set(np.unique(np.asarray(Image.open(archive.open(png))))) == {0, 2}


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ({"kind": "export"}, "needs 'formats'"),
        ({"kind": "nothing"}, "unknown kind"),
        ({"kind": "track", "formats": []}, "takes no 'formats'"),
        ({"kind": "merge", "from": 1}, "needs 'into'"),
        ({"kind": "track", "path": "/"}, "unknown field"),
    ],
)
def test_a_malformed_job_is_refused(client: TestClient, request_: dict[str, Any], words: str) -> None:
    """Before it starts."""
    answer = client.post("/api/jobs", json=request_)
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    ("kind", "request_", "words"),
    [
        ("export", {"formats": ["nothing"]}, "nothing"),
        ("export", {"formats": []}, "list of names"),
        ("export", {"formats": ["davis"], "first": 5, "last": 99}, "frames 0 to 11"),
        ("export", {"formats": ["davis"], "objects": [9]}, "no object 9"),
        ("export", {"formats": ["davis"], "only": "x"}, "all, accepted"),
        ("track", {"video": "x"}, "no video"),
        ("merge", {"from": 1, "into": 1}, "two objects"),
        ("merge", {"from": 1, "into": 9}, "no object 9"),
        ("import", {"upload": "x"}, "no upload"),
    ],
)
def test_a_job_that_cannot_be_done_fails_with_a_sentence(
    run_job: Run, project: Project, kind: str, request_: dict[str, Any], words: str
) -> None:
    """And changes nothing."""
    counter = project.counter
    job = run_job(kind, **request_)
    assert job["state"] == "failed"
    assert words in job["error"]["message"]
    assert job["error"]["kind"] == "usage"
    assert project.counter == counter


def test_a_job_is_cancelled_between_frames_and_keeps_what_is_done(
    client: TestClient, project: Project, truth: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two intervals the first is done; the second is as before, and tracked when asked again."""
    for frame in (0, 5):
        project.anchor(CLIP, frame, 1, truth.labels[frame] == 1)
    reached, may_go_on = threading.Event(), threading.Event()
    step = ScriptedTracker.step

    def slow(self: ScriptedTracker, frame: Frame, *args: Any, **more: Any) -> Any:
        if frame.index == 8:
            reached.set()
            may_go_on.wait(20)
        return step(self, frame, *args, **more)

    monkeypatch.setattr(ScriptedTracker, "step", slow)
    job_id = client.post("/api/jobs", json={"kind": "track"}).json()["id"]
    assert reached.wait(20)
    waiting = client.post("/api/jobs", json={"kind": "track"}).json()
    assert waiting["state"] == "waiting"
    assert client.delete(f"/api/jobs/{waiting['id']}").json()["state"] == "cancelled"
    running = next(job for job in client.get("/api/jobs").json()["jobs"] if job["id"] == job_id)
    assert running["state"] == "running"
    assert 0 < running["done"] < running["total"]
    client.delete(f"/api/jobs/{job_id}").raise_for_status()
    may_go_on.set()
    assert wait_for_job(client, job_id)["state"] == "cancelled"
    tracked = [event for event in project.events() if event.kind == "tracked"]
    assert [(event.payload["first"], event.payload["last"]) for event in tracked] == [(1, 4)]
    again = client.post("/api/jobs", json={"kind": "track"}).json()
    assert wait_for_job(client, again["id"])["state"] == "done"
    np.testing.assert_array_equal(shown(project) == 1, truth.labels == 1)
    assert client.delete("/api/jobs/nothing").status_code == 404


def test_rebuild_gives_what_the_anchors_give(client: TestClient, tracked: Project, run_job: Run) -> None:
    """With progress."""
    before = shown(tracked)
    job = run_job("rebuild")
    assert (job["state"], job["result"]) == ("done", {"events": 2})
    assert job["done"] == job["total"] == 2 * FRAMES
    np.testing.assert_array_equal(shown(tracked), before)


@pytest.mark.parametrize("name", ["masks.zip", "masks-in-folder.zip"])
def test_masks_made_elsewhere_become_anchors(
    client: TestClient, project: Project, truth: Scene, run_job: Run, tmp_path: Path, name: str
) -> None:
    """Exactly, with an absence where a whole video was annotated; one undo takes the import back."""
    write_labels(truth, tmp_path / "labels")
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path in sorted((tmp_path / "labels").iterdir()):
            archive.write(path, path.name if name == "masks.zip" else f"labels/{path.name}")
    key = upload(client, data.getvalue(), name)
    job = run_job("import", upload=key)
    assert "--ids same" in job["error"]["message"]
    assert "--ids new" in job["error"]["message"]
    job = run_job("import", upload=key, ids="same")
    assert job["state"] == "done", job
    assert job["result"]["objects"] == list(truth.ids)
    np.testing.assert_array_equal(shown(project), truth.labels)
    assert all(len(project.state.track(CLIP, k).anchors) == FRAMES for k in truth.ids)
    job = run_job("import", upload=key, ids="new")
    assert job["result"]["objects"] == [3, 4]
    client.post("/api/undo", json={}).raise_for_status()
    assert project.state.visible == (1, 2)
    np.testing.assert_array_equal(shown(project), truth.labels)


def test_a_run_is_imported_as_what_it_is(
    client: TestClient, project: Project, truth: Scene, clip: Path, run_job: Run, tmp_path: Path
) -> None:
    """What its user gave is a correction, what its tracker made is to be reviewed: as on the command line."""
    run = tmp_path / "run"
    prompt = Target(1, Prompt(mask=truth.labels[2] == 1), frame_index=2)
    with open_video(clip) as video:
        track_video(video, [prompt], run, tracker=ScriptedTracker(truth.labels))
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        for path in sorted(run.rglob("*")):
            archive.write(path, path.relative_to(tmp_path))
    job = run_job("import", upload=upload(client, data.getvalue(), "run.zip"), ids="same")
    assert job["state"] == "done", job
    assert (job["result"]["given"], job["result"]["tracked"]) == (1, FRAMES - 1)
    (record,) = [event.payload for event in project.events() if event.kind == "import"]
    assert record["digests"] == {"run.zip": hashlib.sha256(data.getvalue()).hexdigest()}
    track = project.state.track(CLIP, 1)
    assert list(track.anchors) == [2]
    assert {track.state(frame) for frame in range(FRAMES) if frame != 2} == {"tracked"}
    np.testing.assert_array_equal(shown(project) == 1, truth.labels == 1)
    client.post("/api/undo", json={}).raise_for_status()
    assert not shown(project).any()


def test_a_file_that_is_no_annotation_is_refused(client: TestClient, run_job: Run, project: Project) -> None:
    """Read in a process of its own; nothing is left."""
    for data, name in ((b"nonsense", "a.json"), (b"PK\x03\x04 nonsense", "a.zip"), (b"{}", "a.xml")):
        job = run_job("import", upload=upload(client, data, name))
        assert (job["state"], job["error"]["kind"]) == ("failed", "usage"), job
    for name in ("", "noending", "a.b/c", "../..", "x.j?on"):
        assert client.post("/api/uploads", params={"name": name}, content=b"x").status_code == 400, name
    assert client.post("/api/uploads?name=a.json", content=b"").status_code == 400
    assert project.counter == 2


def test_an_uploaded_name_leads_nowhere(client: TestClient, workspace: Workspace) -> None:
    """Whatever it is, the file lies where uploads lie."""
    for name in ("../../evil.json", "/etc/evil.json", "..\\evil.json", "a\nb.json"):
        path = workspace.uploads[upload(client, b"x", name)]
        assert path.parent.parent == workspace.scratch
        assert path.name in ("evil.json", "a_b.json")


@pytest.mark.parametrize(
    "name", ["../evil.png", "/evil.png", "a/../../evil.png", "..\\evil.png", "C:/evil.png"]
)
def test_an_archive_leads_nowhere(tmp_path: Path, name: str) -> None:
    """Names that lead out are refused, and nothing is written there."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, b"x")
    (tmp_path / "in").mkdir()
    with pytest.raises(sandbox.FormatError, match="leads out"):
        sandbox.unpack(tmp_path / "a.zip", tmp_path / "in")
    assert not list(tmp_path.rglob("*evil*"))


def test_an_archive_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what comes out of it, and links are not followed."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(100_000))
    (tmp_path / "in").mkdir()
    monkeypatch.setattr(sandbox, "UNPACKED_BYTES", 50_000)
    with pytest.raises(sandbox.FormatError, match="larger"):
        sandbox.unpack(tmp_path / "a.zip", tmp_path / "in")
    link = zipfile.ZipInfo("link")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        archive.writestr(link, "/etc")
    with pytest.raises(sandbox.FormatError, match="link"):
        sandbox.unpack(tmp_path / "b.zip", tmp_path / "in")


def test_what_reads_uploads_has_little_memory(clip: Path) -> None:
    """A process that wants more ends with a message, and ours goes on."""
    request = {"task": "video", "upload": str(clip)}
    assert sandbox.in_sandbox(request)["frames"] == FRAMES
    with pytest.raises(sandbox.FormatError, match="limits of memory and time"):
        sandbox.in_sandbox(request, memory=64 << 20)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no limit of processor time")
@pytest.mark.parametrize(
    ("task", "waiting", "message"),
    [
        ("[None for _ in iter(int, 1)]", 100, "limits of memory and time"),
        ("time.sleep(999)", 1, "longer than 3 seconds"),
    ],
)
def test_what_reads_uploads_has_little_time(
    monkeypatch: pytest.MonkeyPatch, task: str, waiting: int, message: str
) -> None:
    """A process that computes or waits for long is ended."""
    monkeypatch.setattr(sandbox, "WAITING", waiting)
    code = "import time; from vos.server import sandbox; sandbox.TASKS['long'] = lambda _: {}; sandbox.main()"
    monkeypatch.setattr(sandbox, "COMMAND", [sys.executable, "-c", code.replace("{}", task)])
    with pytest.raises(sandbox.FormatError, match=message):
        sandbox.in_sandbox({"task": "long"}, seconds=3)


def test_two_objects_become_one(client: TestClient, tracked: Project, run_job: Run) -> None:
    """Masks in one frame are joined: tracked ones to be reviewed; one undo brings all of it back."""
    before = shown(tracked)
    tracked.review(CLIP, 8, 9, "rejected", [1])
    job = run_job("merge", **{"from": 2, "into": 1})
    assert job["state"] == "done", job
    assert tracked.state.visible == (1,)
    track = tracked.state.track(CLIP, 1)
    assert list(track.anchors) == [0], "both were given there"
    assert {track.state(frame) for frame in range(1, FRAMES)} == {"tracked"}
    assert job["result"]["unions"] > 0
    expected = before > 0
    expected[8:10] = before[8:10] == 2
    np.testing.assert_array_equal(shown(tracked) == 1, expected)
    assert not track.pending, "a union belongs to the corrections there are now"
    client.post("/api/undo", json={}).raise_for_status()
    np.testing.assert_array_equal(shown(tracked), before)
    client.post("/api/redo", json={}).raise_for_status()
    np.testing.assert_array_equal(shown(tracked) == 1, expected)


def test_merging_leaves_locked_frames_and_what_was_rejected(
    client: TestClient, project: Project, truth: Scene, run_job: Run
) -> None:
    """A correction stays as it is; of the other object comes nothing that was rejected."""
    one, two = (truth.labels == k for k in (1, 2))
    for frame in (0, 6):
        project.anchor(CLIP, frame, 1, one[frame])
    project.anchor(CLIP, 0, 2, two[0])
    track_project(project)
    project.review(CLIP, 1, 7, "rejected", [2])
    project.review(CLIP, 10, 11, "accepted", [1])
    project.review(CLIP, 11, 11, "accepted", [2])
    job = run_job("merge", **{"from": 2, "into": 1})
    assert job["state"] == "done", job
    track, now = project.state.track(CLIP, 1), shown(project) == 1
    np.testing.assert_array_equal(now[1:8], one[1:8], "what was rejected is left out")
    np.testing.assert_array_equal(now[10], one[10], "an accepted frame is locked")
    for frame in (0, 8, 9, 11):
        np.testing.assert_array_equal(now[frame], one[frame] | two[frame], str(frame))
    assert sorted(track.anchors) == [0, 6, 11]
    assert [track.state(frame) for frame in (8, 9, 10)] == ["tracked", "tracked", "accepted"]


def test_an_object_is_split_by_moving_a_range(client: TestClient, tracked: Project) -> None:
    """A new object and a move, as one action."""
    before = shown(tracked)
    events = [
        {"kind": "object", "object": 3, "name": "later"},
        {"kind": "move", "video": CLIP, "from": 1, "to": 3, "first": 6, "last": 11},
    ]
    client.post("/api/events", json={"events": events}).raise_for_status()
    expected = before.copy()
    expected[6:][before[6:] == 1] = 3
    np.testing.assert_array_equal(shown(tracked), expected)
    client.post("/api/undo", json={}).raise_for_status()
    np.testing.assert_array_equal(shown(tracked), before)
    assert tracked.state.visible == (1, 2)


def test_a_job_that_breaks_says_so_and_the_next_one_runs(
    client: TestClient, run_job: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bug of ours ends one job, not the server."""

    def broken(*args: Any, **more: Any) -> None:
        raise RuntimeError("broken")

    with monkeypatch.context() as patched:
        patched.setattr("vos.server.exports.project_annotations", broken)
        job = run_job("export", formats=["davis"])
        assert (job["state"], job["error"]["kind"]) == ("failed", "internal")
    assert run_job("export", formats=["davis"])["state"] == "done"
