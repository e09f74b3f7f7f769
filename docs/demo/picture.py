"""Make the README's pictures from what ``vos demo`` wrote: a sheet of frames, and a short animation.

vos demo -o out/demo
python docs/demo/picture.py out/demo docs/images
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vos.video import open_video

MOMENTS = (0, 29, 45, 82)
"""Frames of the sheet: the start, the fast turn, a car and the ball gone, the cars passing each other."""
GAP = 6
"""White pixels between the pictures of the sheet."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="folder that vos demo wrote")
    parser.add_argument("out", type=Path, help="folder for demo.jpg and demo.webp")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    plain = read(arguments.results / "input" / "clip.mp4")
    drawn = read(arguments.results / "overlay.mp4")
    if len(plain) != len(drawn):
        parser.error(f"the clip has {len(plain)} frames and the overlay {len(drawn)}: run the whole vos demo")
    Image.fromarray(sheet(plain, drawn)).save(arguments.out / "demo.jpg", quality=88, optimize=True)
    animate(drawn, arguments.out / "demo.webp")
    for name in ("demo.jpg", "demo.webp"):
        print(f"{arguments.out / name}: {(arguments.out / name).stat().st_size / 1e6:.2f} MB")


def read(path: Path) -> list[NDArray[np.uint8]]:
    """All frames of a video, (H, W, 3) uint8 RGB each."""
    with open_video(path) as video:
        return [frame.image for frame in video.frames()]


def sheet(plain: list[NDArray[np.uint8]], drawn: list[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """What went in above what came out, from left to right in time."""
    rows = [np.hstack([_framed(images[k]) for k in MOMENTS]) for images in (plain, drawn)]
    return np.vstack(rows)[GAP:, GAP:]


def _framed(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    small = np.asarray(Image.fromarray(image).resize((480, 270), Image.Resampling.LANCZOS))
    return np.pad(small, ((GAP, 0), (GAP, 0), (0, 0)), constant_values=255)


def animate(frames: list[NDArray[np.uint8]], path: Path, every: int = 2, fps: int = 12) -> None:
    """An animated WebP that starts over and over."""
    images = [
        Image.fromarray(frame).resize((640, 360), Image.Resampling.LANCZOS) for frame in frames[::every]
    ]
    images[0].save(
        path, save_all=True, append_images=images[1:], duration=1000 // fps, loop=0, quality=72, method=6
    )


if __name__ == "__main__":
    main()
