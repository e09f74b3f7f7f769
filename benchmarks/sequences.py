"""Sequences with true masks that benchmarks of corrections and of key frames share.

    python benchmarks/sequences.py --frames 40 --size 240 --output FOLDER

writes them, cut, in a folder that VOS_TEST_DATA can name elsewhere: 40 sequences then take some 50 MB.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from common import data_root
from numpy.typing import NDArray

from vos.evaluation.label_png import read_foreground_png, read_label_png
from vos.video import open_video

MULTI = ("schoolgirls",)
"""Sequences whose masks tell several objects apart."""

Labels = NDArray[np.uint8]


@dataclass
class Sequence:
    """A sequence with its truth, at the size that is worked on."""

    name: str
    folder: Path
    """With the frames as PNG, and nothing else."""
    truth: list[Labels]
    ids: tuple[int, ...]


def sources() -> dict[str, tuple[Path, Path]]:
    """Name -> frames and masks: DAVIS 2016 dev and train, and schoolgirls, as far as they are there."""
    data = data_root()
    found: dict[str, tuple[Path, Path]] = {}
    for path in sorted((data / "DAVIS" / "JPEGImages" / "480p").glob("*")):
        found[path.name] = (path, data / "DAVIS" / "Annotations" / "480p" / path.name)
    for path in sorted((data / "DAVIS-2016-train").glob("*.mp4")):
        found.setdefault(path.stem, (path, path.with_suffix("")))
    for path in sorted((data / "DAVIS-2017-240p" / "JPEGImages" / "480p").glob("*")):
        found[path.name] = (path, data / "DAVIS-2017-240p" / "Annotations" / "480p" / path.name)
    return found


def names_of(text: str) -> list[str]:
    """The names in a comma-separated list; all there are for an empty one."""
    known = sources()
    names = [part for part in text.split(",") if part] or list(known)
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise SystemExit(f"no sequence {', '.join(unknown)} in {data_root()}; there are {', '.join(known)}")
    return names


def read_sequence(name: str, frames: int, size: int, root: Path) -> Sequence:
    """The first ``frames`` of a sequence (0: all) with a shorter side of ``size`` pixels (0: as it is)."""
    images, masks = sources()[name]
    folder = root / "images"
    folder.mkdir(parents=True)
    truth = []
    with open_video(images, end=frames or None, size=size or None) as video:
        for frame, mask in zip(video, sorted(masks.glob("*.png")), strict=False):
            cv2.imwrite(str(folder / f"{frame.index:05d}.png"), frame.image[..., ::-1])
            labels = read_label_png(mask) if name in MULTI else read_foreground_png(mask).astype(np.uint8)
            width, height = frame.size[1], frame.size[0]
            truth.append(cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST))
    ids = tuple(int(k) for k in np.unique(truth[0]) if k)
    return Sequence(name, folder, truth, ids)


def main() -> None:
    """Write the sequences, cut."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sequences", default="", help="names, by commas; default: all")
    parser.add_argument("--frames", type=int, default=40)
    parser.add_argument("--size", type=int, default=240)
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()
    for name in names_of(options.sequences):
        top = options.output / ("DAVIS-2017-240p" if name in MULTI else "DAVIS")
        folders = [top / kind / "480p" / name for kind in ("JPEGImages", "Annotations")]
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as work:
            sequence = read_sequence(name, options.frames, options.size, Path(work))
            for path, labels in zip(sorted(sequence.folder.iterdir()), sequence.truth, strict=True):
                image = cv2.imread(str(path))
                assert image is not None
                cv2.imwrite(str(folders[0] / f"{path.stem}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, 93])
                scale = 1 if name in MULTI else 255
                cv2.imwrite(str(folders[1] / f"{path.stem}.png"), labels * np.uint8(scale))


if __name__ == "__main__":
    main()
