"""Video engines, by name."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import ModelError

if TYPE_CHECKING:
    from .base import Tracker

__all__ = ["TRACKERS", "build_tracker"]


def _lazy(module: str, factory: str, **fixed: Any) -> Callable[..., Tracker]:
    """A builder that imports its module when it is called: naming an engine costs nothing."""

    def build(**options: Any) -> Tracker:
        tracker: Tracker = getattr(import_module(module, __package__), factory)(**fixed, **options)
        return tracker

    return build


TRACKERS: dict[str, Callable[..., Tracker]] = {
    "builtin": _lazy(".builtin", "BuiltinTracker"),
}
"""Name (the ``--model`` of ``vos track``) -> builder. To add an engine, write one file here and add one line."""


def build_tracker(name: str, **options: Any) -> Tracker:
    """The video engine of that name.

    Raises:
        ModelError: for a name that is not in :data:`TRACKERS`.
    """
    if name not in TRACKERS:
        raise ModelError(f"unknown model {name!r}; choose one of {', '.join(sorted(TRACKERS))}")
    return TRACKERS[name](**options)
