"""The place of a batch: a folder, fsspec's memory, and a stand-in for S3 on loopback."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from batch_fakes import FRAMES, drift_task, results, write_clips

from vos.errors import MediaError, OutputError, SettingsError
from vos.runs import TrackSettings
from vos.runs.batch import BatchOptions, run_batch
from vos.runs.batch.layout import done_name, parse
from vos.runs.batch.local_store import LocalStore
from vos.runs.batch.remote_store import RemoteStore, download
from vos.runs.batch.report import report_of
from vos.runs.batch.store import Store, join, open_store

SETTINGS = TrackSettings(model="drift", outputs=("masks",))


@pytest.fixture(params=["folder", "folder without links", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Every kind."""
    if request.param == "memory":
        pytest.importorskip("fsspec")
        return open_store(f"memory://{uuid.uuid4().hex}")
    if request.param == "folder without links":

        def refuse(source: Any, target: Any) -> None:
            raise PermissionError(1, "no links here")

        monkeypatch.setattr("os.link", refuse)
    return open_store(tmp_path / "store")


def test_files(store: Store, tmp_path: Path) -> None:
    """Written whole, read, listed, appended to, removed."""
    assert store.read("a/b.json") is None
    assert store.names("a") == []
    store.write("a/b.json", b"1")
    store.write("a/b.json", b"22")
    store.append("a/log", b"x\n")
    store.append("a/log", b"y\n")
    store.flush()
    assert store.read("a/b.json") == b"22"
    assert store.read("a/log") == b"x\ny\n"
    assert store.names("a") == ["b.json", "log"]
    store.write("s/00/x", b"")
    store.write("s/01/y", b"")
    assert sorted(store.names_below("s")) == ["x", "y"]
    assert list(store.names_below("none")) == []
    assert store.exists("a/log")
    store.remove("a/log")
    store.remove("a/log")
    assert not store.exists("a/log")
    (tmp_path / "results/inner").mkdir(parents=True)
    (tmp_path / "results/inner/x.png").write_bytes(b"png")
    (tmp_path / "results/.work").mkdir()
    (tmp_path / "results/.work/state").write_bytes(b"not a result")
    store.upload(tmp_path / "results", "tasks/t")
    assert store.read("tasks/t/inner/x.png") == b"png"
    assert store.read("tasks/t/.work/state") is None


def test_only_one_creates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of many that try at once; and no trace of the others is left."""
    store = open_store(tmp_path)
    for _ in range(5):
        name = f"{uuid.uuid4().hex}/lease"
        won: list[int] = []
        start = threading.Barrier(8)

        def attempt(index: int, name: str = name, won: list[int] = won, start: Any = start) -> None:
            start.wait()
            if store.create(name, str(index).encode()):
                won.append(index)

        threads = [threading.Thread(target=attempt, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(won) == 1
        assert store.read(name) == str(won[0]).encode()
        assert len(list((tmp_path / name).parent.iterdir())) == 1


def test_create_refuses_what_exists(store: Store) -> None:
    """And leaves it as it is."""
    assert store.create("x/y", b"1")
    assert not store.create("x/y", b"2")
    assert store.read("x/y") == b"1"


def test_a_store_that_cannot_create_exclusively(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Workers there must have shards of their own."""
    pytest.importorskip("fsspec")
    manifest = write_clips(tmp_path, 1)
    monkeypatch.setattr(RemoteStore, "create", lambda self, name, data: True)
    with pytest.raises(SettingsError, match="--shard I/N"):
        run_batch(manifest, "memory://x", options=BatchOptions(dynamic=True))


def test_places(tmp_path: Path) -> None:
    """Paths and URLs, relative to a folder that is either."""
    assert join("s3://b/m", "a/v.mp4") == "s3://b/m/a/v.mp4"
    assert join("s3://b/m", "gs://c/v.mp4") == "gs://c/v.mp4"
    assert join("/data", "v.mp4") == "/data/v.mp4"
    assert join("s3://b", "/data/v.mp4") == "/data/v.mp4"
    with pytest.raises(SettingsError, match="endpoint-url is for s3"):
        open_store("memory://x", endpoint_url="http://localhost")
    with pytest.raises(SettingsError, match="cannot open nosuch"):
        open_store("nosuch://x")
    for address in ("https://host/v.mp4", "HTTP://host/v.mp4", "ftp://host/v.mp4"):
        with pytest.raises(SettingsError, match="a batch reads files and object stores"):
            open_store(address)


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    """An error with the path, and no traceback."""
    (tmp_path / "file").write_text("")
    store = LocalStore(tmp_path / "file")
    with pytest.raises(OutputError, match="file"):
        store.create("x", b"1")


def remote(store: Store) -> dict[str, bytes]:
    """Results of a batch in a store, under the names that they have in a folder."""
    found = {}
    for row in report_of(store)["tasks"]:
        marker = parse(store.read(done_name(row["id"])))
        assert marker is not None
        for name in marker["files"]:
            data = store.read(f"{marker['place']}/{name}") or b""
            if name == "run.json":
                record = json.loads(data)
                del record["timings"]
                data = json.dumps(record).encode()
            found[f"{marker['place'].rsplit('/', 1)[0]}/{name}"] = data
    return found


def without_places(found: dict[str, bytes]) -> dict[str, bytes]:
    """The records without the paths that they were made from."""
    cleaned = {}
    for name, data in found.items():
        if name.endswith("run.json"):
            record = json.loads(data)
            del record["input"]["path"]
            data = json.dumps(record).encode()
        cleaned[name] = data
    return cleaned


def test_a_batch_in_a_store(clips: Path, tmp_path: Path) -> None:
    """The results are those of a folder; the marker says where they are."""
    pytest.importorskip("fsspec")
    run_batch(clips, tmp_path / "out", SETTINGS, run=drift_task)
    url = f"memory://{uuid.uuid4().hex}"
    outcome = run_batch(clips, url, SETTINGS, BatchOptions(scratch=str(tmp_path / "s")), run=drift_task)
    assert outcome.done_here == 6
    assert without_places(remote(open_store(url))) == without_places(results(tmp_path / "out"))
    assert list((tmp_path / "s").iterdir()) == []


def test_a_stopped_task_goes_on_elsewhere(tmp_path: Path) -> None:
    """With --upload-checkpoints the store has what another machine needs."""
    pytest.importorskip("fsspec")
    manifest = write_clips(tmp_path, 1, frames=12)
    settings = TrackSettings(model="drift", outputs=("masks",), checkpoint_every=5)
    run_batch(manifest, tmp_path / "out", settings, run=drift_task)
    url = f"memory://{uuid.uuid4().hex}"
    options = BatchOptions(upload_checkpoints=True, retries=0)
    frames: list[int] = []

    def stopped(attempt: Any, report: Any) -> Any:
        def watch(progress: Any) -> None:
            frames.append(progress.done)
            if len(frames) == 8:
                raise MemoryError
            report(progress)

        return drift_task(attempt, watch)

    outcome = run_batch(manifest, url, settings, options, run=stopped)
    assert outcome.failed == ("clip0",)
    store = open_store(url)
    store.remove("state/7b/clip0.fail.1.json")
    frames.clear()
    frames += [0] * 8  # no second failure
    assert run_batch(manifest, url, settings, options, run=stopped).done_here == 1
    assert frames[8] == 6  # after the checkpoint at 5
    assert without_places(remote(store)) == without_places(results(tmp_path / "out"))


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Address of a stand-in for S3 on loopback."""
    pytest.importorskip("s3fs", reason="needs vos-toolkit[cloud]")
    pytest.importorskip("moto", reason="needs moto[server]")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.mark.slow
def test_a_batch_on_s3(s3: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Manifest, videos, prompts and results there: dynamic workers, the same bytes as in a folder."""
    import s3fs

    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "stand-in")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    from vos.testing import scene, write_labels, write_video

    lines = []
    for k in range(3):
        clip = scene("crossing", num_frames=FRAMES, size=(24, 32), seed=k)
        write_video(clip, tmp_path / f"clip{k}.mkv")
        write_labels(clip, tmp_path / f"truth{k}")
        lines.append({"video": f"clip{k}.mkv", "mask": f"truth{k}/00000.png"})
    (tmp_path / "m.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    run_batch(tmp_path / "m.jsonl", tmp_path / "out", SETTINGS, run=drift_task)
    fs = s3fs.S3FileSystem(client_kwargs={"endpoint_url": s3}, use_listings_cache=False)
    fs.mkdir("bucket")
    for name in ("m.jsonl", *(n for k in range(3) for n in (f"clip{k}.mkv", f"truth{k}/00000.png"))):
        fs.put_file(str(tmp_path / name), f"bucket/in/{name}")
    store = open_store("s3://bucket/out", endpoint_url=s3)
    assert isinstance(store, RemoteStore)
    assert store.can_create_exclusively()
    options = BatchOptions(dynamic=True, endpoint_url=s3, scratch=str(tmp_path / "scratch"))
    outcome = run_batch("s3://bucket/in/m.jsonl", "s3://bucket/out", SETTINGS, options, run=drift_task)
    assert (outcome.done_here, outcome.failed) == (3, ())
    assert without_places(remote(store)) == without_places(results(tmp_path / "out"))
    again = run_batch("s3://bucket/in/m.jsonl", "s3://bucket/out", SETTINGS, options, run=drift_task)
    assert (again.done, again.done_here) == (3, 0)
    with pytest.raises(MediaError, match="none"):
        download("s3://bucket/in/none.mkv", tmp_path / "x", endpoint_url=s3)
