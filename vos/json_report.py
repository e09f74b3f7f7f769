"""Results that can be written as one JSON document."""

from __future__ import annotations

import json
import os
from abc import ABC, abstractmethod
from typing import Any

from .files import write_text_atomic


class JsonReport(ABC):
    """Base of reports with a document of plain values."""

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """The document."""

    def to_json(self) -> str:
        """:meth:`to_dict` as text."""
        return json.dumps(self.to_dict(), allow_nan=False) + "\n"

    def write_json(self, path: str | os.PathLike[str]) -> None:
        """Write the document, completely or not at all.

        Raises:
            OutputError: the file cannot be written.
        """
        write_text_atomic(path, self.to_json())
