"""Write ``docs/cli.md``, the command reference, from the commands' own help. Run by ``make docs``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click
from vos_cli.main import cli

TARGET = Path(__file__).with_name("cli.md")
WIDTH = 100
HEAD = """\
# Commands

This page is made from `--help` by `docs/generate_cli.py`; `make docs` regenerates it.
What the commands leave behind is in [outputs.md](outputs.md).
Coordinates, ids and exit codes are in [conventions.md](conventions.md).
"""


def pages(
    command: click.Command, name: str, parent: click.Context | None = None
) -> Iterator[tuple[str, str]]:
    """Full name and help text of a command and all below it."""
    context = click.Context(
        command,
        info_name=name,
        parent=parent,
        terminal_width=WIDTH,
        max_content_width=WIDTH,
        **command.context_settings,
    )
    yield context.command_path, command.get_help(context)
    if isinstance(command, click.Group):
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            yield from pages(found, child, context)


def render() -> str:
    """The whole page."""
    sections = [f"## {name}\n\n```text\n{text.strip()}\n```\n" for name, text in pages(cli, "vos")]
    return "\n".join([HEAD, *sections])


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
    print(f"wrote {TARGET}")
