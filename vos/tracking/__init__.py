"""Video engines, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import ModelError
from ..settings import override

if TYPE_CHECKING:
    from .base import Tracker

__all__ = ["TRACKERS", "build_tracker"]


def _lazy(module: str, factory: str, settings_class: str, **fixed: Any) -> Callable[..., Tracker]:
    """A builder that imports its module when it is called: naming an engine costs nothing.

    What the builder gets as ``settings``, a mapping, is laid over the defaults of the settings class.
    """

    def build(*, settings: Mapping[str, Any] | None = None, **options: Any) -> Tracker:
        home = import_module(module, __package__)
        resolved = override(getattr(home, settings_class)(), settings or {})
        tracker: Tracker = getattr(home, factory)(settings=resolved, **fixed, **options)
        return tracker

    return build


TRACKERS: dict[str, Callable[..., Tracker]] = {
    "builtin": _lazy(".builtin", "BuiltinTracker", "BuiltinSettings"),
}
"""Name (``--model`` of ``vos track``) -> builder. To add an engine, write one file here and add one line."""


def build_tracker(name: str, **options: Any) -> Tracker:
    """The video engine of that name.

    Args:
        name: a key of :data:`TRACKERS`.
        options: ``settings``, a mapping laid over the engine's own settings; ``device`` and ``dtype`` of its
            network; and what else the engine's constructor takes.

    Raises:
        ModelError: for a name that is not in :data:`TRACKERS`, or weights that are missing or unusable.
        SettingsError: for an unknown engine setting, or one of the wrong type.
    """
    if name not in TRACKERS:
        raise ModelError(f"unknown model {name!r}; choose one of {', '.join(sorted(TRACKERS))}")
    return TRACKERS[name](**options)
