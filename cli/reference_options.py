"""``vos track --reference``: objects of other images; ``--features``: what they are matched by."""

from __future__ import annotations

from typing import Any

import click

from vos.backbones.features import FEATURES, OWN
from vos.backbones.registry import BACKBONES

from .completion import backbones, complete, features
from .options import listed

FEATURE_FLAGS = ("features", "features_weights")
"""Parameters of a command, by the names of the settings."""


def feature_options(command: Any) -> Any:
    """The features to match targets by. The command gets the keys of :data:`FEATURE_FLAGS`, or None."""
    for option in (
        click.option(
            "--features-weights",
            metavar="DIR",
            help="Folder with the weights of --features.  [default: the local Hugging Face cache]",
        ),
        click.option(
            "--features",
            metavar="NAME",
            shell_complete=complete(features),
            help=f"Features that PerSAM and --reference match: {OWN} (the backbone's own), "
            f"{listed(FEATURES)}.  [default: {OWN}]",
        ),
    ):
        command = option(command)
    return command


def reference_options(command: Any) -> Any:
    """Reference objects. The command gets ``references``, ``reference_masks``, ``reference_backbone``, ..."""
    for option in (
        click.option("--reference-checkpoint", metavar="FILE", help="Weights of --reference-backbone."),
        click.option(
            "--reference-backbone",
            metavar="NAME",
            shell_complete=complete(backbones),
            help=f"Backbone that finds the reference objects: {listed(BACKBONES)}.  "
            "[default: the tracker's own, or classical]",
        ),
        click.option(
            "--reference-mask",
            "reference_masks",
            multiple=True,
            metavar="MASK",
            help="Mask of the objects in a --reference, in the same order. Repeatable.",
        ),
        click.option(
            "--reference",
            "references",
            multiple=True,
            metavar="IMAGE|N",
            help="Image, or frame of VIDEO, that shows objects to find and track. Repeatable.",
        ),
    ):
        command = option(command)
    return command


def take_reference_settings(flags: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Settings of the reference detector and of the features that were given, taken out of ``flags``."""
    found = {name: flags.pop(f"reference_{name}") for name in ("backbone", "checkpoint")}
    given = {name: value for name, value in found.items() if value is not None}
    return given, take_feature_settings(flags)


def take_feature_settings(flags: dict[str, Any]) -> dict[str, Any]:
    """The features that were given, taken out of ``flags``."""
    features = {name: flags.pop(name) for name in FEATURE_FLAGS}
    return {name: value for name, value in features.items() if value is not None}


def place_features(settings: Any, features: dict[str, Any], *, references: bool) -> Any:
    """The settings of a run with the features where they are used: by PerSAM, or to find references.

    Raises:
        SettingsError: where neither uses them.
    """
    from vos.errors import SettingsError
    from vos.settings import override
    from vos.trackers.registry import TRACKERS, split_model

    if not features:
        return settings
    name = settings.model
    if name != "auto":  # which chooses among trackers that compare no features
        name, _ = split_model(settings.model, settings.backbone)
    over_backbone = name in TRACKERS and TRACKERS[name].weights == "backbone"
    if over_backbone:
        settings = override(settings, {"tracker": settings.tracker | features})
    if references and (not over_backbone or settings.reference.backbone is not None):
        return override(settings, {"reference": features})
    if not over_backbone:
        raise SettingsError(
            f"--features is for PerSAM and for --reference, and {name} compares no features; leave it out, "
            "or use --model persam with a --backbone"
        )
    return settings
