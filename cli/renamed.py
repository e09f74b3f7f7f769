"""Flags of earlier versions, which are still understood."""

from __future__ import annotations

import logging
from collections.abc import Sequence

RENAMED_FLAGS = {
    "--finder": "--detector",
    "--finder-weights": "--detector-weights",
    "--segmenter": "--backbone",
}
"""Old flag -> new flag."""

logger = logging.getLogger(__name__)


def with_current_flags(arguments: Sequence[str]) -> list[str]:
    """The arguments of a command with old flags replaced; each replacement is logged as a warning."""
    current: list[str] = []
    for number, argument in enumerate(arguments):
        if argument == "--":
            return [*current, *arguments[number:]]
        flag, separator, value = argument.partition("=")
        if flag in RENAMED_FLAGS:
            logger.warning(
                "flag %s is called %s now; the old name will be removed", flag, RENAMED_FLAGS[flag]
            )
            flag = RENAMED_FLAGS[flag]
        current.append(flag + separator + value)
    return current
