"""Make the picture of cut-outs from what ``vos demo`` wrote: one frame in six formats.

vos demo -o out/demo
python docs/demo/cutouts.py out/demo docs/images
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from vos import formats
from vos.formats.registry import FORMATS
from vos.video import open_video

MOMENT = 3
"""Frame that is shown."""
WIDTH, GAP, SQUARE = 480, 6, 12
"""Pixels: of a picture, between pictures, and of the checkerboard's squares."""
SHOWN: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("grey-out", "-f grey-out", {"crf": 4}),
    ("rgba-png", "-f rgba-png --edge refined", {"edge": "refined"}),
    ("matte-png", "-f matte-png", {}),
    ("green", "-f green --background white", {"background": "white", "edge": "refined"}),
    ("blur", "-f blur", {"crf": 4}),
    ("pixelate", "-f pixelate -O hide=objects", {"hide": "objects", "crf": 4}),
)
"""Format, its caption and its options."""


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("results", type=Path, help="folder that vos demo wrote")
    parser.add_argument("out", type=Path, help="folder for cutouts.jpg")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    given = formats.select(
        formats.read(arguments.results / "masks" / "demo", "masks"), start=MOMENT, end=MOMENT + 1
    )
    cells = []
    for name, caption, options in SHOWN:
        with (
            tempfile.TemporaryDirectory() as folder,
            open_video(arguments.results / "input" / "clip.mp4") as video,
        ):
            path = Path(folder, FORMATS[name].default_name)
            formats.write(given, path, name, frames=video, options=options)
            cells.append(captioned(picture_in(path), caption))
    rows = [np.hstack(cells[n : n + 3]) for n in range(0, len(cells), 3)]
    target = arguments.out / "cutouts.jpg"
    Image.fromarray(np.vstack(rows)[GAP:, GAP:]).save(target, quality=88, optimize=True)
    print(f"{target}: {target.stat().st_size / 1e6:.2f} MB")


def picture_in(path: Path) -> Image.Image:
    """The only picture of a video or of a folder of PNGs."""
    if path.is_dir():
        with Image.open(next(path.glob("*.png"))) as image:
            return image.copy()
    with open_video(path) as video:
        return Image.fromarray(next(video.frames()).image)


def captioned(image: Image.Image, caption: str) -> NDArray[np.uint8]:
    """(H, W, 3): the picture over a checkerboard, with a line of text on it."""
    small = image.convert("RGBA")
    small = small.resize((WIDTH, round(WIDTH * image.height / image.width)), Image.Resampling.LANCZOS)
    rows, columns = np.mgrid[: small.height, : small.width] // SQUARE
    board = np.where((rows + columns) % 2, 235, 195).astype(np.uint8)
    canvas = Image.fromarray(board).convert("RGBA")
    canvas.alpha_composite(small)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(16)
    box = draw.textbbox((10, small.height - 12), caption, font=font, anchor="ls")
    draw.rounded_rectangle((box[0] - 5, box[1] - 4, box[2] + 5, box[3] + 4), 4, fill=(20, 20, 20, 255))
    draw.text((10, small.height - 12), caption, font=font, anchor="ls", fill="white")
    return np.pad(np.asarray(canvas.convert("RGB")), ((GAP, 0), (GAP, 0), (0, 0)), constant_values=255)


if __name__ == "__main__":
    main()
