"""The memory policies by name."""

from __future__ import annotations

from collections.abc import Callable

from .dam_policy import DamPolicy
from .long_policy import LongPolicy
from .policy import Policy, Sam2Policy
from .sam3_policy import Sam3Policy
from .samurai_policy import SamuraiPolicy

POLICIES: dict[str, Callable[[int, int], Policy]] = {
    "sam2": Sam2Policy,
    "samurai": SamuraiPolicy,
    "dam": DamPolicy,
    "sam3": Sam3Policy,
    "long": LongPolicy,
}
"""Name (``--memory`` of ``vos track``) -> policy, of the numbers of memories and of pointers."""
