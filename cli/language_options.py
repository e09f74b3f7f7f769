"""What the commands about class names share: the model, the names, the images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vos.language.blip import BlipMatcher, EncodedPrompts

F = TypeVar("F", bound=Callable[..., Any])


def finder_options(command: F) -> F:
    """Which model. The command gets ``finder``, ``checkpoint``, ``canvas``, ``device`` and ``tuned``."""
    for option in (
        click.option(
            "--tuned",
            type=click.Path(path_type=Path),
            metavar="FILE",
            help="What `vos tune` wrote: its weights, and the layers it is for.",
        ),
        click.option("--device", default="cpu", show_default=True, metavar="NAME", help="cpu, cuda, mps."),
        click.option(
            "--checkpoint",
            type=click.Path(path_type=Path),
            metavar="DIR",
            help="Folder with the weights; without it the local Hugging Face cache is looked through.",
        ),
        click.option(
            "--canvas",
            type=click.IntRange(min=1),
            metavar="N",
            help="Side of the model's square input in pixels.  [default: 512 for blip, 128 for synthetic]",
        ),
        click.option(
            "--finder",
            type=click.Choice(["blip", "synthetic"]),
            default="blip",
            show_default=True,
            help="Model that knows what names look like; synthetic is a toy that comes with the package.",
        ),
    ):
        command = option(command)
    return command


def class_option(command: F) -> F:
    """``--class NAME``, once or more. The command gets ``names``."""
    return click.option(
        "--class", "names", multiple=True, required=True, metavar="NAME", help="A class; give one or more."
    )(command)


def images_argument(command: F) -> F:
    """``IMAGES...``, files or folders. The command gets ``images``."""
    return click.argument("images", nargs=-1, required=True, type=click.Path(path_type=Path))(command)


def build_matcher(
    finder: str, checkpoint: Path | None, canvas: int | None, device: str, tuned: Path | None
) -> BlipMatcher:
    """The model, with tuned weights where asked for.

    Raises:
        ModelError: if its weights are not there.
        SettingsError: for a canvas that the model's patches do not fill.
    """
    from vos.language import build_language_model

    options: dict[str, Any] = {"device": device}
    if checkpoint is not None:
        options["checkpoint"] = checkpoint
    matcher: BlipMatcher = build_language_model(finder, **options)
    if canvas is not None:
        matcher.set_canvas(canvas)
    if tuned is not None:
        from vos.language.tuning import load_tuned

        load_tuned(tuned, matcher)
    return matcher


def encode_names(matcher: BlipMatcher, names: Iterable[str], *, multi_prompt: bool) -> EncodedPrompts:
    """The sentences of the user's class names, with the model's own background words.

    Raises:
        PromptError: for names that are empty, repeated, unknown to a closed model, or too many.
    """
    from vos.language.prompts import build_prompts, vocabulary_for

    vocabulary = vocabulary_for(list(names), matcher.lexicon)
    return matcher.encode_prompts(build_prompts(vocabulary, multi=multi_prompt))


def expand(images: Iterable[Path]) -> list[Path]:
    """The image files named, and those directly in the folders named, in order of name.

    Raises:
        MediaError: for a path that is not there, or a folder without images.
    """
    from vos.errors import MediaError

    suffixes = {".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff"}
    files: list[Path] = []
    for path in images:
        if path.is_dir():
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
