"""What the program says beside results and errors."""

import logging
from functools import cache

NOTICE = (logging.INFO + logging.WARNING) // 2
"""Between INFO and WARNING: the level of messages that say how the user's input was understood. The command
line shows them unless ``--quiet`` is given."""

logger = logging.getLogger(__name__)


def renamed(kind: str, old: str, new: str) -> str:
    """The notice that a name of an earlier version was understood."""
    return f"{kind} {old} is called {new} now; the old name will be removed"


@cache
def warn_renamed(kind: str, old: str, new: str) -> None:
    """Log that notice, once per process however often the name is looked up."""
    logger.warning(renamed(kind, old, new))
