"""Checkpoint files of the compact network with untrained weights."""

from __future__ import annotations

from pathlib import Path


def tiny_nano_checkpoint(path: str | Path, seed: int = 0) -> Path:
    """Write a small ``nano`` with pseudo-random weights to ``path`` (.safetensors) and return it.

    Its last layer is random too, so that it has opinions; a network fresh from its constructor has none.
    """
    import torch
    from safetensors.torch import save_file

    from ..backbones.nano.network import NanoConfig, NanoNetwork, half_precision

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = NanoNetwork(NanoConfig((8, 8, 12, 16, 16), (0, 0, 1, 1, 0), 12))
        torch.nn.init.normal_(network.decoder.masks.weight, std=0.2)
    save_file(half_precision(network), path)
    return Path(path)
