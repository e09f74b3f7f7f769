"""Status, report, and what is merged from all tasks."""

from __future__ import annotations

import csv
import io
import json
import shutil
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from batch_fakes import FRAMES, FakeClock, drift_task, many, record_of, simulated, write_manifest

from vos.errors import OutputError
from vos.pool import Report
from vos.runs import TrackSettings
from vos.runs.batch import BatchOptions, read_manifest, run_batch
from vos.runs.batch.attempt import Attempt, Record
from vos.runs.batch.layout import done_name, dump, fail_name, lease_name, parse
from vos.runs.batch.leases import Leases
from vos.runs.batch.local_store import LocalStore
from vos.runs.batch.progress import JsonLines, Metrics
from vos.runs.batch.report import merged_coco, report_of, retry, status_of, table_csv
from vos.runs.batch.samples import sample_of
from vos.runs.batch.webdataset import write_shards

SETTINGS = TrackSettings(model="drift", outputs=("masks", "coco"))


@pytest.fixture
def manifest(tmp_path: Path) -> Any:
    """Its tasks."""
    return read_manifest(write_manifest(tmp_path / "m.jsonl", [{**many(1)[0], "id": k} for k in "abcdefg"]))


@pytest.fixture
def mixed(store: LocalStore, clock: FakeClock) -> LocalStore:
    """Every state."""
    for k, task_id in enumerate("abc"):
        record = record_of(task_id, frames=10 * (k + 1)).as_dict()
        extra = {"worker": "w", "attempt": 1, "finished": clock.now + k, "meta": None, "id": task_id}
        store.write(done_name(task_id), dump({**record, **extra}))
    leases = Leases(store, "w", seconds=60, clock=clock)
    leases.take("e")
    clock.now += 100
    leases.take("d")
    for task_id, kind, message in (("f", "media", "cut\nin line 2"), ("x", "media", "cut\nin line 3")):
        store.write(fail_name(task_id, 1), dump({"kind": kind, "message": message}))
    return store


def test_status(mixed: LocalStore, manifest: Any, clock: FakeClock) -> None:
    """Every task has one state; the time left is at the rate of the last ones."""
    status = status_of(mixed, manifest, clock=clock)
    assert status.states == dict(
        zip("abcdefg", ["done"] * 3 + ["running", "stale", "failed", "waiting"], strict=True)
    )
    assert status.counts == {"done": 3, "running": 1, "stale": 1, "failed": 1, "waiting": 1}
    assert status.frames == 60
    assert status.seconds_per_frame == pytest.approx(0.5 / 20)
    assert status.seconds_left == pytest.approx(3.0)  # three tasks at one per second
    assert sum(status_of(mixed, clock=clock).counts.values()) == 7  # without a manifest: x, but no g


def test_report(mixed: LocalStore, manifest: Any) -> None:
    """Totals, failures by kind and first line, and tasks that the manifest lacks; the same every time."""
    report = report_of(mixed, manifest)
    assert report["totals"]["tasks"] == {"done": 3, "failed": 1, "waiting": 3}
    assert report["totals"]["seconds"]["total"] == 1.5
    assert report["failures"] == [{"kind": "media", "message": "cut", "tasks": ["f"]}]
    assert report["not_in_manifest"] == ["x"]
    assert [row["id"] for row in report["tasks"]] == list("abcdefg")
    assert json.dumps(report_of(mixed, manifest)) == json.dumps(report)
    assert report_of(mixed)["failures"][0]["tasks"] == ["f", "x"]
    rows = list(csv.DictReader(io.StringIO(table_csv(report))))
    assert [row["state"] for row in rows] == ["done"] * 3 + ["waiting"] * 2 + ["failed", "waiting"]
    assert rows[1]["frames"] == "20"


def test_a_task_is_given_up_by_the_retries_of_its_worker(tmp_path: Path) -> None:
    """Status and report say what the worker says."""

    def crash(attempt: Attempt, report: Report) -> Record:
        raise ZeroDivisionError

    manifest = read_manifest(write_manifest(tmp_path / "m.jsonl", many(1)))
    assert run_batch(manifest, tmp_path / "out", options=BatchOptions(retries=0), run=crash).failed
    store = LocalStore(tmp_path / "out")
    assert status_of(store, manifest).counts["failed"] == 1
    assert report_of(store, manifest)["failures"][0]["tasks"] == ["v00000"]
    (fail,) = (tmp_path / "out").glob("state/*/*.fail.1.json")
    fail.write_text(json.dumps({**json.loads(fail.read_text()), "given_up": False}))
    assert status_of(store, manifest).counts["waiting"] == 1


def test_retry(mixed: LocalStore) -> None:
    """Failures of a kind, or all, are cleared; done tasks are left alone."""
    assert retry(mixed, ("oom",)) == []
    assert retry(mixed, ("media",)) == ["f", "x"]
    assert not mixed.exists(fail_name("f", 1))
    assert retry(mixed) == []


def test_workers_in_the_report(tmp_path: Path) -> None:
    """What each did."""
    manifest = write_manifest(tmp_path / "m.jsonl", many(4))
    run_batch(manifest, tmp_path / "out", run=simulated)
    (worker,) = report_of(LocalStore(tmp_path / "out"))["workers"]
    assert (worker["tasks"], worker["frames"], worker["ended"]) == (4, 4, "finished")
    assert 0 <= worker["idle_seconds"] <= worker["seconds"]


@pytest.fixture(scope="module")
def tracked(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalStore:
    """Six clips tracked."""
    output = tmp_path_factory.mktemp("batch")
    run_batch(clips, output, SETTINGS, run=drift_task)
    return LocalStore(output)


def test_merged_annotations(tracked: LocalStore) -> None:
    """One COCO document with a video per task, and every id once."""
    merged = json.loads("".join(merged_coco(tracked, report_of(tracked))))
    assert [video["name"] for video in merged["videos"]] == [f"clip{k}" for k in range(6)]
    assert [image["id"] for image in merged["images"]] == list(range(1, 6 * FRAMES + 1))
    assert [item["id"] for item in merged["annotations"]] == list(range(1, len(merged["annotations"]) + 1))
    videos = {image["id"]: image["video_id"] for image in merged["images"]}
    assert all(videos[item["image_id"]] == item["video_id"] for item in merged["annotations"])
    own = json.loads((tracked.read("tasks/7b/clip0/annotations.json") or b"").decode())
    ours = [item for item in merged["annotations"] if item["video_id"] == 1]
    assert [item["segmentation"] for item in ours] == [item["segmentation"] for item in own["annotations"]]
    for image in merged["images"]:
        assert tracked.exists(image["file_name"])


def test_merged_annotations_without_masks(clips: Path, tmp_path: Path) -> None:
    """Images are named by task and frame, not by files that are not there."""
    settings = replace(SETTINGS, outputs=("coco",))
    run_batch(clips, tmp_path, settings, run=drift_task)
    store = LocalStore(tmp_path)
    merged = json.loads("".join(merged_coco(store, report_of(store))))
    assert merged["images"][0]["file_name"] == "clip0/00000.png"


def test_hours_of_video(mixed: LocalStore, manifest: Any) -> None:
    """Of the tasks whose rate is known; older markers do not say."""
    assert report_of(mixed, manifest)["totals"]["video_hours"] == 0
    marker = parse(mixed.read(done_name("a")))
    assert marker is not None
    mixed.write(done_name("a"), dump({**marker, "video_seconds": 5400.0}))
    assert report_of(mixed, manifest)["totals"]["video_hours"] == 1.5


def test_tar_shards(tracked: LocalStore, tmp_path: Path) -> None:
    """Samples in order of task and frame, members together, limits kept, the same bytes every time."""
    report = report_of(tracked)
    paths = write_shards(tracked, report, tmp_path / "a", max_samples=25)
    assert [path.name for path in paths] == [f"masks-{k:06d}.tar" for k in range(3)]
    names = []
    for path in paths:
        with tarfile.open(path) as tar:
            assert len(tar.getnames()) <= 50
            names += tar.getnames()
            assert {(info.mtime, info.uid, info.uname) for info in tar} == {(0, 0, "")}
    expected = [f"clip{k}/{n:05d}" for k in range(6) for n in range(FRAMES)]
    assert names == [name + suffix for name in expected for suffix in (".json", ".mask.png")]
    again = write_shards(tracked, report, tmp_path / "b", max_samples=25)
    assert [path.read_bytes() for path in again] == [path.read_bytes() for path in paths]
    with tarfile.open(paths[0]) as tar:
        member = tar.extractfile("clip0/00003.mask.png")
        assert member is not None
        assert member.read() == tracked.read("tasks/7b/clip0/masks/00003.png")
    small = write_shards(tracked, report, tmp_path / "c", max_bytes=5000)
    assert len(small) > 6
    (tmp_path / "c" / "masks-other.tar").touch()
    fewer = write_shards(tracked, report, tmp_path / "c")
    assert {*(tmp_path / "c").iterdir()} == {*fewer, tmp_path / "c" / "masks-other.tar"}


def test_masks_that_are_missing(
    tracked: LocalStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Are told once for their task."""
    copy = tmp_path / "copy"
    shutil.copytree(tracked.root, copy)
    shutil.rmtree(copy / "tasks/7b/clip0/masks")
    write_shards(LocalStore(copy), report_of(LocalStore(copy)), tmp_path / "shards")
    assert [r.getMessage() for r in caplog.records] == [
        f"task clip0 has no masks of {FRAMES} frames, such as 00000: they are left out"
    ]


def test_names_with_dots(tracked: LocalStore, tmp_path: Path) -> None:
    """A key of webdataset ends at the first dot: those of a frame's name are written as %2E."""
    frame = {"index": 3, "name": "a.0003", "time": None, "objects": {}}
    assert [name for name, _ in sample_of("v.1", frame, b"")] == [
        "v.1/a%2E0003.json",
        "v.1/a%2E0003.mask.png",
    ]


@pytest.mark.slow
def test_shards_read_back(tracked: LocalStore, clips: Path, tmp_path: Path) -> None:
    """By the webdataset package itself, and so are the packed masks of a task."""
    webdataset = pytest.importorskip("webdataset")
    (path,) = write_shards(tracked, report_of(tracked), tmp_path)
    samples = list(webdataset.WebDataset(str(path), shardshuffle=False))
    assert len(samples) == 6 * FRAMES
    assert set(samples[0]) >= {"__key__", "json", "mask.png"}
    run_batch(clips, tmp_path / "out", SETTINGS, BatchOptions(pack="tar"), run=drift_task)
    packed = sorted(str(path) for path in tmp_path.glob("out/tasks/*/*/masks.tar"))
    again = webdataset.WebDataset(packed, shardshuffle=False)
    members = {sample["__key__"]: (sample["json"], sample["mask.png"]) for sample in again}
    assert members == {sample["__key__"]: (sample["json"], sample["mask.png"]) for sample in samples}


def test_progress_as_json() -> None:
    """Progress at most once per second, ends of tasks always."""
    lines: list[dict[str, Any]] = []
    now = [0.0]
    observe = JsonLines(lambda line: lines.append(json.loads(line)), clock=lambda: now[0])
    observe("started", "a", {})
    for frame in range(1, 25):
        now[0] += 0.125
        observe("progress", "a", {"stage": "forward", "done": frame, "total": 24})
    observe("done", "a", {"frames": 24, "seconds": 3.0})
    observe("tick", "", {})
    assert [line["event"] for line in lines] == ["started", *["progress"] * 3, "done"]
    assert lines[2]["frame"] == 9
    assert lines[2]["fps"] == 8
    assert set(lines[2]) == {"event", "task", "stage", "frame", "frames", "fps", "rss"}


def test_metrics(tmp_path: Path) -> None:
    """Text of Prometheus, written every 15 s and when asked to."""
    now = [0.0]
    metrics = Metrics(tmp_path / "vos.prom", clock=lambda: now[0])
    counts = {"done": 1, "failed": 1, "running": 0, "elsewhere": 0, "waiting": 3}
    metrics("done", "a", {"frames": 30, "seconds": 3.5})
    metrics("failed", "b", {"kind": "media", "message": "x"})
    metrics("tick", "", counts)
    first = metrics.path.read_text()
    assert 'vos_batch_tasks{state="waiting"} 3\n' in first
    assert "vos_batch_frames_total 30\n" in first
    assert "vos_batch_seconds_total 3.5\n" in first
    assert 'vos_batch_failures_total{kind="media"} 1\n' in first
    metrics("done", "c", {"frames": 1, "seconds": 0.5})
    metrics("tick", "", counts)
    assert metrics.path.read_text() == first
    now[0] = 15
    metrics("tick", "", counts)
    assert "vos_batch_frames_total 31\n" in metrics.path.read_text()


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"key": 1}', '{"frames": "x"}', '{"identity": {"video": 3}}']
)
def test_a_damaged_marker(mixed: LocalStore, manifest: Any, clock: FakeClock, content: str) -> None:
    """Its task counts as not done; the others are reported."""
    mixed.write(done_name("b"), content.encode())
    assert status_of(mixed, manifest, clock=clock).states["b"] == "waiting"
    states = {row["id"]: row["state"] for row in report_of(mixed, manifest)["tasks"]}
    assert (states["a"], states["b"], states["c"]) == ("done", "waiting", "done")


@pytest.mark.parametrize("content", ['{"expires": "soon"}', '{"expires": null, "pid": "x"}', "[]", "\x00"])
def test_a_damaged_lease(mixed: LocalStore, manifest: Any, clock: FakeClock, content: str) -> None:
    """It has expired."""
    mixed.write(lease_name("d", 1), content.encode())
    assert status_of(mixed, manifest, clock=clock).states["d"] == "waiting"
    assert Leases(mixed, "v", clock=clock).take("d") is not None


def test_a_damaged_marker_is_made_again(clips: Path, tmp_path: Path) -> None:
    """By the next run, from the results that are there."""
    run_batch(clips, tmp_path / "out", SETTINGS, run=drift_task)
    (marker,) = (tmp_path / "out").glob("state/*/clip3.done.json")
    whole = json.loads(marker.read_text())
    marker.write_text('{"key": 1}')
    assert run_batch(clips, tmp_path / "out", SETTINGS, run=drift_task).done_here == 1
    assert json.loads(marker.read_text())["files"] == whole["files"]


@pytest.mark.parametrize("content", ["[]", '{"schema": 1}', '{"schema": 1, "settings": [], "manifest": {}}'])
def test_a_damaged_batch_file(clips: Path, tmp_path: Path, content: str) -> None:
    """Neither worked on nor overwritten."""
    (tmp_path / "batch.json").write_text(content)
    with pytest.raises(OutputError, match="is not that of a batch"):
        run_batch(clips, tmp_path, SETTINGS, run=drift_task)
    assert (tmp_path / "batch.json").read_text() == content
