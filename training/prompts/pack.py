"""All training data of the interactive network in a few small files, for a machine that has nothing else.

``python -m training.prompts.pack --data TRAIN --real FOLDER --teacher FILE.tflite --davis ROOT --out FOLDER``
writes ``pictures.npz`` and ``teacher.npz`` as :mod:`training.nano.pack` does, and beside each cut-out how
often it is drawn. A person and what the person rides or holds are cut out together as well: what is meant by
a click is often both. The first frames of the videos in ``ROOT`` go into ``validation``: they are looked at,
never learned from.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from training.nano.pack import SETS, WHOLE, Pack, add_real, add_textures, pack_options, save_teacher
from vos.arrays import Image

SHARES = {"coco_by": 0.56, "ccp": 0.29, "real": 0.1, "drawn": 0.05}
"""How often a cut-out is of a set."""
GARMENT = 0.25
"""Share of the draws from photographs of people that are one garment, and not the person."""
TOGETHER = 1.5
"""A person with what they ride is drawn this many times as often as either."""
COMPANIONS = {
    *("bicycle", "motorcycle", "horse", "elephant", "skateboard", "surfboard", "snowboard", "skis", "boat"),
    *("tennis racket", "baseball bat", "baseball glove", "umbrella", "backpack", "handbag", "suitcase"),
}
REACH = 5
"""Pixels between a person and a thing that belong together, at most."""


class Drawn(Pack):
    """A pack whose cut-outs have weights."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: dict[int, float] = {}
        """Factors of the weights of some cut-outs, by row."""

    def weights(self) -> NDArray[np.float32]:
        """(K,) the chance of every cut-out: of a set by its share, of an image alike, within it by size."""
        rows = np.array(self.cutouts)
        sets = np.array(self.sets)[rows[:, 0]]
        sides = np.sqrt((rows[:, 5] - rows[:, 3] + 1.0) * (rows[:, 6] - rows[:, 4] + 1))
        sides *= [self.groups.get(k, 1.0) for k in range(len(rows))]
        weights = np.zeros(len(rows))
        for name, share in SHARES.items():
            of_set = sets == SETS.index(name)
            for image in np.unique(rows[of_set, 0]):
                here = of_set & (rows[:, 0] == image)
                part = sides * here
                if name == "ccp":
                    whole = here & (rows[:, 2] == WHOLE)
                    garments = here & ~whole
                    part = _spread(sides * whole, 1 - GARMENT) + _spread(sides * garments, GARMENT)
                weights += _spread(part, 1.0)
            weights[of_set] *= share / max(weights[of_set].sum(), 1e-9)
        return weights.astype(np.float32)


def _spread(values: NDArray[np.float64], total: float) -> NDArray[np.float64]:
    return values * (total / values.sum()) if values.sum() > 0 else values


def add_instances(pack: Drawn, data: Path) -> None:
    """Photographs with instances, and people together with what they ride or hold."""
    names = json.loads((data / "coco_by" / "instances.json").read_text())
    for path in sorted((data / "coco_by" / "images").glob("*.jpg")):
        number = pack.add_image(cv2.imread(str(path))[..., ::-1], "coco_by")
        for found in sorted((data / "coco_by" / "labels").glob(f"{path.stem}_*.png")):
            regions = cv2.imread(str(found), cv2.IMREAD_UNCHANGED)
            labels = regions.astype(np.uint8)
            pack.cut_out(number, pack.label_map(labels), labels, False)
            categories = {o["label"]: o["category"] for o in names[path.stem]["objects"]}
            for both in together(labels, categories):
                first = len(pack.cutouts)
                pack.cut_out(number, pack.label_map(both), both, False)
                pack.groups |= {k: TOGETHER for k in range(first, len(pack.cutouts))}


def together(labels: Image, categories: dict[int, str]) -> Iterator[Image]:
    """(H, W) uint8 masks, 0 or 1, of people joined with all companions that they touch."""
    kernel = np.ones((2 * REACH + 1, 2 * REACH + 1), np.uint8)
    for person in (k for k, name in categories.items() if name == "person"):
        mask = (labels == person).astype(np.uint8)
        near = cv2.dilate(mask, kernel) > 0
        joined = mask > 0
        for thing, name in categories.items():
            if name in COMPANIONS and (near & (labels == thing)).any():
                joined |= labels == thing
        if joined.sum() > mask.sum():
            yield joined.astype(np.uint8)


def add_people(pack: Drawn, data: Path) -> None:
    """Photographs of people: the person, and garments."""
    for path in sorted((data / "ccp" / "images").glob("*.jpg")):
        number = pack.add_image(cv2.imread(str(path))[..., ::-1], "ccp")
        for found in sorted((data / "ccp" / "labels").glob(f"{path.stem}_*.png")):
            labels = cv2.imread(str(found), cv2.IMREAD_UNCHANGED).astype(np.uint8)
            pack.cut_out(number, pack.label_map(labels), labels, True)


def add_tracks(pack: Drawn, folder: Path) -> None:
    """Frames of real clips; every mask of a track is a cut-out."""
    first = len(pack.cutouts)
    add_real(pack, folder)
    known = {tuple(row[:2]) for row in pack.cutouts[first:]}
    for shown, maps in pack.tracks:
        for number, label_map in zip(shown, maps, strict=True):
            if (number, label_map) not in known:
                labels = cv2.imdecode(pack.labels.parts[label_map], cv2.IMREAD_UNCHANGED)
                pack.cut_out(number, label_map, labels, False)


def add_first_frames(root: Path, out: Path) -> int:
    """First frames of videos and their masks as ``<name>.jpg`` and ``<name>.png``."""
    out.mkdir(parents=True, exist_ok=True)
    videos = sorted(root.glob("*.mp4"))
    for video in videos:
        found, frame = cv2.VideoCapture(str(video)).read()
        mask = cv2.imread(str(root / video.stem / "00000.png"), cv2.IMREAD_GRAYSCALE)
        if not found or mask is None:
            raise SystemExit(f"cannot read the first frame and mask of {video}")
        cv2.imwrite(str(out / f"{video.stem}.jpg"), frame, [cv2.IMWRITE_JPEG_QUALITY, 95])
        cv2.imwrite(str(out / f"{video.stem}.png"), (mask > 0).astype(np.uint8) * 255)
    return len(videos)


def main() -> None:
    """Pack from the command line."""
    options = pack_options(__doc__, ".pack-prompts")
    pack = Drawn()
    add_instances(pack, options.data)
    add_people(pack, options.data)
    add_textures(pack, 100)
    add_tracks(pack, options.real)
    pack.save(options.out / "pictures.npz")
    np.save(options.out / "weights.npy", pack.weights())
    save_teacher(options)
    videos = add_first_frames(options.davis, options.out / "validation")
    print(
        f"{len(pack.sets)} images, {len(pack.cutouts)} cut-outs, {len(pack.groups)} of them of "
        f"people and things together, {len(pack.tracks)} tracks, {videos} first frames; "
        + ", ".join(f"{p.name} {p.stat().st_size / 2**20:.1f} MiB" for p in sorted(options.out.glob("*.np?")))
    )


if __name__ == "__main__":
    main()
