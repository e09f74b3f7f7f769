"""The flags that select objects, of all commands that take prompts, as one argument."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .options import mask_values_option, turn_masks_option

if TYPE_CHECKING:
    from vos.prompting.parsing import FrameSource
    from vos.prompts import Target


@dataclass(frozen=True)
class GivenPrompts:
    """What a user gave to select objects; the fields are those of :func:`vos.load_prompts`."""

    masks: tuple[Path, ...]
    points: tuple[str, ...]
    boxes: tuple[str, ...]
    prompt_files: tuple[Path, ...]
    frame: int | None
    mask_values: str
    turn_masks: bool

    def __bool__(self) -> bool:
        """Whether anything is selected."""
        return bool(self.masks or self.points or self.boxes or self.prompt_files)

    @property
    def reading(self) -> dict[str, Any]:
        """How mask files are read."""
        return {"mask_values": self.mask_values, "turn_masks": self.turn_masks}

    def load(self, video: FrameSource | None = None) -> list[Target]:
        """The targets; see :func:`vos.load_prompts`."""
        from vos.prompting.parsing import load_prompts

        return load_prompts(**{field.name: getattr(self, field.name) for field in fields(self)}, video=video)


def prompt_options(command: Callable[..., Any]) -> Any:
    """Select objects. The command gets ``prompts``, a :class:`GivenPrompts`."""

    @functools.wraps(command)
    def gathered(*arguments: Any, **flags: Any) -> Any:
        given = {field.name: flags.pop(field.name) for field in fields(GivenPrompts)}
        return command(*arguments, prompts=GivenPrompts(**given), **flags)

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
        click.option(
            "--prompts",
            "prompt_files",
            type=click.Path(path_type=Path),
            multiple=True,
            metavar="FILE",
            help="Prompts for any objects in any frames, as JSON.",
        ),
        click.option(
            "--box",
            "boxes",
            multiple=True,
            metavar="ID:x0,y0,x1,y1",
            help="Box around an object, in inclusive pixel indices. Repeatable.",
        ),
        click.option(
            "--point",
            "points",
            multiple=True,
            metavar="ID:x,y[,+|-]",
            help="Click on an object (+, the default) or off it (-). Repeatable.",
        ),
        click.option(
            "-m",
            "--mask",
            "masks",
            type=click.Path(path_type=Path),
            multiple=True,
            metavar="MASK",
            help="Mask: index or 0/255 PNG, .npy, or a folder with one PNG per object.",
        ),
    ):
        wrapped = option(wrapped)
    return wrapped
