"""Public names of a package, each imported when it is first used (PEP 562)."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any


def lazy_names(
    package: str, home: Mapping[str, str]
) -> tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]:
    """``__all__``, ``__getattr__`` and ``__dir__`` of a package.

    Type checkers do not see them: import the same names under ``TYPE_CHECKING``, and these in its ``else``.

    Args:
        package: its name, ``__name__``.
        home: public name -> module it comes from, relative to the package. A name that is its module's own
            stands for the module: importing that would replace anything else of this name.
    """

    def get(name: str) -> Any:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = import_module(home[name], package)
        value = module if home[name] == f".{name}" else getattr(module, name)
        setattr(sys.modules[package], name, value)
        return value

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *home})

    return sorted(home), get, names
