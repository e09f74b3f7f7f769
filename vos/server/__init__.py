"""The annotation page: a local web server over :mod:`vos.projects` (extra ``app``).

``docs/annotate_api.md`` describes its interface. The event loop only moves bytes; every video has a thread
that decodes, prompts have one, and jobs (tracking, export, import) run one at a time in another.

>>> from vos.server import create_app, serve   # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .app import create_app as create_app
    from .launching import serve as serve
    from .workspace import Workspace as Workspace
else:
    __all__, __getattr__, __dir__ = lazy_names(
        __name__, {"Workspace": ".workspace", "create_app": ".app", "serve": ".launching"}
    )
