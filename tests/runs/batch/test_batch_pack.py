"""Masks of a task in one tar: the same masks, whatever stops the packing."""

from __future__ import annotations

import json
import tarfile
import uuid
from pathlib import Path

import pytest
from batch_fakes import FRAMES, drift_task, write_clips

from vos.errors import OutputError
from vos.runs import TrackSettings
from vos.runs.batch import BatchOptions, run_batch
from vos.runs.batch.layout import done_name, parse
from vos.runs.batch.local_store import LocalStore
from vos.runs.batch.pack import INDEX, pack_masks, packed_masks
from vos.runs.batch.report import report_of
from vos.runs.batch.store import open_store
from vos.runs.batch.webdataset import write_shards

SETTINGS = TrackSettings(model="drift", outputs=("masks",))
TAR = BatchOptions(pack="tar")


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The manifest of one clip."""
    return write_clips(tmp_path_factory.mktemp("clip"), 1)


@pytest.fixture
def loose(clip: Path, tmp_path: Path) -> LocalStore:
    """Its results with a file per mask."""
    run_batch(clip, tmp_path / "loose", SETTINGS, run=drift_task)
    return LocalStore(tmp_path / "loose")


def masks_of(folder: Path) -> dict[str, bytes]:
    """Masks by the names that they have in the tar."""
    return {f"clip0/{path.stem}.mask.png": path.read_bytes() for path in sorted(folder.glob("masks/*.png"))}


def folder_of(root: Path) -> Path:
    """The results of the task."""
    (record,) = root.glob("tasks/*/clip0/run.json")
    return record.parent


def test_a_packed_task(clip: Path, loose: LocalStore, tmp_path: Path) -> None:
    """One file in place of many, listed in the marker; shards of a batch do not depend on it."""
    run_batch(clip, tmp_path / "out", SETTINGS, TAR, run=drift_task)
    folder = folder_of(tmp_path / "out")
    assert sorted(path.name for path in folder.iterdir() if path.name[0] != ".") == ["masks.tar", "run.json"]
    data = (folder / "masks.tar").read_bytes()
    assert dict(packed_masks(data)) == masks_of(folder_of(tmp_path / "loose"))
    store = LocalStore(tmp_path / "out")
    marker = parse(store.read(done_name("clip0")))
    assert marker is not None
    assert set(marker["files"]) == {"masks.tar", "run.json"}
    shards = [
        write_shards(s, report_of(s), tmp_path / name)[0].read_bytes()
        for s, name in ((store, "a"), (loose, "b"))
    ]
    assert shards[0] == shards[1]


def test_the_index_says_where_each_member_is(clip: Path, tmp_path: Path) -> None:
    """Offset and size are those that tarfile finds; no time and no owner."""
    run_batch(clip, tmp_path / "out", SETTINGS, TAR, run=drift_task)
    with tarfile.open(folder_of(tmp_path / "out") / "masks.tar") as tar:
        index = tar.extractfile(INDEX)
        assert index is not None
        places = json.loads(index.read())
        members = [info for info in tar if info.name != INDEX]
    assert places == {info.name: [info.offset_data, info.size] for info in members}
    assert len(members) == 2 * FRAMES
    assert {(info.mtime, info.uid, info.uname) for info in members} == {(0, 0, "")}


@pytest.mark.parametrize("left", [0, 4, FRAMES])
def test_packing_goes_on(loose: LocalStore, left: int) -> None:
    """It was stopped when the tar was complete and some masks were still there."""
    folder = folder_of(Path(loose.root))
    masks = masks_of(folder)
    kept = {path: path.read_bytes() for path in sorted(folder.glob("masks/*.png"))[:left]}
    pack_masks(folder, "clip0")
    whole = (folder / "masks.tar").read_bytes()
    (folder / "masks").mkdir()
    for path, data in kept.items():
        path.write_bytes(data)
    pack_masks(folder, "clip0")
    assert (folder / "masks.tar").read_bytes() == whole
    assert dict(packed_masks(whole)) == masks
    assert not (folder / "masks").exists()


def test_a_mask_that_is_missing(loose: LocalStore) -> None:
    """Nothing is removed then."""
    folder = folder_of(Path(loose.root))
    (folder / "masks" / "00003.png").unlink()
    with pytest.raises(OutputError, match="no mask of frame 00003"):
        pack_masks(folder, "clip0")
    assert len(list(folder.glob("masks/*.png"))) == FRAMES - 1
    assert not (folder / "masks.tar").exists()


def test_done_again(clip: Path, tmp_path: Path) -> None:
    """A run that replaces a packed one leaves its own masks."""
    run_batch(clip, tmp_path / "out", SETTINGS, TAR, run=drift_task)
    other = TrackSettings(model="drift", outputs=("masks",), end=4)
    again = BatchOptions(pack="tar", overwrite=True)
    assert run_batch(clip, tmp_path / "out", other, again, run=drift_task).done_here == 1
    folder = folder_of(tmp_path / "out")
    assert len(dict(packed_masks((folder / "masks.tar").read_bytes()))) == 4
    assert not (folder / "masks").exists()


def test_packed_in_a_store(clip: Path, loose: LocalStore, tmp_path: Path) -> None:
    """Two objects are uploaded."""
    pytest.importorskip("fsspec")
    url = f"memory://{uuid.uuid4().hex}"
    run_batch(clip, url, SETTINGS, TAR, run=drift_task)
    store = open_store(url)
    marker = parse(store.read(done_name("clip0")))
    assert marker is not None
    assert set(marker["files"]) == {"masks.tar", "run.json"}
    data = store.read(f"{marker['place']}/masks.tar")
    assert data is not None
    assert dict(packed_masks(data)) == masks_of(folder_of(tmp_path / "loose"))
