"""From a name and settings to a tracker with a memory of its own."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ...settings import override
from .held_back import HeldBackTracker
from .loading import load_network
from .tracker import MemorySettings, MemoryTracker


def settings_of(settings: Mapping[str, Any]) -> MemorySettings:
    """The settings of a tracker with a memory with ``settings`` laid over them; or SettingsError."""
    return override(MemorySettings(), settings)


def build(
    *, name: str, settings: MemorySettings, device: str, dtype: str, checkpoint: str | Path | None
) -> MemoryTracker:
    """The tracker ``name`` from ``checkpoint`` or the weights cache.

    Raises:
        ModelError: see :func:`vos.trackers.memory.loading.load_network`.
        SettingsError: for a setting that does not fit the network.
    """
    network = load_network(
        name,
        checkpoint,
        device=device,
        dtype=dtype,
        memory_dtype=settings.memory_dtype,
        image_size=settings.model_size,
    )
    if settings.compile:
        network.compile()
    kind = HeldBackTracker if settings.hold_back else MemoryTracker
    return kind(network, settings)
