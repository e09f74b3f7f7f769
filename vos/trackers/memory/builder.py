"""From a name and settings to a tracker with a memory of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...settings import override
from .held_back import HeldBackTracker
from .loading import load_network
from .tracker import MemorySettings, MemoryTracker


def build(
    *, name: str, settings: Mapping[str, Any], device: str, dtype: str, checkpoint: str | Path | None
) -> MemoryTracker:
    """The tracker ``name`` with ``settings`` laid over its own, from ``checkpoint`` or the weights cache.

    Raises:
        ModelError: see :func:`vos.trackers.memory.loading.load_network`.
        SettingsError: for an unknown setting, one of the wrong type, or one that does not fit the network.
    """
    own = override(MemorySettings(), settings)
    network = load_network(
        name,
        checkpoint,
        device=device,
        dtype=dtype,
        memory_dtype=own.memory_dtype,
        image_size=own.model_size,
    )
    if own.compile:
        network.compile()
    kind = HeldBackTracker if own.hold_back else MemoryTracker
    return kind(network, own)
