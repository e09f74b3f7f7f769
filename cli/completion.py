"""Shell completion of names that registries hold. What is read for it is fast: no network, no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click
from click.shell_completion import CompletionItem

Names = Callable[[], Mapping[str, str]]
"""Name -> one line for people, which zsh and fish show beside it; empty where there is none."""
Complete = Callable[[click.Context, click.Parameter, str], list[CompletionItem]]


def complete(names: Names, *, or_file: bool = False) -> Complete:
    """The ``shell_complete`` of a parameter that takes one of ``names``, or with ``or_file`` a file."""

    def matching(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
        found = [
            CompletionItem(name, help=help or None)
            for name, help in names().items()
            if name.startswith(incomplete)
        ]
        # First, for bash drops what comes before it: it then completes files where no name matches.
        return [CompletionItem(incomplete, type="file"), *found] if or_file else found

    return matching


def trackers() -> dict[str, str]:
    """What ``--tracker`` and ``--model`` take."""
    from vos.backbones.registry import BACKBONES
    from vos.trackers.registry import MODELS, TRACKERS

    helps = {name: f"PerSAM over {entry.help}" for name, entry in BACKBONES.items()}
    helps |= {name: entry.help for name, entry in TRACKERS.items()}
    return {"auto": "the best that is installed and fast enough"} | {name: helps[name] for name in MODELS}


def backbones() -> dict[str, str]:
    """What ``--backbone`` takes."""
    from vos.backbones.registry import BACKBONES

    return {name: entry.help for name, entry in BACKBONES.items()}


def features() -> dict[str, str]:
    """What ``--features`` takes."""
    from vos.backbones.features import FEATURES, OWN

    return {OWN: "the backbone's own", **{name: entry.help for name, entry in FEATURES.items()}}


def written_formats() -> dict[str, str]:
    """What ``--format``, ``--write`` and ``--to`` take."""
    from vos.formats.registry import FORMATS, writers

    return {name: FORMATS[name].title for name in writers()}


def read_formats() -> dict[str, str]:
    """What ``--from`` takes."""
    from vos.formats.registry import FORMATS, readers

    return {name: FORMATS[name].title for name in readers()}


def recipes() -> dict[str, str]:
    """Recipes that come with the program."""
    from vos.settings import recipe_names

    return dict.fromkeys(recipe_names(), "")


def commands_with_recipes() -> dict[str, str]:
    """What ``vos config`` takes for a command."""
    from vos.runs.recipes import COMMANDS

    from .main import COMMANDS as HELPS

    return {name: HELPS[name] for name in COMMANDS}


def downloads() -> dict[str, str]:
    """Models whose weights can be downloaded."""
    from vos.backbones.weights.catalog import WEIGHTS

    return {name: f"{weights.size / 1e6:.1f} MB" for name, weights in WEIGHTS.items()}
