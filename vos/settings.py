"""Settings: typed defaults in code, overridden by a recipe file, overridden by flags.

Every part of the library that has settings keeps them in a frozen dataclass beside the code they steer;
this module merges overrides into such a dataclass and refuses unknown keys.
"""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
import types
import typing
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from .documents import read_yaml, shown
from .errors import SettingsError
from .notices import warn_renamed

T = TypeVar("T")

_EXPONENT = re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+")
"""``1e-3``, which is a number to everybody but YAML 1.1: that wants ``1.0e-3``."""


def load_recipe(path: str | Path) -> dict[str, Any]:
    """The overrides in a YAML recipe.

    Raises:
        SettingsError: if the file is missing, is not YAML, or does not hold a mapping.
    """
    path = Path(path)
    try:
        content = read_yaml(path)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise SettingsError(f"cannot read recipe {path}: {reason}") from error
    if content is None:
        return {}
    if not isinstance(content, dict):
        raise SettingsError(f"recipe {path} must hold a mapping of settings, got {type(content).__name__}")
    return content


def named_recipe(recipe: str | Path) -> dict[str, Any]:
    """The overrides in a recipe: a YAML file, or the name of a recipe that comes with the program.

    Raises:
        SettingsError: naming the recipes there are.
    """
    if Path(recipe).suffix in (".yaml", ".yml") or Path(recipe).exists():
        return load_recipe(recipe)
    names = recipe_names()
    if recipe not in names:
        raise SettingsError(
            f"no recipe {str(recipe)!r}; give a .yaml file, or one of: "
            f"{', '.join(names) or 'none are installed'}"
        )
    with resources.as_file(resources.files("vos_configs") / f"{recipe}.yaml") as path:
        return load_recipe(path)


def recipe_names() -> list[str]:
    """Names of the recipes that come with the program."""
    files = resources.files("vos_configs").iterdir()
    return sorted(Path(file.name).stem for file in files if file.name.endswith(".yaml"))


def override(defaults: T, *layers: Mapping[str, Any]) -> T:
    """``defaults`` (a frozen dataclass) with the layers laid over it, the last one on top.

    Nested dataclasses are overridden by nested mappings; a value of None in a layer means "not given".
    A class variable ``RENAMED`` of a dataclass maps keys of earlier versions, which are still understood, to
    their present names.

    Raises:
        SettingsError: for an unknown key (with the nearest known ones) or a value of the wrong type.
    """
    return _override(defaults, layers, "")


def _override(defaults: T, layers: tuple[Mapping[str, Any], ...], where: str) -> T:
    fields = {field.name: field for field in dataclasses.fields(defaults)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(type(defaults))
    renamed: Mapping[str, str] = getattr(defaults, "RENAMED", {})
    changes: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            name = f"{where}{key}"
            if key in renamed:
                warn_renamed("setting", name, f"{where}{renamed[key]}")
                key, name = renamed[key], f"{where}{renamed[key]}"
            if key not in fields:
                near = difflib.get_close_matches(str(key), fields, n=3)
                hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(sorted(fields))}"
                raise SettingsError(f"unknown setting {shown(name)}; {hint}")
            if value is None:
                continue
            current = changes.get(key, getattr(defaults, key))
            if dataclasses.is_dataclass(current):
                if not isinstance(value, Mapping):
                    raise SettingsError(f"setting {name!r} must be a mapping, got {shown(value)}")
                changes[key] = _override(current, (value,), f"{name}.")
            else:
                changes[key] = _convert(value, hints[key], name)
    try:
        changed = dataclasses.replace(defaults, **changes)  # type: ignore[type-var]
    except ValueError as error:  # a dataclass that checks itself
        raise SettingsError(str(error)) from error
    for key, value in changes.items():  # after its own checks, which know the range
        for number in value if isinstance(value, tuple) else (value,):
            if isinstance(number, float) and not math.isfinite(number):
                raise SettingsError(f"setting {f'{where}{key}'!r} must be a finite number, got {number}")
    return changed


def _convert(value: Any, hint: Any, name: str) -> Any:
    """``value`` as ``hint``, or SettingsError. YAML has no tuples, and writes 1 where 1.0 is meant."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        for argument in arguments:
            try:
                return _convert(value, argument, name)
            except SettingsError:
                continue
    elif origin is typing.Literal:
        if value in arguments:
            return value
    elif origin is tuple:
        if isinstance(value, (list, tuple)):
            if len(arguments) == 2 and arguments[1] is Ellipsis:
                return tuple(_convert(item, arguments[0], name) for item in value)
            if len(arguments) == len(value):
                return tuple(_convert(v, a, name) for v, a in zip(value, arguments, strict=True))
    elif hint is float:
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if is_number or (isinstance(value, str) and _EXPONENT.fullmatch(value)):
            return float(value)
    elif hint is Any or (isinstance(hint, type) and type(value) is hint):
        return value
    wanted = (
        " or ".join(map(repr, arguments))
        if origin is typing.Literal
        else "a list"
        if origin is tuple
        else getattr(hint, "__name__", str(hint))
    )
    raise SettingsError(f"setting {name!r} must be {wanted}, got {shown(value)}")
