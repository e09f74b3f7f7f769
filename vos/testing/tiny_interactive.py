"""Checkpoint files of the interactive network with untrained weights."""

from __future__ import annotations

from pathlib import Path


def tiny_interactive_checkpoint(path: str | Path, seed: int = 0) -> Path:
    """Write a small ``interactive`` with pseudo-random weights to ``path`` (.safetensors) and return it."""
    import torch
    from safetensors.torch import save_file

    from ..backbones.interactive.network import InteractiveConfig, InteractiveNetwork
    from ..backbones.nano.network import half_precision

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = InteractiveNetwork(InteractiveConfig((8, 8, 12, 16, 16), (0, 0, 1, 1, 0)))
    save_file(half_precision(network), path)
    return Path(path)
