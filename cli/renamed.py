"""Flags of earlier versions, which are still understood."""

from __future__ import annotations

from collections.abc import Sequence

import click

from vos.notices import renamed

RENAMED_FLAGS = {
    "--finder": "--detector",
    "--finder-weights": "--detector-weights",
    "--segmenter": "--backbone",
    "--pictures": "--overlays",
    "--no-pictures": "--no-overlays",
}
"""Old flag -> new flag."""


def with_current_flags(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command with old flags replaced; a line on stderr says each replacement."""
    quiet = not {"-q", "--quiet"}.isdisjoint(arguments)
    current: list[str] = []
    for number, argument in enumerate(arguments):
        if argument == "--":
            return [*current, *arguments[number:]]
        flag, separator, value = argument.partition("=")
        if flag in RENAMED_FLAGS:
            if not quiet:  # the options of the command, its verbosity among them, are parsed after this
                click.echo(f"vos: {renamed('flag', flag, RENAMED_FLAGS[flag])}", err=True)
            flag = RENAMED_FLAGS[flag]
        current.append(flag + separator + value)
    return current
