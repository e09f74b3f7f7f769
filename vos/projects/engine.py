"""Which tracker a project tracks with, and how that is recorded."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..distribution import own_version
from ..errors import SettingsError
from ..runs.fingerprint import fingerprint_weights
from ..runs.models import build_tracker_of
from ..runs.settings import TrackSettings
from ..settings import override
from ..trackers.registry import split_model
from .project_file import ProjectSettings

if TYPE_CHECKING:
    from ..trackers.base import Tracker


@dataclass(frozen=True)
class Engine:
    """A tracker by what it is made from."""

    build: Callable[[], Tracker]
    record: Mapping[str, Any]
    """What results are recorded with: as JSON, and the same only for the same results."""


def engine_of(settings: ProjectSettings) -> Engine:
    """The tracker that the settings name.

    Raises:
        ModelError: unknown, or its weights are missing.
        SettingsError: a tracker setting is unknown or wrong, or has results come late.
    """
    options = {
        key: value for key, value in dataclasses.asdict(settings).items() if key not in ("memory", "fill")
    }
    run = override(TrackSettings(), options)
    tracker = build_tracker_of(run)
    if delay := tracker.info.delay:
        raise SettingsError(
            f"results come {delay} frames late (hold_back), and projects keep those of each frame at once: "
            "set hold_back to 0 in the settings of project.json"
        )
    model, backbone = split_model(settings.model, settings.backbone)
    weights = fingerprint_weights(backbone or model, settings.checkpoint)
    record = {
        "name": settings.model,
        "version": own_version(),
        "options": options,
        "settings": digest_of(tracker.info.settings),
        "weights": None if weights is None else weights["sha256"],
    }
    return Engine(lambda: tracker, record)


def recorded_engine(record: Mapping[str, Any]) -> Engine:
    """The tracker that results were recorded with.

    Raises:
        ModelError, SettingsError: as :func:`engine_of`.
    """
    return engine_of(override(ProjectSettings(), record["options"]))


def segmenter_record(backbone: str, settings: Mapping[str, Any]) -> dict[str, Any]:
    """What masks that a backbone made of points and boxes are recorded with: ``by`` of an anchor."""
    return {"name": backbone, "version": own_version(), "settings": digest_of(settings)}


def digest_of(settings: Any) -> str:
    """SHA-256 of settings, a mapping or a dataclass; of nothing for None."""
    values = dict(settings) if isinstance(settings, Mapping) else {}
    if dataclasses.is_dataclass(settings):
        values = dataclasses.asdict(settings)  # type: ignore[arg-type]
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()
