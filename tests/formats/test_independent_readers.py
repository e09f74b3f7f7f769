"""What other people's programs read in our files. Those that are not installed are skipped.

``VOS_ORACLES`` is a Python interpreter of an environment that has them (``make oracles`` makes one): they
cannot live beside this package.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from annotated_clips import annotations_of, hard_clip
from PIL import Image

from vos import formats
from vos.formats.registry import FORMATS
from vos.ops.brush import decode_brush
from vos.ops.rle import decode_row_runs
from vos.results import object_ids

SCRIPTS = Path(__file__).resolve().parent.parent / "oracles"
PYTHON = os.environ.get("VOS_ORACLES") or sys.executable
NAMES = {1: "car", 2: "person", 3: "car", 254: "dog"}
pytestmark = pytest.mark.slow


def run(package: str, script: str, *arguments: object) -> str:
    """What a script prints last."""
    have = subprocess.run(
        [PYTHON, "-c", f"import importlib.util as u, sys; sys.exit(not u.find_spec({package!r}))"],
        capture_output=True,
        check=False,
    )
    if have.returncode:
        pytest.skip(f"{package} is not installed for {PYTHON}")
    command = [PYTHON, str(SCRIPTS / f"{script}.py"), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-500:] + done.stderr[-3000:]
    return done.stdout.splitlines()[-1] if done.stdout else ""


def ask(package: str, script: str, *arguments: object) -> list[tuple[int, int, str, np.ndarray]]:
    """(frame, id, category, mask) as the program reads them."""
    found = []
    for frame, number, category, (size, runs) in json.loads(run(package, script, *arguments)):
        values = np.arange(len(runs)) % 2 == 1
        found.append((frame, number, category, np.repeat(values, runs).reshape(size)))
    return found


def write(name: str, folder: Path, pictures: bool = False, **options: object) -> Path:
    """The hard clip in that format, with pictures where asked for."""
    path = folder / FORMATS[name].default_name
    given = annotations_of(hard_clip(), names=NAMES)
    formats.write(given, path, name, options=options, sequence="0007")
    return path


def check(
    found: list[tuple[int, int, str, np.ndarray]],
    *,
    ids: bool = True,
    categories: bool = True,
    shape: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> None:
    """The shapes of the same masks with the same ids and categories in the same frames, and no others."""
    wanted = {
        (frame, k if ids else 0, NAMES[k] if categories else "", shape(labels == k).tobytes())
        for frame, labels in enumerate(hard_clip())
        for k in object_ids(labels)
    }
    assert {
        (frame, number if ids else 0, category if categories else "", mask.astype(bool).tobytes())
        for frame, number, category, mask in found
    } == wanted


@pytest.mark.parametrize("name", ["coco", "coco-video"])
def test_pycocotools(name: str, tmp_path: Path) -> None:
    """COCO."""
    check(ask("pycocotools", "read_pycocotools", write(name, tmp_path)))


def test_sav(tmp_path: Path) -> None:
    """SA-V JSON."""
    check(ask("pycocotools", "read_sav_json", write("sav-json", tmp_path)), categories=False)


@pytest.mark.parametrize("kind", ["mots", "kitti"])
def test_trackeval_mots(kind: str, tmp_path: Path) -> None:
    """MOTS text: frames from 1 and from 0. Our dog's class is none of theirs, but its masks are read."""
    path = write("mots-txt", tmp_path, variant=kind)
    found = ask("trackeval", "read_trackeval", kind, path, "0007", 5)
    check([(frame, number % 1000, "", mask) for frame, number, _, mask in found], categories=False)


@pytest.mark.parametrize(
    ("kind", "name", "place"),
    [
        ("datumaro", "datumaro", "."),
        ("coco_instances", "coco", "annotations/instances_train.json"),
        ("cvat", "cvat-images", "train.xml"),
        ("mots_png", "mots-png", "train"),
        ("voc_segmentation", "voc", "."),
    ],
)
def test_what_datumaro_writes(kind: str, name: str, place: str, tmp_path: Path) -> None:
    """Our readers read what Datumaro makes of the same masks. VOC has no ids there, but every mask."""
    np.save(tmp_path / "labels.npy", np.stack(hard_clip()))
    run("datumaro", "write_datumaro", kind, tmp_path / "labels.npy", tmp_path / "out")
    read = formats.read(tmp_path / "out" / place, name)
    found = {frame.index: result.labels for frame, result in read}
    wanted = {1: "car", 2: "pedestrian", 3: "car", 254: "dog"}
    for index, labels in enumerate(hard_clip()):
        got = found.get(index, np.zeros_like(labels))
        if name != "voc":
            assert np.array_equal(got, labels)
        else:
            masks = {(got == k).tobytes() for k in object_ids(got)}
            assert masks == {(labels == k).tobytes() for k in object_ids(labels)}
    if name != "voc":
        assert {k: read.names.get(k) or read.categories.get(k) for k in wanted} == wanted


@pytest.mark.parametrize("sdk", ["label_studio_sdk", "cvat_sdk"])
def test_what_the_sdks_encode(sdk: str, tmp_path: Path) -> None:
    """Brush masks of label_studio_sdk, and run lengths in a box of cvat_sdk, decode to the same masks."""
    np.save(tmp_path / "labels.npy", np.stack(hard_clip()))
    encoded = json.loads(run(sdk, "write_encodings", sdk, tmp_path / "labels.npy"))
    assert [(frame, number) for frame, number, _ in encoded] == [
        (frame, k) for frame, labels in enumerate(hard_clip()) for k in object_ids(labels)
    ]
    for frame, number, values in encoded:
        mask = hard_clip()[frame] == number
        if sdk == "label_studio_sdk":
            decoded = decode_brush(values, mask.shape)
        else:
            *runs, x0, y0, x1, y1 = values
            decoded = np.zeros_like(mask)
            decoded[y0 : y1 + 1, x0 : x1 + 1] = decode_row_runs(runs, (y1 - y0 + 1, x1 - x0 + 1))
        assert np.array_equal(decoded, mask)


@pytest.mark.parametrize("side", ["youtube-vis", "youtube-vis-results"])
def test_trackeval_youtube_vis(side: str, tmp_path: Path) -> None:
    """Ground truth and results, of the second of two videos in one file; results have no ids."""
    for file, predictions in (("gt", False), ("predictions", True)):
        for sequence, labels in (("first", hard_clip(2)), ("0007", hard_clip())):
            formats.export(
                annotations_of(labels, names=NAMES),
                tmp_path / file,
                ["youtube-vis"],
                sequence=sequence,
                options={"predictions": predictions},
                append=True,
            )
        (tmp_path / file / "youtube-vis.json").rename(tmp_path / f"{file}.json")
    found = ask("trackeval", "read_trackeval", side, tmp_path, "0007", 5)
    check(found, ids=False, categories=False)


def test_trackeval_davis(tmp_path: Path) -> None:
    """DAVIS."""
    path = write("davis", tmp_path)
    found = ask("trackeval", "read_trackeval", "davis", path, "0007", 5)
    check(found, ids=False, categories=False)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("datumaro", "datumaro"),
        ("mots-png", "mots"),
        ("voc", "voc_segmentation"),
        ("cvat-images", "cvat"),
    ],
)
def test_datumaro(name: str, kind: str, tmp_path: Path) -> None:
    """Datumaro's own format, MOTS PNG, VOC and CVAT for images."""
    path = write(name, tmp_path)
    if name == "cvat-images":
        folder = tmp_path / "task"
        (folder / "images").mkdir(parents=True)
        for index in range(5):
            Image.new("RGB", (37, 29)).save(folder / "images" / f"{index:05d}.jpg")
        path.rename(folder / "annotations.xml")
        path = folder
    found = ask("datumaro", "read_datumaro", kind, path)
    if name == "mots-png":  # frames from 1
        found = [(frame - 1, number % 1000, category, mask) for frame, number, category, mask in found]
        found = [(f, n, "person" if c == "pedestrian" else c, m) for f, n, c, m in found]
    check(found, ids=name != "voc")


def test_supervision(tmp_path: Path) -> None:
    """YOLO, pieces apart: every line is a detection of its class, and together they are the object."""
    path = write("yolo", tmp_path)
    (path / "images" / "train").mkdir(parents=True)
    for index in range(5):
        Image.new("RGB", (37, 29)).save(path / "images" / "train" / f"0007_{index:05d}.jpg")
    found = ask("supervision", "read_supervision", path, "train")
    exact = [item for item in found if item[2] != "person"]  # the object in three pieces has bridges
    wanted = {
        (frame, NAMES[k], (labels == k).tobytes())
        for frame, labels in enumerate(hard_clip())
        for k in object_ids(labels)
        if NAMES[k] != "person"
    }
    assert {(frame, category, mask.astype(bool).tobytes()) for frame, _, category, mask in exact} == wanted
    assert len(found) - len(exact) == 3


@pytest.mark.parametrize("name", ["cvat-video", "cvat-images"])
def test_cvat_sdk(name: str, tmp_path: Path) -> None:
    """Run lengths of CVAT, both formats."""
    path = write(name, tmp_path)
    if name == "cvat-images":
        text = path.read_text()
        assert "<original_size><width>37</width><height>29</height>" in text
    check(ask("cvat_sdk", "read_cvat", path))


def test_label_studio_sdk(tmp_path: Path) -> None:
    """Tasks are valid, and brush masks decode to ours."""
    check(ask("label_studio_sdk", "read_label_studio", write("label-studio", tmp_path)))


def bounding_box(mask: np.ndarray) -> np.ndarray:
    """The mask of its box."""
    rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
    found = np.zeros_like(mask)
    found[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] = True
    return found


def outer_outline(mask: np.ndarray) -> np.ndarray:
    """The mask of its largest piece, without holes."""
    _, pieces, facts, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    largest = (pieces == 1 + facts[1:, cv2.CC_STAT_AREA].argmax()).astype(np.uint8)
    contours, _ = cv2.findContours(largest, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    return cv2.drawContours(np.zeros_like(largest), contours, -1, 1, cv2.FILLED).astype(bool)


@pytest.mark.parametrize(("shape", "expected"), [("box", bounding_box), ("vector", outer_outline)])
def test_label_studio_video(shape: str, expected: Callable[[np.ndarray], np.ndarray], tmp_path: Path) -> None:
    """The task is valid, and its boxes or outlines are those of our masks in every frame."""
    path = write("label-studio-video", tmp_path, shape=shape)
    check(ask("label_studio_sdk", "read_label_studio", path), shape=expected)


def test_darwin(tmp_path: Path) -> None:
    """Darwin JSON."""
    check(ask("darwin", "read_darwin", write("darwin", tmp_path)))


def test_labelme(tmp_path: Path) -> None:
    """labelme JSON. It opens the picture, which must be there."""
    path = write("labelme", tmp_path)
    for index in range(5):
        Image.new("RGB", (37, 29)).save(path / f"{index:05d}.jpg")
    check(ask("labelme", "read_labelme", path))


def test_webdataset(tmp_path: Path) -> None:
    """Tar shards, several of them."""
    path = write("webdataset", tmp_path, samples=2)
    shards = sorted(path.glob("*.tar"))
    assert len(shards) == 3
    check(ask("webdataset", "read_webdataset", *shards))
