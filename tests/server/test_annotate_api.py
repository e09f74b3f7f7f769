"""What pages ask about a project, and what they change."""

from __future__ import annotations

import base64
import gzip
import time
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from starlette.testclient import TestClient

from vos.distribution import own_version
from vos.projects import Draft, Event, Project, track_project
from vos.server.runs import MEDIA_TYPE, decode_frames, encode_frame, join_frames, mask_from_json, mask_to_json
from vos.server.workspace import Workspace
from vos.testing import Scene, ScriptedBackbone

from .conftest import CLIP, FRAMES, SIZE, square

VIDEO = f"/api/videos/{CLIP}"
Run = Callable[..., dict[str, Any]]


def put(client: TestClient, mask: np.ndarray, frame: int = 0, object_id: int = 1) -> str:
    """Upload a mask; its digest."""
    body = join_frames([encode_frame(frame, mask.astype(np.uint8))])
    answer = client.post(
        f"{VIDEO}/masks/{frame}/{object_id}", content=body, headers={"Content-Type": MEDIA_TYPE}
    )
    answer.raise_for_status()
    assert answer.json()["area"] == mask.sum()
    digest: str = answer.json()["digest"]
    return digest


def send(client: TestClient, *events: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Append events."""
    answer = client.post("/api/events", json={"events": list(events), **more})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def anchor(client: TestClient, mask: np.ndarray | None, frame: int = 0, object_id: int = 1) -> dict[str, Any]:
    """Say what a mask is."""
    digest = None if mask is None else put(client, mask, frame, object_id)
    event = {"kind": "anchor", "video": CLIP, "frame": frame, "object": object_id, "mask": digest}
    return send(client, event)


def masks(client: TestClient, first: int = 0, last: int = FRAMES - 1) -> np.ndarray:
    """(T, H, W) labels as a page gets them."""
    answer = client.get(f"{VIDEO}/masks?first={first}&last={last}")
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.headers["content-encoding"] == "gzip"
    frames = decode_frames(answer.content, SIZE)
    assert [index for index, _ in frames] == list(range(first, last + 1))
    return np.stack([labels for _, labels in frames])


def array(text: str, dtype: str = "u1") -> np.ndarray:
    """A packed array."""
    return np.frombuffer(base64.b64decode(text), dtype)


def test_the_project_as_pages_see_it(client: TestClient, project: Project) -> None:
    """Videos, objects, settings and what can be done."""
    found = client.get("/api/project").json()
    assert found["counter"] == project.counter == 2
    video = found["videos"][0]
    assert (video["key"], video["frames"], video["width"], video["height"]) == (CLIP, FRAMES, 64, 48)
    assert video["available"] is True
    assert found["objects"][0] == {
        "object": 1,
        "name": "one",
        "category": "",
        "color": None,
        "removed": False,
        "event": "anna:1",
    }
    assert found["next_object"] == 3
    assert found["settings"] == {"model": "classical", "memory": 4}
    assert {"name", "help", "weights"} == set(found["models"][0])
    assert found["history"] == {"undo": 2, "redo": 0}


def test_an_anchor_is_shown_exactly_and_undone(client: TestClient, project: Project) -> None:
    """Pixels come back as they were sent; undo and redo are the identity."""
    assert not masks(client).any()
    anchor(client, square(4, 5))
    np.testing.assert_array_equal(masks(client, 0, 0)[0], square(4, 5))
    anchor(client, square(6, 7), object_id=2)
    both = masks(client)
    np.testing.assert_array_equal(both[0] == 2, square(6, 7))  # the later anchor wins
    answer = client.post("/api/undo", json={}).json()
    assert (answer["history"], len(answer["events"])) == ({"undo": 3, "redo": 1}, 1)
    np.testing.assert_array_equal(masks(client, 0, 0)[0], square(4, 5))
    client.post("/api/redo", json={}).raise_for_status()
    np.testing.assert_array_equal(masks(client), both)
    for _ in range(5):
        client.post("/api/undo", json={}).raise_for_status()
    assert client.post("/api/undo", json={}).json()["events"] == []
    assert not masks(client).any()


def test_who_made_a_mask_is_recorded(client: TestClient, project: Project, workspace: Workspace) -> None:
    """Version and settings, too, which pages do not know: they are told what they sent."""
    event = {"kind": "anchor", "video": CLIP, "frame": 0, "object": 1, "mask": None, "origin": "clicked"}
    other = {"name": "another one"}
    for by in ({"name": workspace.prompt_worker.name}, other):
        assert send(client, {**event, "by": by})["events"][0]["by"] == by
    own, foreign = (entry.payload["by"] for entry in project.events()[-2:])
    assert own == workspace.prompt_worker.record()
    assert (own["name"], own["version"]) == (workspace.prompt_worker.name, own_version())
    assert len(own["settings"]) == 64
    assert foreign == other
    answer = client.post("/api/events", json={"events": [{**event, "by": "me"}]})
    assert answer.status_code == 400


def test_a_png_is_a_mask_too(client: TestClient, project: Project) -> None:
    """Every pixel that is not 0, whatever the channels."""
    for image in (square(1, 2).astype(np.uint8) * 255, np.dstack([square(1, 2).astype(np.uint8)] * 3)):
        data = cv2.imencode(".png", image)[1].tobytes()
        answer = client.post(
            f"{VIDEO}/masks/3/1", content=data, headers={"Content-Type": "image/png; charset=x"}
        )
        np.testing.assert_array_equal(project.blobs.mask(answer.json()["digest"]), square(1, 2))


@pytest.mark.parametrize(
    ("body", "media_type", "words"),
    [
        (b"x", "text/plain", "image/png"),
        (b"VRL1", MEDIA_TYPE, "VRL1"),
        (b"VRL1\1\0\0\0" + b"\0" * 4, MEDIA_TYPE, "cut short"),
        (
            join_frames([encode_frame(0, np.zeros((5, 6), np.uint8))]),
            MEDIA_TYPE,
            "6x5 pixels, the frame 64x48",
        ),
        (join_frames([encode_frame(0, np.zeros(SIZE, np.uint8))])[:-4], MEDIA_TYPE, "cut short"),
        (join_frames([]), MEDIA_TYPE, "one mask"),
        (b"\x89PNG\r\n\x1a\n" + b"\0" * 30, "image/png", "0x0"),
        (cv2.imencode(".png", np.zeros(SIZE, np.uint8))[1].tobytes()[:60], "image/png", "damaged"),
        (cv2.imencode(".png", np.zeros((9, 9), np.uint8))[1].tobytes(), "image/png", "9x9"),
    ],
)
def test_a_mask_that_does_not_fit_is_refused(
    client: TestClient, body: bytes, media_type: str, words: str
) -> None:
    """Saying what is wrong, before anything large is made of it."""
    answer = client.post(f"{VIDEO}/masks/0/1", content=body, headers={"Content-Type": media_type})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]


def test_an_old_counter_is_a_conflict_that_names_what_came_between(client: TestClient) -> None:
    """Nothing is appended."""
    event = {"kind": "object", "object": 1, "name": "dog"}
    counter = send(client, event, expect=2)["counter"]
    assert counter == 3
    answer = client.post("/api/events", json={"events": [{**event, "name": "cat"}], "expect": 2})
    assert answer.status_code == 409
    found = answer.json()
    assert found["error"]["kind"] == "conflict"
    assert [(e["kind"], e["name"]) for e in found["events"]] == [("object", "dog")]
    assert client.get("/api/project").json()["objects"][0]["name"] == "dog"
    assert send(client, {**event, "name": "cat"}, expect=found["counter"])["counter"] == 4


@pytest.mark.parametrize(
    ("event", "words"),
    [
        ({"kind": "tracked"}, "cannot be sent"),
        ({"kind": "import", "what": "masks"}, "cannot be sent"),
        ({"kind": "nothing"}, "cannot be sent"),
        ({"object": 1}, "'kind'"),
        (1, "'kind'"),
        ({"kind": "object", "object": 255}, "1..254"),
        ({"kind": "anchor", "video": "x", "frame": 0, "object": 1, "mask": None}, "there is no video"),
        ({"kind": "anchor", "video": CLIP, "frame": 99, "object": 1, "mask": None}, "frames 0 to 11"),
        ({"kind": "anchor", "video": CLIP, "frame": 0, "object": 9, "mask": None}, "no object 9"),
        ({"kind": "review", "video": CLIP, "first": 0, "last": 1, "state": "accepted", "pins": {}}, "pins"),
    ],
)
def test_events_that_cannot_be_are_refused(client: TestClient, event: Any, words: str) -> None:
    """All or none: the good one before is not appended either."""
    good = {"kind": "object", "object": 7}
    answer = client.post("/api/events", json={"events": [good, event]})
    assert answer.status_code == 400
    assert words in answer.json()["error"]["message"]
    assert client.get("/api/project").json()["counter"] == 2


def test_events_follow_an_object_that_gets_another_id(client: TestClient, project: Project) -> None:
    """Its event is named with it; somebody else's object of the same id is left alone."""
    for name in ("dog", "cat"):
        send(client, {"kind": "object", "object": 1, "name": name})
    added = send(client, {"kind": "object", "object": 3, "name": "cat"})
    late = Event("ben", 1, 3, "object", {"object": 3, "name": "tree"}, seen={project.writer: 2})
    (project.folder / "journal" / "ben.jsonl").write_bytes(late.line())
    project.refresh()
    event = {"kind": "object", "object": 3, "color": "#ff0000"}
    more = {"objects": {"3": added["events"][0]["id"]}}
    answer = client.post("/api/events", json={"events": [event], "expect": added["counter"], **more})
    assert answer.status_code == 409
    (sent,) = send(client, event, expect=answer.json()["counter"], **more)["events"]
    assert sent["object"] == 4
    found = client.get("/api/project").json()["objects"][2:]
    assert [(e["object"], e["name"], e["color"], e["event"]) for e in found] == [
        (3, "tree", None, "ben:1"),
        (4, "cat", "#ff0000", added["events"][0]["id"]),
    ]
    wrong = client.post("/api/events", json={"events": [event], "objects": {"x": 1}})
    assert (wrong.status_code, wrong.json()["error"]["kind"]) == (400, "usage")


def test_a_last_event_that_is_no_number_is_ignored(client: TestClient) -> None:
    """However many digits it has: what counts is the query then."""
    answer = client.get("/api/events?after=x", headers={"Last-Event-ID": "9" * 5000})
    assert (answer.status_code, answer.json()["error"]["message"]) == (
        400,
        "after=x: a whole number is needed",
    )


def test_track_review_and_correct(client: TestClient, project: Project, truth: Scene, run_job: Run) -> None:
    """The loop: mark, track, look, correct, track the two intervals beside it, accept."""
    anchor(client, truth.labels[0] == 1)
    assert client.get("/api/project").json()["pending"] == {CLIP: 1}
    job = run_job("track")
    assert (job["state"], job["error"], job["result"]) == ("done", None, {"events": 1})
    assert job["done"] == job["total"] == FRAMES - 1
    shown = masks(client)
    np.testing.assert_array_equal(shown == 1, truth.labels == 1)
    strip = client.get(f"{VIDEO}/strip").json()
    row = strip["objects"][0]
    assert array(row["state"]).tolist() == [5] + [1] * (FRAMES - 1)
    np.testing.assert_array_equal(array(row["area"], "<u4"), (truth.labels == 1).sum((1, 2)))
    assert array(row["confidence"])[0] == 255
    assert len(array(row["doubt"])) == FRAMES
    assert array(strip["objects"][1]["state"]).tolist() == [0] * FRAMES

    anchor(client, square(10, 10), 6)
    row = client.get(f"{VIDEO}/strip").json()["objects"][0]
    assert array(row["state"]).tolist() == [5] + [2] * 5 + [5] + [2] * 5
    assert row["pending"] == [[1, 5], [7, 11]]
    assert row["anchors"] == [[0, "drawn"], [6, "drawn"]]
    assert run_job("track", video=CLIP, objects=[1])["result"] == {"events": 2}
    np.testing.assert_array_equal(masks(client, 6, 6)[0], square(10, 10))

    send(
        client, {"kind": "review", "video": CLIP, "first": 1, "last": 3, "state": "accepted", "objects": [1]}
    )
    row = client.get(f"{VIDEO}/strip").json()["objects"][0]
    assert array(row["state"]).tolist()[:5] == [5, 4, 4, 4, 1]
    found = client.get(f"{VIDEO}/frames/2.json").json()["objects"]
    area = int((truth.labels[2] == 1).sum())
    assert (found[0]["state"], found[0]["area"]) == ("accepted", area)
    assert found[1] == {
        "object": 2,
        "state": "unknown",
        "confidence": None,
        "doubt": 0.0,
        "area": 0,
        "box": None,
        "absent": False,
    }
    answer = client.post("/api/accept", json={"below": 1.0}).json()
    assert {event["kind"] for event in answer["events"]} == {"review"}
    assert "pins" not in answer["events"][0]
    assert client.get("/api/queue").json()["settled"] == 0.5


def test_the_queue_gives_frames_and_reasons(client: TestClient, project: Project, truth: Scene) -> None:
    """In order of benefit or of time, for one video or all."""
    project.anchor(CLIP, 0, 1, truth.labels[0] == 1)
    event = track_project(project)[0]
    signals = {"1": {"score": {"3": 0.2, "9": 1.0}}}
    payload = {**event.payload, "signals": signals}
    project.append([Draft("tracked", payload)])
    found = client.get("/api/queue?items=2").json()
    assert found["counter"] == project.counter
    assert found["items"][0]["frame"] == 9
    assert found["items"][0]["reasons"][0]["signal"] == "score"
    assert found["items"][0]["reasons"][0]["text"]
    by_time = client.get(f"/api/queue?items=2&order=time&video={CLIP}").json()["items"]
    assert [item["frame"] for item in by_time] == sorted(item["frame"] for item in found["items"])
    assert client.get("/api/queue?video=x").status_code == 400
    assert client.get("/api/queue?order=x").status_code == 400


def test_a_click_gives_the_mask_and_changes_nothing(
    client: TestClient, project: Project, truth: Scene, backbone: ScriptedBackbone
) -> None:
    """The features of a frame are computed once, whatever is asked of it."""
    y, x = np.argwhere(truth.labels[4] == 1).mean(0)
    prompt = {"frame": 4, "object": 1, "points": [[x, y]], "labels": [1], "seq": 3}
    assert client.post(f"{VIDEO}/prepare", json={"frame": 4}).json() == {"ready": True}
    found = client.post(f"{VIDEO}/decode", json=prompt).json()
    np.testing.assert_array_equal(mask_from_json(found["mask"], SIZE), truth.labels[4] == 1)
    assert (found["seq"], found["refined"]) == (3, False)
    assert found["area"] == (truth.labels[4] == 1).sum()
    assert 0 < found["score"] <= 1
    assert len(backbone.calls) == 1
    refined = client.post(f"{VIDEO}/decode", json={**prompt, "refine": True}).json()
    assert refined["refined"] is True
    assert len(backbone.calls) == 3
    box = {"frame": 4, "object": 1, "box": found["box"]}
    assert client.post(f"{VIDEO}/decode", json=box).json()["area"] == found["area"]
    assert backbone.encoded == [4]
    assert project.counter == 2


def test_a_click_corrects_the_mask_that_is_shown_if_asked(
    client: TestClient, project: Project, truth: Scene, backbone: ScriptedBackbone
) -> None:
    """``rough``: the shown mask, nothing, or a mask of the page's own."""
    project.anchor(CLIP, 0, 1, square(1, 1))
    y, x = np.argwhere(truth.labels[0] == 1).mean(0)
    prompt = {"frame": 0, "object": 1, "points": [[x, y]], "labels": [1]}
    for rough, expected in (
        ("shown", square(1, 1)),
        (mask_to_json(square(9, 9)), square(9, 9)),
        ("none", None),
    ):
        client.post(f"{VIDEO}/decode", json={**prompt, "rough": rough}).raise_for_status()
        given = backbone.calls[-1].prompts[0].mask
        assert (given is None) == (expected is None)
        if expected is not None:
            np.testing.assert_array_equal(given, expected)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"frame": 99}, "frames 0 to 11"),
        ({"frame": None}, "frames 0 to 11"),
        ({"points": None}, "a prompt needs"),
        ({"points": [["a", 1]]}, "wrong"),
        ({"points": [[1, 2, 3]]}, "wrong"),
        ({"labels": [1, 1]}, "labels"),
        ({"labels": [7]}, "0 or 1"),
        ({"box": [1, 2]}, "box"),
        ({"rough": "x"}, "'shown', 'none'"),
        ({"rough": {"runs": "AAAA"}}, "mask"),
        ({"rough": {}}, "BASE64"),
        ({"seq": "1"}, "whole number"),
        ({"frame": True}, "whole number"),
        ({"other": 1}, "unknown field"),
    ],
)
def test_a_malformed_prompt_is_refused(client: TestClient, change: dict[str, Any], words: str) -> None:
    """Naming what is wrong."""
    prompt = {"frame": 0, "object": 1, "points": [[1, 1]], "labels": [1]}
    answer = client.post(f"{VIDEO}/decode", json={**prompt, **change})
    assert answer.status_code == 400, answer.text
    assert words in answer.json()["error"]["message"]


@pytest.mark.parametrize(
    "prompt",
    [
        {"points": [[500, 1]], "labels": [1]},
        {"points": [[1, 1]], "labels": [0]},
        {"points": [[63, 47]], "labels": [1]},
    ],
)
def test_a_prompt_that_finds_nothing_says_so(client: TestClient, prompt: dict[str, Any]) -> None:
    """With an empty mask, so that the page goes on."""
    found = client.post(f"{VIDEO}/decode", json={"frame": 0, "object": 1, **prompt}).json()
    assert (found["area"], found["box"]) == (0, None)
    assert found["message"]


def test_drawing(client: TestClient, project: Project) -> None:
    """Brush, eraser, polygon, cut and filled holes, on what is shown."""
    project.anchor(CLIP, 0, 1, square(10, 10, 20))
    draw = {"frame": 0, "object": 1, "base": "shown"}
    cut = {"tool": "cut", "points": [[14, 14], [24, 14], [24, 24], [14, 24]]}
    found = client.post(f"{VIDEO}/draw", json={**draw, "strokes": [cut]}).json()
    mask = mask_from_json(found["mask"], SIZE)
    assert not mask[15:24, 15:24].any()
    assert mask[10:14].sum() == 4 * 20
    filled = client.post(f"{VIDEO}/draw", json={**draw, "strokes": [cut], "fill_holes": True}).json()
    np.testing.assert_array_equal(mask_from_json(filled["mask"], SIZE), square(10, 10, 20))
    dot = {"tool": "brush", "points": [[40, 20]], "size": 9}
    found = client.post(f"{VIDEO}/draw", json={"frame": 0, "object": 1, "strokes": [dot]}).json()
    rows, columns = np.nonzero(mask_from_json(found["mask"], SIZE))
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (16, 24, 36, 44)
    line = {"tool": "eraser", "points": [[0, 20], [63, 20]], "size": 3}
    found = client.post(f"{VIDEO}/draw", json={**draw, "strokes": [dot, line]}).json()
    mask = mask_from_json(found["mask"], SIZE)
    assert not mask[19:22].any()
    assert mask[17, 40]
    assert project.counter == 3  # of the two objects and the anchor
    for stroke in (
        {},
        {"tool": "x"},
        {"tool": "polygon", "points": [[1, 1]]},
        {"tool": "brush", "points": [[1]]},
    ):
        assert client.post(f"{VIDEO}/draw", json={**draw, "strokes": [stroke]}).status_code == 400


def test_every_frame_is_a_picture_of_itself(client: TestClient, truth: Scene) -> None:
    """In any order, at most as wide as the frame, and kept for ever where the address says which video."""
    digest = client.get("/api/project").json()["videos"][0]["digest"]
    for index in (7, 0, 11, 3, 2, 1, 8):
        answer = client.get(f"{VIDEO}/frames/{index}.jpg?d={digest[:12]}&w=640")
        assert answer.headers["x-vos-frame"] == str(index)
        assert "immutable" in answer.headers["cache-control"]
        image = cv2.imdecode(np.frombuffer(answer.content, np.uint8), cv2.IMREAD_COLOR)
        assert image.shape == (*SIZE, 3)
        away = [
            np.abs(image[..., ::-1].astype(int) - frame.image.astype(int)).mean() for frame in truth.frames
        ]
        assert int(np.argmin(away)) == index
    assert client.get(f"{VIDEO}/frames/0.jpg").headers["cache-control"] == "no-store"
    assert client.get(f"{VIDEO}/frames/0.jpg?d=0123456789").status_code == 404
    assert client.get(f"{VIDEO}/frames/12.jpg").status_code == 404
    assert client.get(f"{VIDEO}/frames/x.jpg").status_code == 404
    assert client.get(f"{VIDEO}/frames/0.jpg?w=-1").status_code == 400


def test_the_nearest_picture_is_there_at_once(client: TestClient) -> None:
    """Without decoding; nothing where there is none."""
    assert client.get(f"{VIDEO}/frames/5.jpg?near=1").status_code == 204
    client.get(f"{VIDEO}/frames/2.jpg").raise_for_status()
    for _ in range(200):  # an image is stored after the answer
        answer = client.get(f"{VIDEO}/frames/0.jpg?near=1")
        if answer.status_code != 204:
            break
        time.sleep(0.05)
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["cache-control"] == "no-store"
    assert 0 <= int(answer.headers["x-vos-frame"]) <= 2


@pytest.mark.parametrize(
    ("query", "named"),
    [
        ("", "first"),
        ("first=0", "last"),
        ("first=3&last=2", "first=3, last=2"),
        ("first=0&last=12", "first=0, last=12"),
        ("first=a&last=1", "first"),
    ],
)
def test_a_range_that_is_none_is_refused(client: TestClient, query: str, named: str) -> None:
    """With a sentence that names it."""
    answer = client.get(f"{VIDEO}/masks?{query}")
    assert answer.status_code == 400
    assert named in answer.text


def test_what_changed_is_told_frame_by_frame(
    client: TestClient, workspace: Workspace, truth: Scene, run_job: Run
) -> None:
    """A page asks again only for what a message names; what the message leaves out is as it was."""
    told: list[tuple[str, dict[str, Any]]] = []
    workspace.feed.publish = lambda kind, data, number=None: told.append((kind, data))  # type: ignore[method-assign]

    def changed() -> Any:
        found = [data["changed"] for kind, data in told if kind == "event"]
        told.clear()
        return found

    before = masks(client)
    anchor(client, truth.labels[0] == 1)
    assert changed() == [{CLIP: [(0, 0)]}]
    run_job("track")
    assert changed() == [{CLIP: [(1, 11)]}]
    anchor(client, square(0, 0), 6)
    assert changed() == [{CLIP: [(1, 11)]}]  # stale beside it
    client.post("/api/undo", json={}).raise_for_status()
    assert changed() == [{CLIP: [(1, 11)]}]
    send(client, {"kind": "review", "video": CLIP, "first": 2, "last": 4, "state": "accepted"})
    assert changed() == [{CLIP: [(2, 4)]}]
    send(client, {"kind": "swap", "video": CLIP, "a": 1, "b": 2, "first": 5, "last": 6})
    assert changed()[0][CLIP][0][1] >= 6
    send(client, {"kind": "object", "object": 2, "name": "cat"})
    assert changed() == [{}]
    after = masks(client)
    send(client, {"kind": "remove", "object": 1})
    assert changed() == [{CLIP: [(0, 4), (7, 11)]}]
    differing = [f for f in range(FRAMES) if (masks(client)[f] != after[f]).any()]
    assert set(differing) <= {*range(5), *range(7, 12)}
    assert before.shape == after.shape


def test_settings_change_what_is_tracked_from_now_on(client: TestClient, project: Project) -> None:
    """Only what pages may choose."""
    answer = client.post("/api/settings", json={"model": "nano", "memory": 0})
    assert answer.json() == {"settings": {"model": "nano", "memory": 0}}
    assert project.settings.model == "nano"
    assert client.post("/api/settings", json={"checkpoint": "/etc/passwd"}).status_code == 400
    assert client.post("/api/settings", json={"model": "nothing"}).status_code == 503
    assert client.post("/api/settings", json={"memory": -1}).status_code == 400
    assert project.settings.model == "nano"


def test_formats_and_keys(client: TestClient, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """What export and import offer, and the user's own keys."""
    found = {entry["name"]: entry for entry in client.get("/api/formats").json()["formats"]}
    assert found["coco"]["reads"]
    assert found["overlay"]["needs_frames"]
    assert not found["overlay"]["reads"]
    assert "run" not in found
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert client.get("/api/keys").json() == {"keys": {}}
    (tmp_path / "vos").mkdir()
    (tmp_path / "vos" / "keys.json").write_text('{"keys": {"play": ["p"]}}')
    assert client.get("/api/keys").json() == {"keys": {"play": ["p"]}}
    (tmp_path / "vos" / "keys.json").write_text('{"keys": {"play": "p"}}')
    answer = client.get("/api/keys")
    assert answer.status_code == 400
    assert "ACTION" in answer.json()["error"]["message"]


def test_runs_are_what_the_description_says() -> None:
    """Magic, head, lengths, labels, padding; and a MASK begins with background."""
    labels = np.array([[0, 0, 3], [3, 1, 1]], np.uint8)
    data = join_frames([encode_frame(7, labels)])
    expected = b"VRL1" + np.array([1, 7], "<u4").tobytes() + np.array([3, 2], "<u2").tobytes()
    expected += np.array([3, 2, 2, 2], "<u4").tobytes() + bytes([0, 3, 1, 0])
    assert data == expected
    assert gzip.decompress(gzip.compress(data)) == data
    np.testing.assert_array_equal(decode_frames(data, (2, 3))[0][1], labels)
    mask = np.array([[True, False], [False, True]])
    assert array(mask_to_json(mask)["runs"], "<u4").tolist() == [0, 1, 2, 1]
    for shape in ((1, 1), (3, 5), (7, 2)):
        for seed in range(5):
            mask = np.random.default_rng(seed).random(shape) < 0.5
            np.testing.assert_array_equal(mask_from_json(mask_to_json(mask), shape), mask)
