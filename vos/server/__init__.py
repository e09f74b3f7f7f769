"""The annotation page: a local web server over :mod:`vos.projects` (extra ``app``).

``docs/annotate_api.md`` describes its interface. The event loop only moves bytes; every video has a thread
that decodes, prompts have one, jobs (tracking, export, import) run one at a time in another.

>>> from vos.server import create_app, serve   # doctest: +SKIP
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .app import create_app as create_app
    from .launching import serve as serve
    from .workspace import Workspace as Workspace

_HOME = {"Workspace": ".workspace", "create_app": ".app", "serve": ".launching"}
"""Public name -> the module it comes from."""

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name], __name__), name)
