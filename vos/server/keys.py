"""The user's own keys for the page."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from ..errors import InputError


def keys_file() -> Path:
    """``keys.json`` in the user's configuration folder."""
    base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "vos" / "keys.json"


def read_keys() -> dict[str, Any]:
    """Action -> keys, as ``{"keys": {"next-frame": ["d"]}}``; empty without a file.

    Raises:
        InputError: if it is not such a file.
    """
    path = keys_file()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {"keys": {}}
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"cannot read {path}: {error}") from error
    found = content.get("keys") if isinstance(content, dict) else None
    if not isinstance(found, dict) or not all(
        isinstance(keys, list) and all(isinstance(key, str) for key in keys) for keys in found.values()
    ):
        raise InputError(f'{path} must hold {{"keys": {{"ACTION": ["KEY", ...]}}}}')
    return {"keys": found}
