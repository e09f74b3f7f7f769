"""MOSE: ``<split>/Annotations/<sequence>/00000.png``."""

from __future__ import annotations

from pathlib import Path

from .layouts import LayoutWriter, read_layout
from .reading import Annotations, Request


class MoseWriter(LayoutWriter):
    """Index PNGs; nothing else is needed to read them."""


def read_mose(path: Path, request: Request) -> Annotations:
    """Index PNGs; 255 is void and left out."""
    return read_layout(path, request)
