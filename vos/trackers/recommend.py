"""Which model to take on a machine, and why."""

from __future__ import annotations

from dataclasses import dataclass

from ..backbones.weights.catalog import OWN_WEIGHTS, WEIGHTS, weights_folder

WITH_ACCELERATOR = ("sam2.1-large", "sam2.1-base-plus", "sam2.1-small", "sam2.1-tiny", "edgetam")
"""Models by their published quality on SA-V test, the best first."""


@dataclass(frozen=True)
class Recommendation:
    """A model, and what speaks for it."""

    model: str
    why: str
    better: str = ""
    """A better one whose weights are not here; empty if there is none."""
    fetch: str = ""
    """The command that fetches it."""


def recommend(device: str) -> Recommendation:
    """What to take on ``device`` (``cpu``, ``cuda``, ``mps``), from the weights that are here.

    SAM 3 is not recommended by itself: its licence has to be accepted first.
    """
    if device == "cpu":
        why = (
            "its weights come with the package, and it takes fractions of a second per frame on a processor, "
            "where SAM 2.1 takes seconds per frame and object"
        )
        return Recommendation("nano", why)
    here = next((name for name in WITH_ACCELERATOR if _is_here(name)), None)
    best = WITH_ACCELERATOR[0]
    if here == best:
        return Recommendation(best, "the best model with open weights, and they are here")
    fetch = f"vos models download {best}"
    if here is None:
        why = f"no weights of SAM 2.1 or EdgeTAM are in {weights_folder()}, and its own come with the package"
        return Recommendation("nano", why, best, fetch)
    return Recommendation(here, "the best of the models whose weights are here", best, fetch)


def _is_here(name: str) -> bool:
    file = WEIGHTS[name].file if name in WEIGHTS else OWN_WEIGHTS[name].file
    return (weights_folder() / file).exists()
