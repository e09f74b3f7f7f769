"""What the commands about class names share: what knows the names, the names, the images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vos.detectors.attention.blip import BlipMatcher, EncodedPrompts

F = TypeVar("F", bound=Callable[..., Any])
MATCHERS = ("blip", "synthetic")
"""Detectors that label every pixel; the first is the default."""

batch_size_option = click.option(
    "--batch-size",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    metavar="N",
    help="Images per forward pass.",
)


def class_option(*, required: bool, text: str) -> Callable[[F], F]:
    """``--class NAME``, once or more; ``text``: what a class is for. The command gets ``names``."""
    return click.option("--class", "names", multiple=True, required=required, metavar="NAME", help=text)


def detector_options(detectors: Iterable[str]) -> Callable[[F], F]:
    """What knows the names: one of ``detectors``, its weights, its tuning.

    The command gets ``detector``, ``detector_weights`` and ``tuned``, or None.
    """
    choices = list(detectors)

    def decorate(command: F) -> F:
        for option in (
            click.option("--tuned", metavar="FILE", help="Weights of the detector that `vos tune` wrote."),
            click.option(
                "--detector-weights",
                metavar="DIR",
                help="Folder with the detector's weights.  [default: the local Hugging Face cache]",
            ),
            click.option(
                "--detector",
                type=click.Choice(choices),
                help=f"Detector of class names; synthetic is a bundled toy model.  [default: {choices[0]}]",
            ),
        ):
            command = option(command)
        return command

    return decorate


def matcher_options(command: F) -> F:
    """Which image-text matching model. The command gets the arguments of :func:`build_matcher`."""
    for option in (
        click.option("--device", default="cpu", show_default=True, metavar="NAME", help="cpu, cuda, mps."),
        click.option(
            "--canvas",
            type=click.IntRange(min=1),
            metavar="N",
            help="Side of the model's square input in pixels.  [default: 512 for blip, 128 for synthetic]",
        ),
        detector_options(MATCHERS),
    ):
        command = option(command)
    return command


def images_argument(command: F) -> F:
    """``IMAGES...``, files or folders. The command gets ``images``."""
    return click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))(command)


def build_matcher(
    detector: str | None, detector_weights: str | None, tuned: str | None, canvas: int | None, device: str
) -> BlipMatcher:
    """The model, with tuned weights where asked for.

    Raises:
        ModelError: if its weights are not there.
        SettingsError: for a canvas that the model's patches do not fill.
    """
    from vos.detectors.attention.detector import load_matcher

    matcher = load_matcher(detector or MATCHERS[0], weights=detector_weights, tuned=tuned, device=device)
    if canvas is not None:
        matcher.set_canvas(canvas)
    return matcher


def encode_names(matcher: BlipMatcher, names: Iterable[str], *, multi_prompt: bool) -> EncodedPrompts:
    """The sentences of the user's class names, with the model's own background words.

    Raises:
        PromptError: for names that are empty, repeated, unknown to a closed model, or too many.
    """
    from vos.detectors.attention.text_prompts import build_prompts, vocabulary_for

    vocabulary = vocabulary_for(list(names), matcher.lexicon)
    return matcher.encode_prompts(build_prompts(vocabulary, multi=multi_prompt))


def expand(images: Iterable[Path]) -> list[Path]:
    """The image files named, and those directly in the folders named, in order of name.

    Raises:
        MediaError: for a path that is not there, or a folder without images.
    """
    from vos.errors import MediaError
    from vos.video.source import IMAGE_KINDS, warn_of_lost_images

    suffixes = set(IMAGE_KINDS)
    files: list[Path] = []
    for path in images:
        if path.is_dir():
            warn_of_lost_images(list(path.iterdir()), str(path))
            inside = sorted(entry for entry in path.iterdir() if entry.suffix.lower() in suffixes)
            if not inside:
                raise MediaError(f"no image in {path}; images end in {', '.join(sorted(suffixes))}")
            files += inside
        elif path.is_file():
            files.append(path)
        else:
            raise MediaError(f"no image at {path}")
    return files


def read_images(files: Iterable[Path]) -> Iterator[NDArray[np.uint8]]:
    """(H, W, 3) uint8 RGB of each file, read when its turn comes."""
    from vos.video.images import read_image

    return (read_image(path) for path in files)


def parse_layers(text: str | None) -> tuple[int, ...] | None:
    """Layer numbers of "0,3"; None for no choice.

    Raises:
        SettingsError: for anything else.
    """
    from vos.errors import SettingsError

    if text is None:
        return None
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError as error:
        raise SettingsError(f"--layers must be numbers such as 0,3, or auto; got {text!r}") from error
