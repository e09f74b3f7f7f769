"""Tiny DAVIS folders, written with Pillow so that the library's own PNG code has no part in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

PALETTE = [0, 0, 0, 128, 0, 0, 0, 128, 0, 128, 128, 0] + [0] * 3 * 252


def write_index(path: Path, labels: np.ndarray) -> None:
    """An 8-bit PNG with a palette."""
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette(PALETTE)
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)


def write_grey(path: Path, labels: np.ndarray) -> None:
    """An 8-bit grey PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(labels.astype(np.uint8)).save(path)


def write_sequence(folder: Path, maps: Sequence[np.ndarray], write=write_index) -> Path:
    """``folder/00000.png``, ``00001.png``, ..."""
    for index, labels in enumerate(maps):
        write(folder / f"{index:05d}.png", labels)
    return folder


def write_davis(
    root: Path,
    sequences: Mapping[str, Sequence[np.ndarray]],
    subset: str = "2017/val",
    annotations: str = "Annotations",
    write=write_index,
) -> Path:
    """A data set with ground truth and one list; no frames, which nobody reads."""
    (root / "ImageSets" / subset).parent.mkdir(parents=True, exist_ok=True)
    (root / "ImageSets" / f"{subset}.txt").write_text("".join(f"{name}\n" for name in sequences))
    for name, maps in sequences.items():
        write_sequence(root / annotations / "480p" / name, maps, write)
    return root


def boxes(*placed: tuple[int, int, int, int, int], shape: tuple[int, int] = (40, 60)) -> np.ndarray:
    """A label map of boxes (id, y0, x0, y1, x1), ends not included."""
    labels = np.zeros(shape, np.uint8)
    for object_id, y0, x0, y1, x1 in placed:
        labels[y0:y1, x0:x1] = object_id
    return labels


def two_boxes(num_frames: int = 6) -> list[np.ndarray]:
    """Object 1 moves to the right, object 2 stands still."""
    return [boxes((1, 5, 3 + 2 * i, 20, 18 + 2 * i), (2, 25, 30, 38, 50)) for i in range(num_frames)]
