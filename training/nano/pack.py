"""All training data in a few small files, for a machine that has nothing else.

``python -m training.nano.pack --data TRAIN --real FOLDER --teacher FILE.tflite --davis ROOT --out .pack``
writes ``pictures.npz`` (photographs, frames of real clips, textures; label maps; tracks) and ``teacher.npz``,
and copies the videos and masks of ``ROOT`` into ``validation``: looked at, never learned from.
"""

from __future__ import annotations

import argparse
import shutil
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from vos.arrays import Image
from vos.ops.boxes import tight_box

from .photographs import drawn
from .teacher import pack_teacher

CANVAS = 416
"""Longest side of a packed image."""
SETS = ("ccp", "coco_by", "drawn", "real")
LEAST_AREA = 0.004
"""Smaller regions are no cut-outs."""
MOST_AREA = 0.6
WHOLE = 0
"""In the table of cut-outs: all labels of the map together."""
WEBP_QUALITY = 60
UNTRACKED_STEP = 4
"""Of the frames in which nothing is followed, one in this many is kept."""


class Blobs:
    """Encoded files, one after the other."""

    def __init__(self) -> None:
        self.parts: list[Image] = []

    def add(self, image: Image, extension: str) -> int:
        """Number of an image that is encoded and kept."""
        quality = [cv2.IMWRITE_WEBP_QUALITY, WEBP_QUALITY] if extension == ".webp" else []
        self.parts.append(cv2.imencode(extension, image, quality)[1].ravel())
        return len(self.parts) - 1

    def arrays(self, name: str) -> dict[str, NDArray]:
        """The bytes, and where each file ends."""
        ends = np.cumsum([len(part) for part in self.parts])
        return {name: np.concatenate(self.parts), f"{name}_ends": ends}


def unpacked(arrays: dict[str, NDArray], name: str) -> list[Image]:
    """The encoded files that :class:`Blobs` kept."""
    starts = np.concatenate([[0], arrays[f"{name}_ends"][:-1]])
    return [arrays[name][a:b] for a, b in zip(starts, arrays[f"{name}_ends"], strict=True)]


class Pack:
    """Images, label maps, cut-outs and tracks."""

    def __init__(self) -> None:
        self.images, self.labels = Blobs(), Blobs()
        self.sets: list[int] = []
        self.cutouts: list[tuple[int, ...]] = []
        self.tracks: list[tuple[list[int], list[int]]] = []

    def add_image(self, image: Image, kind: str) -> int:
        """Number of an RGB image."""
        self.sets.append(SETS.index(kind))
        return self.images.add(smaller(image, cv2.INTER_AREA)[..., ::-1], ".webp")

    def label_map(self, labels: Image) -> int:
        """Number of a label map."""
        return self.labels.add(smaller(labels, cv2.INTER_NEAREST), ".png")

    def cut_out(self, image: int, number: int, labels: Image, people: bool) -> None:
        """Note every region of fitting size; of people the whole as well."""
        labels = smaller(labels, cv2.INTER_NEAREST)
        for value in ([WHOLE] if people else []) + [v for v in np.unique(labels) if 0 < v < 255]:
            mask = labels > 0 if value == WHOLE else labels == value
            box = tight_box(mask)
            if box is not None and LEAST_AREA * mask.size <= mask.sum() <= MOST_AREA * mask.size:
                self.cutouts.append((image, number, int(value), *box))

    def save(self, path: Path) -> None:
        """Write all of it."""
        longest = max((len(frames) for frames, _ in self.tracks), default=1)
        tracks = np.full((len(self.tracks), 2, longest), -1, np.int32)
        for row, track in zip(tracks, self.tracks, strict=True):
            for part, numbers in zip(row, track, strict=True):
                part[: len(numbers)] = numbers
        np.savez(
            path,
            sets=np.array(self.sets, np.int8),
            cutouts=np.array(self.cutouts, np.int32),
            tracks=tracks,
            **self.images.arrays("pictures"),
            **self.labels.arrays("labels"),
        )


def smaller(image: Image, way: int) -> Image:
    """An image whose longest side is at most ``CANVAS``."""
    scale = CANVAS / max(image.shape[:2])
    if scale >= 1:
        return image
    size = round(image.shape[1] * scale), round(image.shape[0] * scale)
    return np.asarray(cv2.resize(image, size, interpolation=way), np.uint8)


def add_photographs(pack: Pack, data: Path, kind: str) -> None:
    """The photographs of one set and their label maps."""
    for path in sorted((data / kind / "images").glob("*.jpg")):
        image = cv2.imread(str(path))[..., ::-1]
        number = pack.add_image(image, kind)
        for labels in sorted((data / kind / "labels").glob(f"{path.stem}_*.png")):
            regions = cv2.imread(str(labels), cv2.IMREAD_UNCHANGED)
            values = np.unique(regions)
            regions = np.searchsorted(values, regions).astype(np.uint8)  # 16 bit, but few
            pack.cut_out(number, pack.label_map(regions), regions, kind == "ccp")


def add_textures(pack: Pack, count: int) -> None:
    """Textured shapes on textures."""
    rng = np.random.default_rng(0)
    for _ in range(count):
        cutout = drawn(rng)
        labels = cutout.mask.astype(np.uint8)
        number = pack.add_image(cutout.image, "drawn")
        pack.cut_out(number, pack.label_map(labels), labels, False)


def add_real(pack: Pack, folder: Path) -> None:
    """Frames of real clips and the tracks in them; the first frame's mask of a track is a cut-out, too."""
    for path in sorted(folder.glob("*.npz")):
        with np.load(path) as file:
            arrays = dict(file)
        frames = sum(name.startswith("frame") for name in arrays)
        tracks = sum(name.startswith("times") for name in arrays)
        tracked = {int(t) for k in range(tracks) for t in arrays[f"times{k}"]}
        numbers = {
            t: pack.add_image(cv2.imdecode(arrays[f"frame{t}"], cv2.IMREAD_COLOR)[..., ::-1], "real")
            for t in range(frames)
            if t in tracked or t % UNTRACKED_STEP == 0
        }
        for k in range(tracks):
            shown = [numbers[int(t)] for t in arrays[f"times{k}"]]
            maps = [pack.label_map(labels) for labels in arrays[f"labels{k}"]]
            pack.tracks.append((shown, maps))
            pack.cut_out(shown[0], maps[0], arrays[f"labels{k}"][0], False)


def pack_options(description: str | None, out: str) -> argparse.Namespace:
    """Sources and target of a pack, from the command line; the folder ``out`` (the default) is made."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--data", type=Path, required=True, help="folder with the training sets")
    parser.add_argument("--real", type=Path, required=True, help="what training.nano.real_clips wrote")
    parser.add_argument("--teacher", type=Path, required=True, help="a .tflite file of MobileNetV2")
    parser.add_argument("--davis", type=Path, required=True, help="videos and masks to validate on")
    parser.add_argument("--out", type=Path, default=Path(out))
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


def save_teacher(options: argparse.Namespace) -> None:
    """Write the teacher's weights in half precision."""
    teacher = {name: values.astype(np.float16) for name, values in pack_teacher(options.teacher).items()}
    np.savez(options.out / "teacher.npz", **teacher)


def main() -> None:
    """Pack from the command line."""
    options = pack_options(__doc__, ".pack")
    pack = Pack()
    for kind in ("coco_by", "ccp"):
        add_photographs(pack, options.data, kind)
    add_textures(pack, 150)
    add_real(pack, options.real)
    pack.save(options.out / "pictures.npz")
    save_teacher(options)
    shutil.copytree(options.davis, options.out / "validation", dirs_exist_ok=True)
    print(
        f"{len(pack.sets)} images, {len(pack.cutouts)} cut-outs, {len(pack.tracks)} tracks; "
        + ", ".join(f"{p.name} {p.stat().st_size / 2**20:.1f} MiB" for p in sorted(options.out.glob("*.npz")))
    )


if __name__ == "__main__":
    main()
