"""Results out, by name."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ..errors import SettingsError

if TYPE_CHECKING:
    from .base import Writer

__all__ = ["WRITERS", "build_writer", "writer_class"]

WRITERS: dict[str, tuple[str, str]] = {
    "masks": (".index_png", "IndexPngWriter"),
    "overlay": (".overlay", "OverlayWriter"),
    "coco": (".coco", "CocoWriter"),
    "run": (".run_record", "RunWriter"),
}
"""Name -> module and class. To add a format, write one file here and add one line."""


def writer_class(name: str) -> type[Writer]:
    """The class of that name; its ``default_name`` is the file or folder it makes.

    Raises:
        SettingsError: for a name that is not in :data:`WRITERS`.
    """
    if name not in WRITERS:
        raise SettingsError(f"unknown output {name!r}; choose of {', '.join(WRITERS)}")
    module, attribute = WRITERS[name]
    found: type[Writer] = getattr(import_module(module, __package__), attribute)
    return found


def build_writer(name: str, path: Any, **options: Any) -> Writer:
    """The writer of that name, for the file or folder ``path``; options as the classes say.

    Raises:
        SettingsError: for a name that is not in :data:`WRITERS`.
        OutputError: if the place cannot be used.
    """
    return writer_class(name)(path, **options)  # type: ignore[call-arg]
