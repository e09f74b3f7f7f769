"""Cut objects out of videos: segmentation and tracking from a mask, points, boxes or class names.

::

    import vos

    with vos.open_video("clip.mp4") as video:
        targets = vos.parse_targets(boxes=["1:120,80,310,400"], video=video)
        vos.track_video(video, targets, "out")

Names are imported when they are first used: ``import vos`` imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .backbones.registry import build_backbone as build_backbone
    from .errors import VosError as VosError
    from .evaluation.davis import evaluate_davis as evaluate_davis
    from .frame import Frame as Frame
    from .frame import VideoInfo as VideoInfo
    from .prompting.parsing import parse_targets as parse_targets
    from .prompts import Prompt as Prompt
    from .prompts import Target as Target
    from .results import FrameResult as FrameResult
    from .runs import TrackSettings as TrackSettings
    from .runs import TrackSummary as TrackSummary
    from .runs import track_video as track_video
    from .trackers.propagate import propagate as propagate
    from .trackers.registry import build_tracker as build_tracker
    from .video import open_video as open_video

_HOME = {
    "Frame": ".frame",
    "Prompt": ".prompts",
    "FrameResult": ".results",
    "Target": ".prompts",
    "TrackSettings": ".runs",
    "TrackSummary": ".runs",
    "VideoInfo": ".frame",
    "VosError": ".errors",
    "build_backbone": ".backbones.registry",
    "build_tracker": ".trackers.registry",
    "evaluate_davis": ".evaluation.davis",
    "open_video": ".video",
    "parse_targets": ".prompting.parsing",
    "propagate": ".trackers.propagate",
    "track_video": ".runs",
}
"""Public name -> the module it comes from."""

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOME[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})
