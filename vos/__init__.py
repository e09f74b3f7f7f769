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
    from .errors import VosError as VosError
    from .evaluation.davis import evaluate_davis as evaluate_davis
    from .frame import Frame as Frame
    from .frame import VideoInfo as VideoInfo
    from .job import TrackSettings as TrackSettings
    from .job import TrackSummary as TrackSummary
    from .job import track_video as track_video
    from .masks import MaskSet as MaskSet
    from .masks import Segmentation as Segmentation
    from .prompt import Prompt as Prompt
    from .prompt import Target as Target
    from .segmenters import build_segmenter as build_segmenter
    from .targets import parse_targets as parse_targets
    from .tracking import build_tracker as build_tracker
    from .tracking.propagate import propagate as propagate
    from .video import open_video as open_video

_HOME = {
    "Frame": ".frame",
    "MaskSet": ".masks",
    "Prompt": ".prompt",
    "Segmentation": ".masks",
    "Target": ".prompt",
    "TrackSettings": ".job",
    "TrackSummary": ".job",
    "VideoInfo": ".frame",
    "VosError": ".errors",
    "build_segmenter": ".segmenters",
    "build_tracker": ".tracking",
    "evaluate_davis": ".evaluation.davis",
    "open_video": ".video",
    "parse_targets": ".targets",
    "propagate": ".tracking.propagate",
    "track_video": ".job",
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
