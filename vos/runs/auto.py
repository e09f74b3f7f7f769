"""What ``auto`` stands for in the settings of a run."""

from __future__ import annotations

import logging
from typing import Any

from ..notices import NOTICE
from ..settings import override
from ..trackers.recommend import recommend
from ..trackers.registry import dtype_of
from .layout import Layout, read_json
from .settings import TrackSettings
from .work_folder import JOB

logger = logging.getLogger(__name__)

AUTO = "auto"


def settle(
    settings: TrackSettings, layout: Layout, *, objects: int = 1, resume: bool = False
) -> tuple[TrackSettings, dict[str, Any] | None]:
    """The settings with a model, a step between key frames and a dtype in place of ``auto`` and None.

    A run that is resumed takes those that it began with. What model was chosen is logged in one line.

    Args:
        layout: of the run.
        objects: how many are tracked.
        resume: of the run.

    Returns:
        The settings, and what is recorded of the choice of a model; None where the user chose.

    Raises:
        ModelError: for a model or device that is not known or not there.
    """
    before = _recorded(layout) if resume else {}
    earlier, choice = before.get("settings") or {}, None
    chosen: dict[str, Any] = {}
    if settings.model == AUTO and earlier and before.get("choice"):
        chosen = {"model": earlier.get("model"), "key_every": earlier.get("key_every")}
        choice = before["choice"]
    elif settings.model == AUTO:
        found = recommend(
            settings.device, objects=objects, budget=settings.budget, key_every=settings.key_every
        )
        logger.log(NOTICE, "--model %s", found.line)
        chosen = {"model": found.model, "key_every": found.key_every}
        choice = {"asked": AUTO, "line": found.line}
    settings = override(settings, chosen)
    if settings.key_every is None:
        settings = override(settings, {"key_every": 1})
    dtype: str = settings.dtype
    if dtype == AUTO:
        dtype = earlier.get("dtype") or dtype_of(settings.model, settings.device, AUTO, settings.backbone)
    return override(settings, {"dtype": dtype}), choice


def _recorded(layout: Layout) -> dict[str, Any]:
    """What an earlier run in this place was, stopped or finished; empty where there was none."""
    places = (layout.replacement.work / JOB, layout.record, layout.work / JOB)
    return next((found for path in places if (found := read_json(path))), {})
