"""Texts for XML files: those that no XML file can hold are refused."""

from __future__ import annotations

import re

from ..errors import FormatError
from .records import RecordedVideo

_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")
"""Characters that XML cannot hold."""


def check_xml_text(text: str, what: str) -> None:
    """Refuse a text that XML cannot hold.

    Raises:
        FormatError: naming it.
    """
    if _NOT_XML.search(text):
        raise FormatError(f"the {what}, {text!r}, holds characters XML cannot have")


def check_xml_names(video: RecordedVideo) -> None:
    """Refuse names and categories that XML cannot hold.

    Raises:
        FormatError: naming the object.
    """
    for object_id in video.ids:
        for text in (video.name(object_id), video.category(object_id)):
            check_xml_text(text, f"name of object {object_id}")
