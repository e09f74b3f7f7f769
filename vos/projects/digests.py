"""Digests of what is imported and exported, for the record."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from ..runs.fingerprint import fingerprint_file


def digests_of(path: str | os.PathLike[str]) -> dict[str, str]:
    """Name -> SHA-256 of a file, or of the paths and SHA-256 of all files in a folder.

    Raises:
        MediaError: if one cannot be read.
    """
    place = Path(path)
    if not place.is_dir():
        return {place.name: str(fingerprint_file(place)["sha256"])}
    total = hashlib.sha256()
    for file in sorted(file for file in place.rglob("*") if file.is_file()):
        name, digest = file.relative_to(place).as_posix(), fingerprint_file(file)["sha256"]
        total.update(os.fsencode(f"{name}\0{digest}\n"))
    return {place.resolve().name: total.hexdigest()}
