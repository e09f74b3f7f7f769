"""Tables of extensions: a name, where its builder is, and all that others ask about it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from importlib import import_module
from typing import Any

from .errors import VosError


def load(reference: str) -> Any:
    """The object ``module:attribute`` (or ``module:attribute.attribute``), imported when it is asked for.

    Tables hold references, so that naming an extension imports nothing.
    """
    module, _, path = reference.partition(":")
    found: Any = import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    return found


def unknown(error: type[VosError], kind: str, name: str, known: Iterable[str]) -> VosError:
    """The error for a name that is not in a table: the nearest names, then all of them."""
    names = list(known)
    near = difflib.get_close_matches(str(name), names, n=2)
    hint = f"did you mean {' or '.join(near)}? " if near else ""
    return error(f"unknown {kind} {name!r}; {hint}choose one of {', '.join(names)}")
