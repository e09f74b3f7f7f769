"""Photographs whose regions somebody drew, and textures of which there is no end: what clips are made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vos.arrays import Image, Mask
from vos.errors import InputError, MediaError
from vos.scenes.shapes import OUTLINES
from vos.scenes.texture import texture, window

SETS = {"ccp": "person", "coco_by": "instances"}
"""Folder of the training data -> what its labels are. Their terms allow weights that are shipped."""
SHARES = {"ccp": 0.5, "coco_by": 0.5}
"""How often a set is drawn from; its size has no say."""
AREA = (0.01, 0.4)
"""Least and largest part of a photograph that an object covers."""
WHOLE_PERSON = 0.75
"""Share of the draws from a set of people that take the whole person, and not one garment."""
TRIES = 20


@dataclass(frozen=True, eq=False)
class Cutout:
    """A photograph and one thing in it."""

    image: Image
    """(H, W, 3) uint8 RGB."""
    mask: Mask
    """(H, W) bool, not empty."""


@dataclass(frozen=True)
class _Photograph:
    kind: str
    image: Path
    labels: tuple[Path, ...]


class Photographs:
    """Folders ``<set>/images/*.jpg`` and ``<set>/labels/<image>_<k>.png`` (0: unlabelled).

    Raises:
        InputError: if none of the known sets is there.
    """

    def __init__(self, root: str | Path, sets: Sequence[str] = tuple(SETS)) -> None:
        self._sets: dict[str, list[_Photograph]] = {}
        for name in sets:
            labels: dict[str, list[Path]] = {}
            for path in sorted((Path(root) / name / "labels").glob("*.png")):
                labels.setdefault(path.stem.rsplit("_", 1)[0], []).append(path)
            images = sorted((Path(root) / name / "images").glob("*.jpg"))
            found = [_Photograph(SETS[name], p, tuple(labels[p.stem])) for p in images if p.stem in labels]
            if found:
                self._sets[name] = found
        if not self._sets:
            raise InputError(f"{root} holds none of the training sets {', '.join(sets)}; give their folder")

    def __len__(self) -> int:
        return sum(len(found) for found in self._sets.values())

    def cutout(self, rng: np.random.Generator, whole: bool = False) -> Cutout:
        """A random thing of a random photograph; with ``whole`` a person or an instance, no mere garment."""
        names = list(self._sets)
        shares = np.array([SHARES[name] for name in names])
        for _ in range(TRIES):
            found = self._sets[names[int(rng.choice(len(names), p=shares / shares.sum()))]]
            photograph = found[int(rng.integers(len(found)))]
            regions = _read(
                photograph.labels[int(rng.integers(len(photograph.labels)))], cv2.IMREAD_UNCHANGED
            )
            mask = _pick(regions, photograph.kind, rng, 1.0 if whole else WHOLE_PERSON)
            if mask is not None:
                image = cv2.cvtColor(_read(photograph.image, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
                return Cutout(image, mask)
        return drawn(rng)

    def image(self, rng: np.random.Generator) -> Image:
        """A random photograph."""
        every = [photograph for found in self._sets.values() for photograph in found]
        path = every[int(rng.integers(len(every)))].image
        image: Image = cv2.cvtColor(_read(path, cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        return image


def drawn(rng: np.random.Generator, size: tuple[int, int] = (288, 320)) -> Cutout:
    """A textured shape on a texture, both from noise: needs no photographs."""
    scale = rng.uniform(0.15, 0.35) * min(size)
    x, y = (rng.uniform(0.35, 0.65) * side for side in (size[1], size[0]))
    rows, columns = np.mgrid[: size[0], : size[1]].astype(np.float64)
    angle, stretch = rng.uniform(0, 2 * np.pi), rng.uniform(0.6, 1.6)
    u = (np.cos(angle) * (columns - x) + np.sin(angle) * (rows - y)) / (scale * stretch)
    v = (np.cos(angle) * (rows - y) - np.sin(angle) * (columns - x)) / scale
    outline = OUTLINES[str(rng.choice(sorted(OUTLINES)))]
    mask = outline(u, v) < 0
    image = np.where(mask[..., None], _noise(rng, size), _noise(rng, size)).astype(np.uint8)
    return Cutout(image, mask)


def _noise(rng: np.random.Generator, size: tuple[int, int]) -> NDArray[np.float32]:
    """(h, w, 3) of one of a few hundred textures, at a random place."""
    colour = tuple(int(c) for c in rng.integers(40, 216, 3))
    pattern = texture(int(rng.integers(16)), (128, 128, 128), 40.0)
    return np.clip(window(pattern, *rng.uniform(0, 512, 2), size) + np.array(colour) - 128, 0, 255)


def _pick(
    regions: NDArray[np.integer], kind: str, rng: np.random.Generator, whole_person: float
) -> Mask | None:
    """A region of fitting size; None where there is none."""
    if kind == "person" and rng.random() < whole_person:
        regions = (regions > 0).astype(np.uint8)
    ids, areas = np.unique(regions[regions > 0], return_counts=True)
    ids = ids[(areas >= AREA[0] * regions.size) & (areas <= AREA[1] * regions.size)]
    if not len(ids):
        return None
    mask: Mask = regions == rng.choice(ids)
    return mask


def _read(path: Path, flags: int) -> NDArray[np.uint8]:
    pixels = cv2.imread(str(path), flags)
    if pixels is None:
        raise MediaError(f"cannot read {path}; fetch the training data again")
    return pixels
