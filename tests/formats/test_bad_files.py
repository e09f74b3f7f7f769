"""Damaged and hostile files: one line that names the file, no traceback, nothing half written."""

from __future__ import annotations

import json
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from annotated_clips import annotations_of, hard_clip
from PIL import Image

from vos import formats
from vos.errors import FormatError, VosError
from vos.formats.registry import FORMATS

BOTH = [name for name, f in FORMATS.items() if f.reader and f.writer]


def written(name: str, folder: Path) -> Path:
    """A good file or folder of the format."""
    for package in FORMATS[name].requires:
        pytest.importorskip(package)
    path = folder / FORMATS[name].default_name
    formats.write(annotations_of(hard_clip()), path, name)
    return path


def read_all(path: Path, name: str) -> None:
    """Everything that a conversion reads."""
    for _ in formats.read(path, name, size=(29, 37)):
        pass


def refusal(action: Callable[[], object]) -> str | None:
    """The message of the VosError that an action ends with; None where it does not; other errors pass."""
    try:
        action()
    except VosError as error:
        return str(error)
    return None


def main_file(path: Path) -> Path:
    """The largest file at or under ``path``."""
    return (
        path
        if path.is_file()
        else max((p for p in path.rglob("*") if p.is_file()), key=lambda p: p.stat().st_size)
    )


@pytest.mark.parametrize("name", BOTH)
@pytest.mark.parametrize("keep", [0, 7, 0.5, 0.98])
def test_cut_short(name: str, keep: float, tmp_path: Path) -> None:
    """A file that ends early is told, and no output appears."""
    path = written(name, tmp_path)
    file = main_file(path)
    data = file.read_bytes()
    file.write_bytes(data[: int(keep * len(data)) if isinstance(keep, float) else keep])
    out = tmp_path / "out"
    message = refusal(lambda: formats.write(formats.read(path, name, size=(29, 37)), out, "masks"))
    # Text may end between two lines, an empty label file is a frame without objects, a tar ends in zeros.
    harmless = ("mots-txt", "yolo", "csv", "webdataset")
    assert message is not None or (name in harmless and out.exists())
    assert message is None or ("\n" not in message and not out.exists())
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


@pytest.mark.parametrize("name", BOTH)
def test_no_partial_import(name: str, tmp_path: Path) -> None:
    """An import of a damaged file is one line, or all of what is left; nothing lies about."""
    path = written(name, tmp_path)
    file = main_file(path)
    file.write_bytes(file.read_bytes()[: file.stat().st_size * 2 // 3])
    before = sorted(tmp_path.rglob("*"))

    def bring_in() -> None:
        names = [f"{index:05d}" for index in range(5)]
        given = formats.match_to_video(formats.read(path, name, size=(29, 37)), names, (29, 37))
        formats.import_masks(given, tmp_path / "in")

    message = refusal(bring_in)
    if message is None:
        assert (tmp_path / "in" / "import.json").is_file()
    else:
        assert "\n" not in message
        assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("name", BOTH)
def test_damaged_bytes(name: str, tmp_path: Path) -> None:
    """Bytes overwritten at random: read all the same, or VosError; never anything else."""
    path = written(name, tmp_path)
    file = main_file(path)
    data = file.read_bytes()
    rng = random.Random(name)
    for _ in range(25):
        damaged = bytearray(data)
        for _ in range(rng.choice([1, 3, 20])):
            damaged[rng.randrange(len(data))] = rng.randrange(256)
        file.write_bytes(bytes(damaged))
        assert "\n" not in (refusal(lambda: read_all(path, name)) or "")


JSON_FORMATS = ["coco-video", "youtube-vis", "sav-json", "label-studio", "labelme", "datumaro", "darwin"]


@pytest.mark.parametrize("name", JSON_FORMATS)
def test_damaged_values(name: str, tmp_path: Path) -> None:
    """Every value of the JSON replaced in turn by one of another kind, or left out."""
    path = written(name, tmp_path)
    file = main_file(path)
    content = json.loads(file.read_text())
    places = list(_places(content, ()))
    rng = random.Random(name)
    for place in rng.sample(places, min(60, len(places))):
        for value in (None, -1, "x", [], {}, 1e300):
            file.write_text(json.dumps(_replaced(content, place, value)))
            assert "\n" not in (refusal(lambda: read_all(path, name)) or "")


def _places(value: object, where: tuple) -> list:
    found = []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in items:
        found.append((*where, key))
        found += _places(child, (*where, key))
    return found


def _replaced(content: object, place: tuple, value: object) -> object:
    copy = json.loads(json.dumps(content))
    target = copy
    for key in place[:-1]:
        target = target[key]
    target[place[-1]] = value
    return copy


@pytest.mark.parametrize("name", [n for n in BOTH if not FORMATS[n].is_folder])
def test_a_folder_or_nothing_for_a_file(name: str, tmp_path: Path) -> None:
    """A folder in place of a file, and a name that is not there."""
    for package in FORMATS[name].requires:
        pytest.importorskip(package)
    with pytest.raises(FormatError):
        read_all(tmp_path, name)
    with pytest.raises(FormatError, match="no such file"):
        read_all(tmp_path / "nothing", name)


@pytest.mark.parametrize("name", [n for n in BOTH if FORMATS[n].is_folder])
def test_an_empty_folder(name: str, tmp_path: Path) -> None:
    """A folder with nothing in it."""
    with pytest.raises(FormatError):
        read_all(tmp_path, name)


def test_absurd_sizes_take_no_memory(tmp_path: Path) -> None:
    """10^9 x 10^9 pixels are refused before anything is made."""
    size = [10**9, 10**9]
    image = {"id": 1, "file_name": "0.png", "height": size[0], "width": size[1]}
    annotation = {
        "id": 1,
        "image_id": 1,
        "category_id": 1,
        "segmentation": {"size": size, "counts": [size[0] * size[1]]},
    }
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"images": [image], "annotations": [annotation], "categories": []}))
    with pytest.raises(FormatError, match="pixels is not read"):
        read_all(path, "coco")


def test_masks_of_another_size_than_their_image(tmp_path: Path) -> None:
    """A mask whose size is not the image's is refused, naming both."""
    image = {"id": 1, "file_name": "0.png", "height": 4, "width": 5}
    annotation = {"id": 1, "image_id": 1, "segmentation": {"size": [5, 4], "counts": [20]}}
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"images": [image], "annotations": [annotation], "categories": []}))
    with pytest.raises(FormatError, match="4x5 pixels, its image 5x4"):
        read_all(path, "coco")


@pytest.mark.parametrize(
    "text",
    [
        '<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]><annotations>&b;</annotations>',
        '<!DOCTYPE x SYSTEM "file:///etc/passwd"><annotations/>',
        "<other/>",
        "<annotations><image id='0' name='a' width='9' height='9'><mask/></image></annotations>",
        "no XML",
    ],
)
def test_hostile_xml(text: str, tmp_path: Path) -> None:
    """Document types, entities and other roots are refused."""
    path = tmp_path / "a.xml"
    path.write_text(text)
    with pytest.raises(FormatError):
        read_all(path, "cvat-images")


def test_pickles_are_not_loaded(tmp_path: Path) -> None:
    """An archive with objects in it is refused."""
    path = tmp_path / "a.npz"
    np.savez(path, labels=np.zeros((1, 4, 5), np.uint8), names=np.array([{"a": 1}], dtype=object))
    with pytest.raises(FormatError):
        read_all(path, "npz")


def test_zip_bomb(tmp_path: Path) -> None:
    """An array that claims 10^12 values is refused by its header, one that unpacks too far by its size."""
    header = tmp_path / "header.npz"
    with zipfile.ZipFile(header, "w") as archive, archive.open("labels.npy", "w") as file:
        np.lib.format.write_array_header_2_0(
            file, {"descr": "|u1", "fortran_order": False, "shape": (1, 10**6, 10**6)}
        )
    with pytest.raises(FormatError, match="not read"):
        read_all(header, "npz")
    bomb = tmp_path / "bomb.npz"
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("names.npy", bytes(1 << 27))
    with pytest.raises(FormatError, match="bytes"):
        read_all(bomb, "npz")


def test_tar_with_a_link(tmp_path: Path) -> None:
    """Links are no samples."""
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as archive:
        info = tarfile.TarInfo("clip/00000.json")
        info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(info)
    with pytest.raises(FormatError, match="no file"):
        read_all(path, "webdataset")


def test_colour_pictures_are_no_masks(tmp_path: Path) -> None:
    """A picture in colours is refused, naming it."""
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (9, 9, 3), np.uint8)).save(
        tmp_path / "00000.png"
    )
    with pytest.raises(FormatError, match=r"00000\.png.*colour"):
        read_all(tmp_path, "masks")


def test_mixed_sizes(tmp_path: Path) -> None:
    """Masks of two sizes in one folder."""
    for name, side in (("00000", 9), ("00001", 8)):
        Image.fromarray(np.ones((side, 9), np.uint8)).save(tmp_path / f"{name}.png")
    with pytest.raises(FormatError, match=r"00001\.png is 9x8, others are 9x9"):
        read_all(tmp_path, "masks")
