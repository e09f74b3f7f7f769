"""Which model to take on a machine, and why."""

from __future__ import annotations

import functools
import importlib.util
import time
from dataclasses import dataclass

from ..backbones.weights.catalog import WEIGHTS
from ..backbones.weights.location import find, weights_folder
from .registry import TRACKERS, TrackerEntry

BUDGET = 2.0
"""Seconds per frame that a model may take, unless the user says otherwise."""
KEY_STEPS = (1, 2, 3, 5, 10)
"""How many frames the strong model goes on by, the least first."""
FILLING = (8.0, 2.0)
"""Cost of a frame between key frames, and of each object in it; see :class:`TrackerEntry`."""
NATIVE_16 = 2.3
"""How many times as fast as in float32 a model computes in 16 bits on a processor that does so natively: 2.3
to 2.9 were measured."""
OVERHEAD = 0.05
"""Seconds per frame on an accelerator for what it does not do."""


@dataclass(frozen=True)
class Recommendation:
    """A model, and the reasons for it."""

    model: str
    why: str
    seconds: float
    """Expected per frame."""
    key_every: int = 1
    """On every n-th frame, see :class:`vos.trackers.key_frames.KeyFrames`."""
    better: str = ""
    """A better one that would do, whose weights are not here; empty if there is none."""
    fetch: str = ""
    """The command that fetches it."""
    megabytes: float = 0.0
    """To fetch."""

    @property
    def line(self) -> str:
        """All of it, for people."""
        keys = f" on every {_ordinal(self.key_every)} frame" if self.key_every > 1 else ""
        text = f"{self.model}{keys}: {self.why}; expect about {self.seconds:.2g} s per frame"
        if self.better:
            text += f"; better: {self.better} (`{self.fetch}`, {self.megabytes:.0f} MB)"
        return text


def recommend(
    device: str = "cpu", *, objects: int = 1, budget: float | None = None, key_every: int | None = None
) -> Recommendation:
    """What to take on ``device``: the best model with weights here that is fast enough, or one without.

    Models are ordered by the J&F published on SA-V test. On a processor a strong model may be fast enough on
    key frames only, see :class:`vos.trackers.key_frames.KeyFrames`.

    Args:
        device: ``cpu``, ``cuda``, ``cuda:1``, ``mps``.
        objects: how many are tracked.
        budget: seconds per frame; None: :data:`BUDGET`.
        key_every: the step between key frames, where it is given; None: the least that keeps to the budget.

    Raises:
        ModelError: if the device cannot be used.
    """
    limit, steps = budget or BUDGET, KEY_STEPS if key_every is None else (key_every,)
    ranked = sorted(
        (name for name, entry in TRACKERS.items() if entry.quality is not None),
        key=lambda name: -(TRACKERS[name].quality or 0),
    )
    better, slow = "", ""
    for name in ranked:
        entry = TRACKERS[name]
        here = _is_usable(entry) and find(name) is not None
        rate = gflops(device, entry.half)
        expected = {step: seconds(entry, objects, rate, step, device) for step in steps}
        fits = [step for step in steps if expected[step] <= limit]
        if here and fits:
            why = "the best model whose weights are here" + (
                f", on key frames to keep to {limit:g} s per frame (--budget)" if fits[0] > 1 else ""
            )
            return Recommendation(name, why, expected[fits[0]], fits[0], *_fetching(better))
        if here and not slow:
            slow = f"{name} is here but would take {min(expected.values()):.0f} s per frame on {device}"
        elif fits and not better and name in WEIGHTS:
            better = name
    own = max(_without_download(), key=lambda name: TRACKERS[name].weights == "included")
    why = (
        f"{slow}, above the {limit:g} s of --budget"
        if slow
        else f"no weights of a stronger model are in {weights_folder()}"
    )
    step = key_every or 1
    expected_own = seconds(TRACKERS[own], objects, gflops("cpu"), step, "cpu")
    return Recommendation(own, f"it needs no download, and {why}", expected_own, step, *_fetching(better))


def seconds(entry: TrackerEntry, objects: int, rate: float, step: int = 1, device: str = "cpu") -> float:
    """Expected per frame.

    Args:
        rate: what :func:`gflops` says of it there.
        step: from one key frame to the next.
    """
    strong = (entry.cost[0] + entry.cost[1] * objects) / rate + (0.0 if device == "cpu" else OVERHEAD)
    if step == 1:
        return strong
    filled = (FILLING[0] + FILLING[1] * objects) / gflops("cpu")
    return strong / step + filled * (step - 1) / step


@functools.cache
def gflops(device: str, half: bool = False) -> float:
    """GFLOP/s of a product of matrices, the best of three, in 16 bits where a card does that natively.

    On a processor the product is in float32; a model that may compute in 16 bits (``half``) is faster there
    by :data:`NATIVE_16` where it does.
    """
    import torch

    from ..backbones.sam.backbone import auto_dtype, check_device

    where = check_device(device)
    on_card = where.type != "cpu"
    side = 4096 if on_card else 768
    dtype = getattr(torch, auto_dtype(device)) if on_card else torch.float32
    matrix = torch.ones(side, side, device=where, dtype=dtype)
    taken = []
    for _ in range(4):
        began = time.perf_counter()
        float((matrix @ matrix)[0, 0])  # waits for the card
        taken.append(time.perf_counter() - began)
    native = half and not on_card and auto_dtype(device) == "bfloat16"
    return float(2 * side**3 / min(taken[1:]) / 1e9) * (NATIVE_16 if native else 1.0)


def _fetching(name: str) -> tuple[str, str, float]:
    """What to tell of a better model."""
    return (name, f"vos models download {name}", WEIGHTS[name].size / 1e6) if name else ("", "", 0.0)


def _without_download() -> list[str]:
    return [name for name, entry in TRACKERS.items() if entry.weights in ("none", "included")]


def _is_usable(entry: TrackerEntry) -> bool:
    """Whether the packages that it needs are installed."""
    return not entry.package or importlib.util.find_spec(entry.package) is not None


def _ordinal(number: int) -> str:
    return f"{number}{ {2: 'nd', 3: 'rd'}.get(number, 'th') }"
