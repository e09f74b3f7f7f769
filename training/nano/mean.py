"""The mean of checkpoints of one run: ``python -m training.nano.mean CHECKPOINT... -o FILE``.

Weights of one run that are a while apart lie around a place that is flatter than each of them, and that does
better on what the run has not seen (Izmailov et al., 2018).
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import save_file

from vos.backbones.nano.network import NanoNetwork, half_precision, network_from
from vos.backbones.weights.checkpoints import load_state
from vos.errors import ModelError, VosError


def mean_of(checkpoints: Sequence[Path]) -> NanoNetwork:
    """A network with the mean of the weights, in float32.

    Raises:
        ModelError: if a file is unusable, or the networks differ in size.
    """
    networks = [network_from(load_state(path), str(path)) for path in checkpoints]
    mean = networks[0]
    for path, network in zip(checkpoints, networks, strict=True):
        if network.config != mean.config:
            raise ModelError(
                f"{path} holds a network of {network.config}, {checkpoints[0]} one of {mean.config}; "
                "give checkpoints of one run"
            )
    states = [network.state_dict() for network in networks]
    mean.load_state_dict(
        {
            name: torch.stack([state[name] for state in states]).mean(dim=0)
            if value.is_floating_point()
            else value
            for name, value in states[0].items()
        }
    )
    return mean


def main() -> None:
    """Average from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("checkpoints", type=Path, nargs="+")
    parser.add_argument("-o", "--output", type=Path, required=True)
    options = parser.parse_args()
    try:
        network = mean_of(options.checkpoints)
    except VosError as error:
        raise SystemExit(str(error)) from error
    save_file(half_precision(network), options.output)


if __name__ == "__main__":
    main()
