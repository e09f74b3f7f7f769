"""Video engines, by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..backbones.registry import BACKBONES, backbone_name, has_weights
from ..errors import ModelError, SettingsError
from ..notices import warn_renamed
from ..registry import load, unknown

if TYPE_CHECKING:
    from .base import Tracker


__all__ = [
    "MODELS",
    "TRACKERS",
    "TrackerEntry",
    "build_tracker",
    "check_tracker",
    "dtype_of",
    "split_model",
    "tracker_settings",
]


@dataclass(frozen=True)
class TrackerEntry:
    """All that others ask about a tracker."""

    builder: str
    """``module:function`` of ``settings`` (what ``settings`` below returns), ``device``, ``dtype``,
    ``checkpoint`` and, if it runs over a backbone, ``backbone`` (a name)."""
    settings: str
    """``module:function`` of a mapping: the tracker's settings, a frozen dataclass, with the mapping laid
    over its defaults."""
    help: str
    """One line for people."""
    weights: str = "download"
    """``none``, ``included`` in the package, ``download``, or ``backbone``: those of its backbone."""
    calibrated: bool = False
    """Whether the confidence of tracked masks was fitted to J; ``docs/confidence.md`` says how well."""
    tunable: bool = False
    """Whether ``tune`` is one of its settings."""
    memory: bool = False
    """Whether it has a memory of its own: settings ``memory``, ``max_batch``, ``fill_holes``."""
    variants: tuple[str, ...] = ()
    """Values of its setting ``variant``, each with other settings beside it; the first is the default."""
    options: dict[str, Any] = field(default_factory=dict)
    """Fixed arguments of the builder."""
    half: bool = False
    """Whether it may compute in 16 bits where the dtype is ``auto``."""
    package: str = ""
    """A package that it needs beside those of this one."""
    quality: float | None = None
    """J&F published on SA-V test, by which ``auto`` chooses; None: not published, or not to be chosen."""
    cost: tuple[float, float] = (0.0, 0.0)
    """Of a frame, and of each object in it: seconds on one core times that core's GFLOP/s in a product of
    matrices, in float32."""


def _memory(
    name: str,
    help: str,
    quality: float | None = None,
    cost: tuple[float, float] = (0.0, 0.0),
    package: str = "",
) -> TrackerEntry:
    module = "vos.trackers.memory.builder"
    return TrackerEntry(
        f"{module}:build",
        f"{module}:settings_of",
        help,
        memory=True,
        options={"name": name},
        half=True,
        package=package,
        quality=quality,
        cost=cost,
    )


_SIZES = {"tiny": (76.5, 400.0), "small": (76.6, 495.0), "base-plus": (78.2, 860.0), "large": (79.5, 2060.0)}
"""Quality of SAM 2.1, and the cost of a frame."""
_OBJECT = 510.0
"""Cost of an object in SAM 2, whatever the size of the image encoder."""
TRACKERS: dict[str, TrackerEntry] = {
    "classical": TrackerEntry(
        "vos.trackers.classical.tracker:build",
        "vos.trackers.classical.tracker:settings_of",
        "optical flow and an online appearance model",
        "none",
        calibrated=True,
        cost=(9.0, 1.3),
    ),
    "nano": TrackerEntry(
        "vos.trackers.nano.tracker:build",
        "vos.trackers.nano.tracker:settings_of",
        "classical, refined by a compact network",
        "included",
        calibrated=True,
        tunable=True,
        cost=(12.0, 4.7),
    ),
    "persam": TrackerEntry(
        "vos.trackers.persam.tracker:build",
        "vos.trackers.persam.tracker:settings_of",
        "PerSAM over any backbone",
        "backbone",
        tunable=True,
        variants=("robust", "as-published"),
    ),
    **{
        f"sam2.1-{size}": _memory(f"sam2.1-{size}", f"SAM 2.1 {size}", quality, (frame, _OBJECT))
        for size, (quality, frame) in _SIZES.items()
    },
    **{f"sam2-{size}": _memory(f"sam2-{size}", f"SAM 2 {size} (July 2024)") for size in _SIZES},
    "edgetam": _memory("edgetam", "EdgeTAM", 71.7, (240.0, 140.0), "timm"),
    **{
        f"efficienttam-{size}{variant}": _memory(
            f"efficienttam-{size}{variant}", f"EfficientTAM {help}", None if variant else quality, cost
        )
        for size, name, quality, cost in (
            ("s", "small", 74.5, (270.0, 480.0)),
            ("ti", "tiny", 70.7, (100.0, 480.0)),
        )
        for variant, help in (
            ("", name),
            ("-1", f"{name}, pooled memories"),
            ("-2", f"{name}, pooled memories, second kind"),
            ("-512x512", f"{name}, trained at 512x512"),
        )
    },
    "sam3": _memory("sam3", "SAM 3, prompted by masks, points and boxes", 84.4, (5500.0, 820.0)),
}
"""Name (``--tracker``) -> entry. To add a tracker, write one folder here and add one entry."""

MODELS = (*TRACKERS, *(name for name in BACKBONES if name not in TRACKERS))
"""Names that ``--model`` takes: a tracker, or a backbone, which stands for PerSAM over it."""

RENAMED = {"builtin": "classical", "target": "persam"}
"""Names of earlier versions, which are still understood."""


def split_model(model: str, backbone: str | None = None) -> tuple[str, str | None]:
    """The tracker and the backbone that ``--model`` stands for.

    Args:
        model: a tracker, or a backbone, which stands for PerSAM over it.
        backbone: the backbone of a tracker that runs over one; None: the classical one.

    Raises:
        ModelError: for a name that is neither, or a backbone for a tracker that has no use for one.
    """
    if model in RENAMED:
        warn_renamed("model", model, RENAMED[model])
        model = RENAMED[model]
    if model not in TRACKERS:
        if model not in BACKBONES:
            raise unknown(ModelError, "model", model, sorted({*TRACKERS, *BACKBONES}))
        if backbone is not None and backbone != model:
            raise ModelError(f"--model {model} is a backbone, and --backbone {backbone} another: give one")
        return "persam", model
    if TRACKERS[model].weights == "backbone":
        return model, backbone_name(backbone or "classical")
    if backbone is not None:
        over = ", ".join(name for name, entry in TRACKERS.items() if entry.weights == "backbone")
        raise ModelError(f"tracker {model} does not run over a backbone; leave out {backbone}, or use {over}")
    return model, None


def build_tracker(
    model: str,
    *,
    backbone: str | None = None,
    settings: Mapping[str, Any] | None = None,
    device: str = "cpu",
    dtype: str = "auto",
    checkpoint: str | None = None,
    tune: bool = False,
) -> Tracker:
    """The tracker of that name.

    Args:
        model, backbone: see :func:`split_model`.
        settings: laid over the tracker's own settings.
        device, dtype: where its network runs, and what it computes in, see :func:`dtype_of`.
        checkpoint: file with the network's weights, in place of the weights cache.
        tune: fit the network to the frames with prompts (PerSAM-F, for PerSAM).

    Raises:
        ModelError: for an unknown name, weights that are missing or unusable, or an option that the tracker
            has no use for.
        SettingsError: for an unknown tracker setting, or one of the wrong type.
    """
    name, options = check_tracker(
        model,
        backbone=backbone,
        settings=settings,
        device=device,
        dtype=dtype,
        checkpoint=checkpoint,
        tune=tune,
    )
    options["settings"] = tracker_settings(name, options["settings"])
    tracker: Tracker = load(TRACKERS[name].builder)(**options)
    return tracker


def check_tracker(
    model: str,
    *,
    backbone: str | None = None,
    settings: Mapping[str, Any] | None = None,
    device: str = "cpu",
    dtype: str = "auto",
    checkpoint: str | None = None,
    tune: bool = False,
) -> tuple[str, dict[str, Any]]:
    """Refuse what :func:`build_tracker` would refuse, as far as that is known without the weights.

    Returns:
        The name of the tracker, and the arguments of its builder, with the settings still a mapping.

    Raises:
        ModelError, SettingsError: see :func:`build_tracker`.
    """
    name, over = split_model(model, backbone)
    entry = TRACKERS[name]
    dtype = dtype_of(model, device, dtype, backbone)
    if entry.weights == "none" and (checkpoint or str(device) != "cpu" or dtype != "float32"):
        others = ", ".join(other for other in MODELS if not _is_free(other))
        raise ModelError(
            f"tracker {name} has no weights and runs on the CPU in float32: leave out checkpoint, device and "
            f"dtype, or choose one of {others}"
        )
    if tune and not entry.tunable:
        tunable = ", ".join(other for other in TRACKERS if TRACKERS[other].tunable)
        raise ModelError(f"tracker {name} cannot be tuned; leave out --tune, or choose one of {tunable}")
    options: dict[str, Any] = {"device": device, "dtype": dtype, "checkpoint": checkpoint, **entry.options}
    if over is not None:
        options["backbone"] = over
    if not isinstance(settings, Mapping | None):
        raise SettingsError(f"settings must be a mapping of names to values, got {settings!r:.60}")
    given = {**(settings or {}), **({"tune": True} if tune else {})}
    if given:  # the defaults need no check, and reading them takes the tracker's packages
        tracker_settings(name, given)
    return name, {**options, "settings": given}


def tracker_settings(name: str, settings: Mapping[str, Any]) -> Any:
    """The settings of a tracker, a frozen dataclass, with ``settings`` laid over its defaults.

    Args:
        name: a key of :data:`TRACKERS`.
        settings: nested, as in a recipe.

    Raises:
        SettingsError: for an unknown setting, or one of the wrong type.
    """
    try:
        return load(TRACKERS[name].settings)(settings)
    except SettingsError as error:
        raise SettingsError(
            f"tracker {name}: {error} (these may be settings of another tracker: name it with --model)"
        ) from error


def dtype_of(model: str, device: str = "cpu", dtype: str = "auto", backbone: str | None = None) -> str:
    """What a model computes in: for ``auto``, bfloat16 where it may and the device does so natively.

    Raises:
        ModelError: for a model that is not known, or a device that cannot be used.
    """
    if dtype != "auto":
        return dtype
    name, over = split_model(model, backbone)
    half = TRACKERS[name].half if over is None else BACKBONES[over].half
    return str(load("vos.backbones.sam.backbone:auto_dtype")(device)) if half else "float32"


def _is_free(model: str) -> bool:
    """Whether a model has no weights."""
    name, over = split_model(model)
    entry = TRACKERS[name]
    return entry.weights == "none" or (over is not None and not has_weights(over))
