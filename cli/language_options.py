"""What the commands about class names share: the model, the names, the images."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import click

from vos.detectors.attention.registry import LANGUAGE_MODELS, language_models

if TYPE_CHECKING:
    from vos.runs.matcher import MatcherSettings

F = TypeVar("F", bound=Callable[..., Any])
MATCHERS = {name: LANGUAGE_MODELS[name] for name in language_models("matching")}
"""Models that label every pixel; the first is the default."""

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


class Described(Protocol):
    """An entry of a registry."""

    @property
    def help(self) -> str: ...


def detector_option(entries: Mapping[str, Described], what: str) -> Callable[[F], F]:
    """``--detector NAME``, one of a registry's; ``what`` it is. The command gets ``detector``, or None."""
    names = list(entries)
    described = ", ".join(f"{name} ({entries[name].help})" for name in names)
    text = f"{what}: {described}.  [default: {names[0]}]"
    return click.option("--detector", type=click.Choice(names), metavar="NAME", help=text)


def detector_options(entries: Mapping[str, Described]) -> Callable[[F], F]:
    """The detector of class names: its name, one of a registry's, its weights, its tuning.

    The command gets ``detector``, ``detector_weights`` and ``tuned``, or None.
    """

    def decorate(command: F) -> F:
        for option in (
            click.option("--tuned", metavar="FILE", help="Weights of the detector that `vos tune` wrote."),
            click.option(
                "--detector-weights",
                metavar="DIR",
                help="Folder with the detector's weights.  [default: the local Hugging Face cache]",
            ),
            detector_option(entries, "Detector of class names"),
        ):
            command = option(command)
        return command

    return decorate


def matcher_options(command: F) -> F:
    """The image-text matching model. The command gets the fields of ``MatcherSettings``, or None."""
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


def matcher_settings(flags: dict[str, Any]) -> MatcherSettings:
    """The model that the flags of :func:`matcher_options` name."""
    from vos.runs.matcher import MatcherSettings
    from vos.settings import override

    return override(MatcherSettings(), flags)


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
