"""Video engines, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from ..backbones.registry import BACKBONES, build_backbone
from ..errors import ModelError
from ..settings import override

if TYPE_CHECKING:
    from .base import Tracker

__all__ = ["TRACKERS", "build_tracker"]

METHODS = ("target", "parity")
"""How a promptable model is made to follow: our target tracker, or the published PerSAM video scripts."""


NO_WEIGHTS = ("builtin", "target")


def _builtin(*, settings: Mapping[str, Any] | None = None, device: str, dtype: str, **others: Any) -> Tracker:
    """The engine without weights; of ``others`` it takes nothing."""
    from .classical.tracker import ClassicalSettings, ClassicalTracker

    if others.get("checkpoint"):
        with_weights = ", ".join(name for name in TRACKERS if name not in NO_WEIGHTS)
        raise ModelError(
            f"the built-in engine has no weights, so there is nothing to load {others['checkpoint']} into; "
            f"choose the model that the checkpoint is of: {with_weights}"
        )
    if others.get("tune") or others.get("method", "target") != "target":
        others_there_are = ", ".join(name for name in TRACKERS if name != "builtin")
        raise ModelError(
            "tuning and the parity recipe are not for the built-in engine, which is not promptable and "
            f"always learns from the first frame; choose one of {others_there_are} (nano knows no parity)"
        )
    return ClassicalTracker(override(ClassicalSettings(), settings or {}), device, dtype)


def _nano(*, settings: Mapping[str, Any] | None = None, tune: bool = False, **options: Any) -> Tracker:
    """The built-in engine with the compact network for a judge."""
    if options.pop("method", "target") != "target":
        raise ModelError(
            "the parity recipe prompts a model, and nano mends what the built-in engine finds; "
            "leave out --recipe parity, or choose a SAM model"
        )
    from ..backbones.nano.backbone import build_nano
    from .nano.tracker import NanoSettings, NanoTracker

    return NanoTracker(
        build_nano(**options), override(NanoSettings(), settings or {}, {"tune": tune or None})
    )


def _over(
    backbone: str,
    *,
    settings: Mapping[str, Any] | None = None,
    method: str = "target",
    tune: bool = False,
    **options: Any,
) -> Tracker:
    """The engine that follows by prompting a backbone; ``options`` are the backbone's."""
    overrides = (settings or {}, {"tune": tune or None})
    if method == "parity":
        from .persam.as_published import PublishedPersamSettings, PublishedPersamTracker
        from .persam.feature_geometry import AlignedView

        parity = override(PublishedPersamSettings(), *overrides)
        view = AlignedView() if backbone == "builtin" else None
        return PublishedPersamTracker(_build(backbone, **options), parity, view)
    from ..backbones.feature_cache import FeatureCache
    from .persam.tracker import PersamTracker, PersamTrackerSettings

    target = override(PersamTrackerSettings(), *overrides)
    return PersamTracker(FeatureCache(_build(backbone, **options)), target)


def _memory(
    name: str,
    *,
    settings: Mapping[str, Any] | None = None,
    method: str = "target",
    tune: bool = False,
    **options: Any,
) -> Tracker:
    """An engine with a memory of its own."""
    if tune or method != "target":
        raise ModelError(
            f"tuning and the parity recipe are for models that are prompted in every frame, and {name} has a "
            "memory of its own; leave them out, or choose a SAM model"
        )
    from .memory.tracker import MemorySettings, build_memory_tracker

    return build_memory_tracker(name, settings=override(MemorySettings(), settings or {}), **options)


def _build(backbone: str, *, device: str, dtype: str, checkpoint: str | None = None) -> Any:
    if backbone != "builtin":
        return build_backbone(backbone, device=device, dtype=dtype, checkpoint=checkpoint)
    if checkpoint or device != "cpu" or dtype != "float32":
        raise ModelError(
            "the built-in backbone has no weights and runs on the CPU in float32: leave out checkpoint, "
            "device and number format, or choose another model"
        )
    return build_backbone(backbone)


MEMORY_TRACKERS = (
    *(
        f"{family}-{size}"
        for family in ("sam2.1", "sam2")
        for size in ("tiny", "small", "base-plus", "large")
    ),
    "edgetam",
)
"""Engines with a memory of their own: SAM 2.1, SAM 2 (July 2024) and EdgeTAM."""


TRACKERS: dict[str, Callable[..., Tracker]] = {
    "builtin": _builtin,
    **{"target" if name == "builtin" else name: partial(_over, name) for name in BACKBONES},
    "nano": _nano,
    **{name: partial(_memory, name) for name in MEMORY_TRACKERS},
}
"""Name (``--model`` of ``vos track``) -> builder. To add an engine, write one file here and add one line.

Every backbone is an engine under its own name, but the built-in one, which is ``target``: there ``builtin``
is an engine of its own, and the better one. ``nano`` is that engine with the network for a judge.
"""


def build_tracker(
    name: str,
    *,
    settings: Mapping[str, Any] | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    checkpoint: str | None = None,
    method: str = "target",
    tune: bool = False,
) -> Tracker:
    """The video engine of that name.

    Args:
        name: a key of :data:`TRACKERS`.
        settings: laid over the engine's own settings.
        device, dtype: where its network runs, and what it computes in.
        checkpoint: file with the network's weights, in place of the weights cache.
        method: one of :data:`METHODS`; for models that are prompted.
        tune: PerSAM-F, fit to the given frame; for models that are prompted.

    Raises:
        ModelError: for a name that is not in :data:`TRACKERS`, weights that are missing or unusable, or an
            option that the engine has no use for.
        SettingsError: for an unknown engine setting, or one of the wrong type.
    """
    if name not in TRACKERS:
        raise ModelError(f"unknown model {name!r}; choose one of {', '.join(sorted(TRACKERS))}")
    if method not in METHODS:
        raise ModelError(f"unknown method {method!r}; choose one of {', '.join(METHODS)}")
    return TRACKERS[name](
        settings=settings, device=device, dtype=dtype, checkpoint=checkpoint, method=method, tune=tune
    )
