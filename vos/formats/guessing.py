"""Which format a file or folder is of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..errors import FormatError
from .reading import load_json, load_text, reading

_SUFFIXES = {
    ".npz": "npz",
    ".parquet": "parquet",
    ".csv": "csv",
    ".tar": "webdataset",
    ".yaml": "yolo",
    ".yml": "yolo",
}


def guess_format(path: Path) -> str:
    """The name of the format.

    Raises:
        FormatError: it cannot be determined, or the file cannot be read.
    """
    if not path.exists():
        raise FormatError(f"cannot read {path}: there is no such file or folder")
    with reading(path, "annotations"):
        found = _of_folder(path) if path.is_dir() else _of_file(path)
    if found is None:
        raise FormatError(
            f"cannot tell which format {path} is of: name it with --from (`vos import`: --format); "
            "`vos formats` lists them"
        )
    return found


def _of_file(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if suffix in _SUFFIXES:
        return _SUFFIXES[suffix]
    if suffix == ".xml":
        return "cvat-images" if "<image " in load_text(path) else "cvat-video"
    if suffix == ".txt":
        return "mots-txt"
    return _of_json(load_json(path)) if suffix == ".json" else None


def _of_json(data: Any) -> str | None:
    if isinstance(data, list):
        first = data[0].get("data", {}) if data and isinstance(data[0], dict) else {}
        return "label-studio-video" if "video" in first else "label-studio" if "image" in first else None
    keys = set(data)
    for wanted, name in _JSON_KEYS:
        if wanted <= keys:
            return name
    return None


_JSON_KEYS: list[tuple[set[str], str]] = [
    ({"masklet"}, "sav-json"),
    ({"dm_format_version"}, "datumaro"),
    ({"shapes"}, "labelme"),
    ({"item", "annotations"}, "darwin"),
    ({"images", "videos"}, "coco-video"),
    ({"images", "annotations"}, "coco"),
    ({"videos", "annotations"}, "youtube-vis"),
]


def _of_folder(path: Path) -> str | None:
    for name, test in _FOLDER_TESTS:
        if test(path):
            return name
    return None


def _has(*patterns: str) -> Callable[[Path], bool]:
    return lambda path: any(next(iter(path.glob(pattern)), None) is not None for pattern in patterns)


_FOLDER_TESTS: list[tuple[str, Callable[[Path], bool]]] = [
    ("masks", _has("run.json")),
    ("voc", _has("SegmentationObject", "SegmentationClass")),
    ("sav", _has("Annotations_6fps")),
    ("youtube-vos", _has("meta.json", "*/meta.json")),
    ("lvos", _has("*/*_meta.json", "*_meta.json")),
    ("davis2016", lambda p: _has("ImageSets/2016")(p) and not _has("ImageSets/2017")(p)),
    ("davis", _has("Annotations/*/*/*.png", "ImageSets/2017")),
    ("mose", _has("Annotations/*/*.png", "*/Annotations/*/*.png")),
    ("mots-png", _has("instances/*.png", "instances/*/*.png")),
    ("mots-txt", _has("*/gt/gt.txt", "gt/gt.txt", "instances_txt/*.txt", "label_02/*.txt")),
    ("yolo", _has("data.yaml", "labels/**/*.txt")),
    ("webdataset", _has("*.tar")),
    ("datumaro", _has("annotations/*.json")),
    ("masks", _has("*.png")),
    ("labelme", lambda p: _has("*.json")(p) and not _has("tasks.json")(p)),
    ("label-studio-video", lambda p: _has("tasks.json")(p) and '"video":' in _head(p / "tasks.json")),
    ("label-studio", _has("tasks.json")),
]
"""The first that holds."""


def _head(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(512).decode("ascii", "replace")
