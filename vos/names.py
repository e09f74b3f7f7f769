"""Names that become names of files and folders: checked once, where they enter."""

from __future__ import annotations

import os
import re
from collections.abc import Collection

from .errors import InputError

LONGEST = 255
"""Bytes of a file name, as the usual file systems take it."""


def check_name(name: str, what: str, *, reserved: Collection[str] = (), room: int = 0) -> str:
    """``name``, if a file or folder of that name stays inside the folder it is meant for.

    Args:
        name: of a sequence, an object, a video or a frame.
        what: the kind of name, for the message: ``"sequence name"``.
        reserved: names that are taken in the same folder.
        room: bytes that an extension will need.

    Raises:
        InputError: for an empty name, ``.``, ``..``, a separator of any platform, control characters, a
            reserved name, or one that is longer than file systems take.
    """
    reason = None
    if not name or name.isspace():
        reason = "it is empty"
    elif name in (".", ".."):
        reason = "it stands for a folder"
    elif "/" in name or "\\" in name:
        reason = "it has a / or \\ in it, which separates folders"
    elif any(ord(character) < 32 or ord(character) == 127 for character in name):
        reason = "it has a control character in it"
    elif name in reserved:
        reason = "results of the program's own have that name"
    elif (length := _length(name)) is None:
        reason = "it is no text that a file system takes"
    elif length > LONGEST - room:
        raise InputError(
            f"{what} {name[:40]!r}... is not allowed: it is {length} bytes long, at most {LONGEST - room} "
            "can name a result; choose a shorter one"
        )
    if reason is not None:
        text = name if len(name) <= LONGEST else f"{name[:40]}..."
        raise InputError(f"{what} {text!r} is not allowed: {reason}; choose another name")
    return name


def plain_name(name: str) -> str:
    """A name from a file of another program as :func:`check_name` takes it; "" where nothing is left."""
    plain = re.sub(r"[\x00-\x1f\x7f/\\]", "_", name).strip()
    plain = plain.encode(errors="ignore")[:LONGEST].decode(errors="ignore")
    return "" if plain in (".", "..") else plain


def _length(name: str) -> int | None:
    """Bytes of a file of that name; None where it holds half of a surrogate pair."""
    try:
        return len(os.fsencode(name))
    except UnicodeEncodeError:
        return None
