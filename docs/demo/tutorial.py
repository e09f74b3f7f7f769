"""Run every command of docs/tutorial.md in order, and make its pictures from what they write.

    python docs/demo/tutorial.py WORK docs/images

WORK is an empty folder; the commands take about two minutes on one core.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from click.testing import CliRunner
from PIL import Image
from vos_cli.main import cli

PAGE = Path(__file__).resolve().parent.parent / "tutorial.md"
BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', flags=re.MULTILINE | re.DOTALL)
PICTURES = ("grid", "boxes", "clicks", "sheet", "confidence", "frame", "corrected")
"""Pictures that commands of the page write; in docs/images they are tutorial-NAME.jpg."""
WIDTHS = (640, 940)
"""Pixels of a picture: small ones are enlarged to the first, wide ones made smaller to the second."""
QUALITY = 80


@dataclass(frozen=True)
class Step:
    """One thing that a reader of the page does."""

    kind: str
    """``sh``: run ``text`` as a command; ``python``: run it as code; ``json``: save it as ``name``."""
    text: str
    name: str = ""


def steps(page: Path = PAGE) -> Iterator[Step]:
    """All steps of a page in order, one per command."""
    for kind, name, text in BLOCK.findall(page.read_text(encoding="utf-8")):
        if kind == "sh":
            yield from (
                Step(kind, line)
                for line in text.replace("\\\n", " ").splitlines()
                if line.strip() and not line.startswith("#")
            )
        elif kind in ("json", "python"):
            yield Step(kind, text, name)


def perform(step: Step) -> str:
    """Do it in the working directory, and return what it prints.

    Raises:
        RuntimeError: if a command fails.
    """
    if step.kind == "sh":
        program, *arguments = shlex.split(step.text, comments=True)
        if program != "vos":
            raise RuntimeError(f"not a command of vos: {step.text}")
        result = CliRunner().invoke(cli, arguments, catch_exceptions=False)
        if result.exit_code:
            raise RuntimeError(f"{step.text}: exit code {result.exit_code}\n{result.output}")
        return result.output
    if step.kind == "json":
        Path(step.name).write_text(step.text, encoding="utf-8")
        return ""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(step.text, str(PAGE), "exec"), {})
    return printed.getvalue()


def pictures(work: Path) -> Iterator[tuple[str, Image.Image]]:
    """(file name, picture) of what the commands wrote to ``work``."""
    for name in PICTURES:
        with Image.open(work / f"{name}.png") as image:
            yield f"tutorial-{name}.jpg", _sized(image.convert("RGB"))
    yield "tutorial-cut.jpg", _sized(_over_checkerboard(sorted((work / "cut").glob("**/*.png"))))


def jpeg(picture: Image.Image) -> io.BytesIO:
    """The file of a picture, as it is in docs/images."""
    file = io.BytesIO()
    picture.save(file, "JPEG", quality=QUALITY, optimize=True)
    return file


def _sized(image: Image.Image) -> Image.Image:
    width = min(max(image.width, WIDTHS[0]), WIDTHS[1])
    return image.resize((width, round(width * image.height / image.width)), Image.Resampling.LANCZOS)


def _over_checkerboard(paths: Sequence[Path], square: int = 10) -> Image.Image:
    """The first and the last of some transparent pictures, side by side."""
    images = [Image.open(path).convert("RGBA") for path in (paths[0], paths[-1])]
    width, height = sum(image.width for image in images), images[0].height
    rows, columns = np.mgrid[:height, :width] // square
    board = Image.fromarray(np.where((rows + columns) % 2, 235, 195).astype(np.uint8)).convert("RGBA")
    for place, image in zip((0, images[0].width), images, strict=True):
        board.alpha_composite(image, (place, 0))
    return board.convert("RGB")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("work", type=Path, help="empty folder to run the commands in")
    parser.add_argument("out", type=Path, help="folder for tutorial-*.jpg")
    arguments = parser.parse_args()
    arguments.work.mkdir(parents=True, exist_ok=True)
    with contextlib.chdir(arguments.work):
        for step in steps():
            print(f"$ {step.text}\n{perform(step)}")
    for name, picture in pictures(arguments.work):
        path = arguments.out / name
        path.write_bytes(jpeg(picture).getvalue())
        print(f"{path}: {path.stat().st_size / 1e3:.0f} kB")


if __name__ == "__main__":
    main()
