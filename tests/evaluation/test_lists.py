"""Lists of sequences: encodings, names, sets that are built in, and hints to the right folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vos.errors import EvaluationError, InputError
from vos.evaluation.davis import evaluate_davis
from vos.evaluation.davis_layout import read_davis_set
from vos.evaluation.discovery import evaluate_discovery
from vos.evaluation.perseg import read_perseg
from vos.ops.rle import mask_fields


def davis(root: Path, *names: str, listed: bytes | None = None) -> Path:
    """A set ``2017/val`` of sequences with three frames each."""
    labels = np.zeros((24, 32), np.uint8)
    labels[5:15, 5:15] = 1
    for name in names:
        folder = root / "Annotations" / "480p" / name
        folder.mkdir(parents=True)
        for i in range(3):
            Image.fromarray(labels).save(folder / f"{i:05d}.png")
    lists = root / "ImageSets" / "2017"
    lists.mkdir(parents=True)
    (lists / "val.txt").write_bytes("\n".join(names).encode() if listed is None else listed)
    return root


@pytest.mark.parametrize(
    "listed",
    [
        "\ufeffbear\r\ndog\r\n".encode(),
        "bear\r\ndog\r\n".encode("utf-16"),
        b"bear/\n./dog\n",
        b"bear 82\ndog 60 2\n",
        b"\\JPEGImages\\480p\\bear\\00000.jpg \\x\\00000.png\r\n/x/dog/00000.jpg /y\r\n",
    ],
)
def test_lists_as_windows_saves_them(tmp_path: Path, listed: bytes) -> None:
    """Byte order marks, UTF-16, backslashes."""
    found = read_davis_set(davis(tmp_path, "bear", "dog", listed=listed), "2017/val")
    assert [sequence.name for sequence in found.sequences] == ["bear", "dog"]


def test_one_sequence_a_line(tmp_path: Path) -> None:
    """Two names on a line are not read as the first of them, and a name may have a space in it."""
    with pytest.raises(EvaluationError, match=r"no annotations .* in .*/bear dog, which the set lists"):
        read_davis_set(davis(tmp_path / "two", "bear", "dog", listed=b"bear dog\n"), "2017/val")
    found = read_davis_set(davis(tmp_path / "space", "big bear"), "2017/val")
    assert [sequence.name for sequence in found.sequences] == ["big bear"]


def test_a_list_in_another_encoding(tmp_path: Path) -> None:
    """It is named as such, not as missing."""
    with pytest.raises(EvaluationError, match=r"cannot read the list .*val.txt: it is not UTF-8 text"):
        read_davis_set(davis(tmp_path, "bear", listed=b"caf\xe9\n"), "2017/val")


@pytest.mark.parametrize("name", ["..", ".", "/JPEGImages/480p/../00000.jpg", "x" * 300])
def test_names_that_lead_elsewhere(tmp_path: Path, name: str) -> None:
    """They are refused where they enter."""
    with pytest.raises(InputError, match=r"sequence name .* is not allowed"):
        read_davis_set(davis(tmp_path, "bear", listed=name.encode()), "2017/val")


def test_a_set_that_is_built_in(tmp_path: Path) -> None:
    """The ten sequences of our tables, by the protocol of DAVIS 2016; a list of the user's goes before it."""
    root = davis(tmp_path, "bear")
    with pytest.raises(EvaluationError, match="blackswan"):
        read_davis_set(root, "dev10")
    found = read_davis_set(davis(tmp_path / "b", "blackswan"), "dev10", sequences=["blackswan"])
    assert found.one_object
    (root / "ImageSets" / "dev10.txt").write_text("bear\n")
    own = read_davis_set(root, "dev10")
    assert ([s.name for s in own.sequences], own.one_object) == (["bear"], False)


def test_the_folder_of_one_sequence_is_not_that_of_the_results(tmp_path: Path) -> None:
    """The message says which folder to pass."""
    root = davis(tmp_path / "davis", "bear")
    results = root / "Annotations" / "480p"
    assert evaluate_davis(results, root, "2017/val").table()
    with pytest.raises(EvaluationError, match=r"holds the masks of one sequence: pass the parent folder$"):
        evaluate_davis(results / "bear", root, "2017/val")
    (results / "bear").rename(tmp_path / "masks")
    (results / "bear").symlink_to(tmp_path / "masks")
    with pytest.raises(EvaluationError, match=r"pass the parent folder, and name masks after its sequence"):
        evaluate_davis(tmp_path, root, "2017/val")


def test_results_numbered_from_1(tmp_path: Path) -> None:
    """Each mask would be compared with that of the next frame; one frame more, or one less, is no shift."""
    root = davis(tmp_path / "davis", "bear")
    truth = root / "Annotations" / "480p" / "bear"
    folder = tmp_path / "results" / "bear"
    folder.mkdir(parents=True)
    for number in (1, 2, 3):
        (folder / f"{number:05d}.png").write_bytes((truth / "00000.png").read_bytes())
    with pytest.raises(EvaluationError, match=r"holds 00001.png to 00003.png, and .* 00000.png to 00002.png"):
        evaluate_davis(folder.parent, root, "2017/val")
    (folder / "00000.png").write_bytes((truth / "00000.png").read_bytes())
    assert evaluate_davis(folder.parent, root, "2017/val").table()
    for number in (0, 3):
        (folder / f"{number:05d}.png").unlink()
    assert evaluate_davis(folder.parent, root, "2017/val").table()


def test_files_that_systems_put_beside_ours(tmp_path: Path) -> None:
    """``._x.png`` and hidden folders are no masks and no objects."""
    folder = tmp_path / "Annotations" / "cup"
    folder.mkdir(parents=True)
    for name in ("00.png", "01.png"):
        Image.fromarray(np.ones((4, 4), np.uint8)).save(folder / name)
        (folder / f"._{name}").write_bytes(b"\0\5\26\7")
    (tmp_path / "Annotations" / ".ipynb_checkpoints").mkdir()
    (item,) = read_perseg(tmp_path, None, "00")
    assert [path.name for path in item.annotations] == ["01.png"]


def test_backslashes_in_coco_names(tmp_path: Path) -> None:
    """A path that Windows wrote has the stem that people see."""
    mask = np.zeros((24, 32), bool)
    mask[4:9, 4:9] = True
    entry = {"id": 1, "image_id": 1, "category_id": 1, "score": 0.5, **mask_fields(mask)}
    for name, file_name in (("r", "photos\\a.png"), ("t", "a.jpg")):
        image = {"id": 1, "file_name": file_name, "width": 32, "height": 24}
        content = {"images": [image], "annotations": [entry], "categories": [{"id": 1}]}
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    assert evaluate_discovery(tmp_path / "r.json", tmp_path / "t.json").ar == 1
