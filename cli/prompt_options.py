"""The flags that select objects, of all commands that take prompts, as one argument."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from vos.prompting.registry import TARGET_SOURCES

from .options import mask_values_option, turn_masks_option

if TYPE_CHECKING:
    from vos.prompting.parsing import PromptedVideo
    from vos.prompts import Target


READING = ("frame", "mask_values", "turn_masks")
"""Arguments of :func:`vos.load_prompts` besides the prompts."""


@dataclass(frozen=True)
class GivenPrompts:
    """What a user gave to select objects."""

    values: dict[str, tuple[Any, ...]]
    """By the arguments of :func:`vos.load_prompts`."""
    frame: int | None
    mask_values: str
    turn_masks: bool

    def __bool__(self) -> bool:
        """Whether anything is selected."""
        return any(self.values.values())

    @property
    def files(self) -> tuple[Path, ...]:
        """The files and folders among it."""
        return tuple(value for values in self.values.values() for value in values if isinstance(value, Path))

    @property
    def reading(self) -> dict[str, Any]:
        """How mask files are read."""
        return {"mask_values": self.mask_values, "turn_masks": self.turn_masks}

    def load(self, video: PromptedVideo | None = None) -> list[Target]:
        """The targets; see :func:`vos.load_prompts`."""
        from vos.prompting.parsing import load_prompts

        return load_prompts(**self.values, frame=self.frame, **self.reading, video=video)


def prompt_options(command: Callable[..., Any]) -> Any:
    """Select objects. The command gets ``prompts``, a :class:`GivenPrompts`."""

    @functools.wraps(command)
    def gathered(*arguments: Any, **flags: Any) -> Any:
        values = {source.parameter: flags.pop(source.parameter) for source in TARGET_SOURCES.values()}
        reading = {name: flags.pop(name) for name in READING}
        return command(*arguments, prompts=GivenPrompts(values, **reading), **flags)

    wrapped: Any = gathered
    for option in (
        turn_masks_option,
        mask_values_option,
        click.option(
            "--frame",
            type=click.IntRange(min=0),
            metavar="N",
            help="Frame of -m, --point and --box.  [default: the first that is read]",
        ),
        *(
            click.option(
                *source.flags,
                source.parameter,
                type=click.Path(path_type=Path) if source.is_path else str,
                multiple=True,
                metavar=source.metavar,
                help=source.help,
            )
            for source in reversed(TARGET_SOURCES.values())
        ),
    ):
        wrapped = option(wrapped)
    return wrapped
