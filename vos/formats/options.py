"""Options of formats, checked before anything is written."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import SettingsError
from ..settings import override
from .records import NoOptions, option_names
from .registry import find_format, writer_class, writers


def check_options(format: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options, checked before anything is written.

    Raises:
        SettingsError: the format has no such option, or it cannot have that value.
    """
    kind = getattr(writer_class(format), "Options", NoOptions)
    names = option_names(kind)
    for key in options:
        if key not in names:
            known = f"its options are {', '.join(names)}" if names else "it has none"
            raise SettingsError(f"format {format} has no option {key!r}; {known}")
    override(kind(), dict(options))
    return dict(options)


def refuse_soft(format: str, options: Mapping[str, Any]) -> None:
    """Masks on disk have no probabilities to make soft edges of.

    Raises:
        SettingsError: for ``edge=soft``.
    """
    if options.get("edge") == "soft":
        raise SettingsError(
            f"format {format}: edge soft needs the tracker's probabilities, which masks on disk do not have: "
            f"ask for it while tracking (vos track --write {format} -O edge=soft), or take edge refined"
        )


def options_by_format(formats: Sequence[str], options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The options of every format; each must be known to one at least."""
    known: dict[str, set[str]] = {}
    for name in formats:
        find_format(name, writers())
        known[name] = set(option_names(getattr(writer_class(name), "Options", NoOptions)))
    for key in options:
        if not any(key in names for names in known.values()):
            options_there = sorted(set().union(*known.values()))
            near = difflib.get_close_matches(key, options_there, n=2)
            hint = f"did you mean {' or '.join(near)}? " if near else ""
            listed = ", ".join(options_there) or "none"
            raise SettingsError(f"{', '.join(formats)}: there is no option {key!r}; {hint}known: {listed}")
    return {
        name: check_options(name, {k: v for k, v in options.items() if k in known[name]}) for name in formats
    }
