"""Networks of our own from their weights: built of residual convolutions in five stages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

from torch import Tensor, nn

from ...errors import ModelError
from ..sam.network import check_finite

N = TypeVar("N", bound=nn.Module)
Five = tuple[int, int, int, int, int]


def loaded(
    build: Callable[[Mapping[str, Tensor]], N],
    state: Mapping[str, Tensor],
    source: str,
    *,
    name: str,
    page: str,
) -> N:
    """The network whose weights ``state`` holds, in float32.

    Args:
        build: makes the network of the sizes in ``state``, its weights not set.
        state: of the checkpoint; counters may be missing.
        source: of the weights, for messages.
        name, page: of the network, and the page on its training, for messages.

    Raises:
        ModelError: naming ``source``, if they are another network's, or not all finite.
    """
    check_finite(dict(state), source)
    try:
        network = build(state)
        counters = {k: v for k, v in network.state_dict().items() if not v.is_floating_point()}
        network.load_state_dict({**counters, **{name: value.float() for name, value in state.items()}})
    except (KeyError, RuntimeError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(
            f"{source} is not a checkpoint of {name} ({reason}); train one as {page} says, or give the "
            "name of the model that the file is of"
        ) from error
    return network.eval()


def stage_sizes(state: Mapping[str, Tensor]) -> tuple[Five, Five]:
    """Widths and depths of the five stages of the encoder."""
    widths, depths = [], []
    for stage in range(5):
        widths.append(state[f"encoder.stages.{stage}.conv.weight"].shape[0])
        depth = 0
        while f"encoder.stages.{stage}.blocks.{depth}.first.weight" in state:
            depth += 1
        depths.append(depth)
    a, b, c, d, e = widths
    v, w, x, y, z = depths
    return (a, b, c, d, e), (v, w, x, y, z)
