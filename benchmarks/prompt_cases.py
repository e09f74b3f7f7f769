"""Images and an object in each, for ``prompts.py``: first frames of videos, and photographs."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from common import data_root
from numpy.typing import NDArray
from sequences import MULTI, sources

from vos.arrays import Bools
from vos.evaluation.label_png import read_label_png
from vos.frame import Frame
from vos.video import open_video

PHOTOGRAPHS = "tiny_coco"
"""A set of photographs with instances, of whose images no shipped weights were trained."""
OBJECTS = 40
"""Objects taken of it, one an image."""
SIZES = (0.005, 0.6)
"""Least and largest share of the image that an object of a photograph covers."""
LONGEST = 480
"""Photographs are made smaller, to this many pixels along the longer side."""
SAVED_QUALITY = 95


@dataclass(frozen=True, eq=False)
class Case:
    """One object of one image."""

    group: str
    name: str
    image: NDArray[np.uint8]
    truth: Bools
    nearby: tuple[NDArray[np.uint8], ...] = ()
    """Later images of the same video, see :class:`vos.frame.Frame`."""

    @property
    def frame(self) -> Frame:
        """The image as a frame of its video, if it is of one."""
        return Frame(0, self.image, nearby=(lambda: self.nearby) if self.nearby else None)

    @cached_property
    def rng(self) -> np.random.Generator:
        """Random numbers that depend on the object's name alone."""
        return np.random.default_rng(zlib.crc32(self.name.encode()))


def davis_cases() -> Iterator[Case]:
    """The object of every first frame of DAVIS 2016/dev and of DAVIS-2016-train."""
    for name, (path, masks) in sources().items():
        if name in MULTI:
            continue
        labels = cv2.imread(str(masks / "00000.png"), cv2.IMREAD_GRAYSCALE)
        with open_video(path) as video:
            frame = next(iter(video))
            assert frame.nearby is not None
            group = "dev" if path.is_dir() else "train"
            yield Case(group, name, frame.image, labels > 0, tuple(frame.nearby()))


def several_cases() -> Iterator[Case]:
    """Every object of the first frames of videos with several: ``schoolgirls``, ``caps``, ``kite-walk``, and
    bicycle and rider of ``bmx-trees``."""
    known, folder = sources(), data_root() / "multi_object"
    videos = {name: known[name] for name in MULTI if name in known}
    videos |= {path.stem: (path, path.with_suffix("")) for path in sorted(folder.glob("*.mp4"))}
    firsts = {path.stem: path for path in sorted((folder / "first_frames").glob("*.png"))}
    firsts |= {name: min(masks.glob("*.png")) for name, (_, masks) in videos.items()}
    videos |= {name: known[name] for name in firsts if name not in videos and name in known}
    for name, (path, _) in videos.items():
        labels = read_label_png(firsts[name])
        with open_video(path) as video:
            frame = next(iter(video))
            assert frame.nearby is not None
            nearby = tuple(frame.nearby())
        for label in np.unique(labels[labels > 0]):
            yield Case("several", f"{name}/{label}", frame.image, labels == label, nearby)


def saved_cases(folder: Path) -> Iterator[Case]:
    """Cases that :func:`save_cases` wrote, ``<group>/<name>.jpg`` and ``.png``."""
    for path in sorted(folder.glob("*/*.jpg")):
        truth = cv2.imread(str(path.with_suffix(".png")), cv2.IMREAD_GRAYSCALE) > 0
        yield Case(path.parent.name, path.stem, read_image(path), truth)


def save_cases(cases: list[Case], folder: Path) -> None:
    """Write images and masks for a machine that has no data; JPEG, so scores differ a little."""
    for case in cases:
        path = folder / case.group / f"{case.name.replace('/', '-')}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        quality = [cv2.IMWRITE_JPEG_QUALITY, SAVED_QUALITY]
        cv2.imwrite(str(path), np.ascontiguousarray(case.image[..., ::-1]), quality)
        cv2.imwrite(str(path.with_suffix(".png")), case.truth.astype(np.uint8) * 255)


def photograph_cases(root: Path, count: int) -> Iterator[Case]:
    """A seeded choice of objects of photographs, one an image."""
    rng, folder = np.random.default_rng(0), root / "train" / PHOTOGRAPHS
    paths = sorted((folder / "images").glob("*.jpg"))
    found = 0
    for index in rng.permutation(len(paths)):
        if found == count:
            return
        path = paths[index]
        maps = sorted((folder / "labels").glob(f"{path.stem}_*.png"))
        if not maps:
            continue
        labels = cv2.imread(str(maps[rng.integers(len(maps))]), cv2.IMREAD_UNCHANGED)
        shares = np.bincount(labels.ravel()) / labels.size
        fitting = [k for k in range(1, len(shares)) if SIZES[0] <= shares[k] <= SIZES[1]]
        if not fitting:
            continue
        label = fitting[rng.integers(len(fitting))]
        image, truth = read_image(path), labels == label
        scale = min(1.0, LONGEST / max(truth.shape))
        if scale < 1 or image.shape[:2] != truth.shape:
            size = round(truth.shape[1] * scale), round(truth.shape[0] * scale)
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            truth = cv2.resize(truth.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        found += 1
        yield Case("photographs", f"{path.stem}/{label}", image, truth)


def read_image(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB."""
    return np.ascontiguousarray(cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1])
