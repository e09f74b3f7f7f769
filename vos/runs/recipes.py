"""Recipes: every setting of a command with its default and what it is for, and the check of a recipe file.

A recipe is a YAML file of settings; what it leaves out has its default.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from ..errors import SettingsError
from ..registry import load, unknown
from ..settings import named_recipe, override
from ..trackers.registry import TRACKERS, split_model, tracker_settings
from .auto import AUTO

COMMANDS = {
    "track": "vos.runs.settings:TrackSettings",
    "batch": "vos.runs.settings:TrackSettings",
    "benchmark": "vos.runs.settings:TrackSettings",
    "persam": "vos.runs.persam_settings:PersamRunSettings",
    "discover": "vos.runs.discover:DiscoverRunSettings",
    "evaluate-semantic": "vos.detectors.attention.protocol:SemanticRecipe",
}
"""Command with recipes -> the class of its settings."""
WIDTH = 110
"""Columns of the printed recipe."""


@dataclass(frozen=True)
class Setting:
    """One setting of a recipe."""

    path: tuple[str, ...]
    """Its key, below those that it is nested in."""
    value: Any
    """None for a group of settings, which follow it."""
    default: Any
    help: str
    """What it is for, and why it has its default, from the source."""
    is_group: bool = False


def read_recipe(command: str, recipe: str | Path | None = None, model: str | None = None) -> list[Setting]:
    """All settings of a command under a recipe, those of its tracker included.

    Args:
        command: a key of :data:`COMMANDS`.
        recipe: a YAML file, or the name of a recipe that comes with the program; None: the defaults.
        model: the tracker whose settings are included, in place of the recipe's.

    Raises:
        SettingsError: an unknown command or recipe, an unknown setting or one of the wrong type.
        ModelError: an unknown model.
    """
    if command not in COMMANDS:
        raise unknown(SettingsError, "command with recipes", command, sorted(COMMANDS))
    default = load(COMMANDS[command])()
    given = {} if recipe is None else recipe_for(command, recipe)
    if model is not None:
        given = {**given, "model": model}
    try:
        chosen = override(default, given)
    except SettingsError as error:
        raise SettingsError(f"in a recipe for vos {command}: {error}") from error
    settings = list(_settings(chosen, default, ()))
    if not hasattr(default, "tracker") or chosen.model == AUTO:  # whose tracker is not known yet
        return settings
    tracker, _ = split_model(chosen.model, chosen.backbone)
    own = tracker_settings(tracker, chosen.tracker)
    variant = {key: value for key, value in chosen.tracker.items() if key == "variant"}
    plain = tracker_settings(tracker, variant)
    place = next(n for n, setting in enumerate(settings) if setting.path == ("tracker",))
    nested = list(_settings(own, plain, ("tracker",)))
    if variants := TRACKERS[tracker].variants:
        help = f"One of {', '.join(variants)}, each with settings of its own."
        value = variant.get("variant", variants[0])
        nested.insert(0, Setting(("tracker", "variant"), value, variants[0], help))
    return [*settings[:place], *_group("tracker", settings[place].help, nested), *settings[place + 1 :]]


def recipe_for(command: str, recipe: str | Path) -> dict[str, Any]:
    """The overrides in a recipe for a command, see :func:`vos.settings.named_recipe`.

    Raises:
        SettingsError: an unknown recipe, or one of another command: more of its settings are of that one.
    """
    given = named_recipe(recipe)
    other = _command_of(given, command)
    if other != command:
        raise SettingsError(f"recipe {recipe} has settings of vos {other}, and not of vos {command}")
    return given


def recipe_command(recipe: str | Path) -> str:
    """The command that a recipe is for, by its settings: the first of :data:`COMMANDS` that has most of them.

    Raises:
        SettingsError: an unknown recipe.
    """
    return _command_of(named_recipe(recipe))


def _command_of(given: Mapping[str, Any], first: str = "track") -> str:
    """The command that has most of these settings; ``first`` where it has as many as any other."""

    def known(command: str) -> int:
        kind = load(COMMANDS[command])
        names = {entry.name for entry in dataclasses.fields(kind)} | set(getattr(kind, "RENAMED", ()))
        return len(names & set(given))

    # Others are loaded only where they may have more: some of them load torch.
    return first if known(first) == len(given) else max((first, *COMMANDS), key=known)


def changed(settings: list[Setting]) -> list[Setting]:
    """The settings that differ from their defaults."""
    return [setting for setting in settings if not setting.is_group and setting.value != setting.default]


def with_groups(chosen: list[Setting], settings: list[Setting]) -> list[Setting]:
    """Some of the ``settings``, with the groups that they are in."""
    groups = {setting.path[:depth] for setting in chosen for depth in range(1, len(setting.path))}
    paths = {setting.path for setting in chosen}
    return [s for s in settings if s.path in (groups if s.is_group else paths)]


def as_yaml(settings: list[Setting]) -> str:
    """The settings as a recipe: valid YAML, each setting below a comment on what it is for."""
    lines: list[str] = []
    for setting in settings:
        indent = "  " * (len(setting.path) - 1)
        for line in textwrap.wrap(setting.help, WIDTH - len(indent) - 2, break_long_words=False):
            lines.append(f"{indent}# {line}")
        if setting.value != setting.default:
            lines.append(f"{indent}# The default is {_plain(setting.default)}.")
        lines.append(
            f"{indent}{setting.path[-1]}:" + ("" if setting.is_group else f" {_plain(setting.value)}")
        )
    return "\n".join(lines) + "\n"


def _group(name: str, help: str, nested: list[Setting]) -> list[Setting]:
    """A group and its settings; an empty mapping where it has none."""
    if not nested:
        return [Setting((name,), {}, {}, help)]
    return [Setting((name,), None, None, help, is_group=True), *nested]


def _settings(chosen: Any, default: Any, above: tuple[str, ...]) -> Iterator[Setting]:
    """The fields of a settings dataclass, nested ones below a group of their own."""
    kind: type = type(chosen)
    helps = field_docs(kind)
    for entry in dataclasses.fields(chosen):
        value, usual = getattr(chosen, entry.name), getattr(default, entry.name)
        path, help = (*above, entry.name), helps.get(entry.name, "")
        if dataclasses.is_dataclass(value):
            yield Setting(path, None, None, help or _summary(type(value)), is_group=True)
            yield from _settings(value, usual, path)
        else:
            yield Setting(path, value, usual, help)


def _summary(kind: type) -> str:
    """The first paragraph of the docstring of a settings dataclass."""
    return _readable(inspect.cleandoc(kind.__doc__ or "").split("\n\n")[0])


@cache
def field_docs(kind: type) -> Mapping[str, str]:
    """Field -> the docstring below it, in the source of a dataclass and those it inherits from."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        if not dataclasses.is_dataclass(base):
            continue
        (body,) = ast.parse(textwrap.dedent(inspect.getsource(base))).body
        assert isinstance(body, ast.ClassDef)
        for node, below in zip(body.body, body.body[1:], strict=False):
            if not (isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)):
                continue
            if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant):
                found[node.target.id] = _readable(str(below.value.value))
    return found


def _readable(text: str) -> str:
    """A docstring without its markup, in the words of YAML."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"\1", " ".join(text.split()))
    return re.sub(r"\bNone\b", "null", text.replace("``", ""))


def _plain(value: Any) -> str:
    """A value as YAML on one line."""
    if isinstance(value, tuple):
        value = list(value)
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000)
    return text.removesuffix("\n").removesuffix("\n...")
