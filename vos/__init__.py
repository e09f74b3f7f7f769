"""Cut objects out of videos: segmentation and tracking from a mask, points, boxes or class names.

Arrays in, arrays out::

    import vos

    prompts = vos.mask_targets(labels)  # (H, W) uint8: 0 background, 1, 2, ... objects of the first frame
    for result in vos.track("clip.mp4", prompts, tracker="classical"):
        result.labels  # (H, W) uint8, the ids of the prompts
        result.confidence  # id -> expected J of the mask, 0..1

Or from a box to a folder of results, forward and backward in time, resumable::

    with vos.open_video("clip.mp4") as video:
        prompts = vos.load_prompts(boxes=["1:120,80,310,400"], video=video)
        vos.track_video(video, prompts, "out")

Annotation formats are in :mod:`vos.formats`. Names are imported when they are first used: ``import vos``
imports no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .lazy import lazy_names
from .name_clash import warn_of_mixed_files as _warn_of_mixed_files

if TYPE_CHECKING:
    from . import formats as formats
    from .backbones.base import Backbone as Backbone
    from .backbones.registry import build_backbone as build_backbone
    from .errors import VosError as VosError
    from .evaluation.davis import evaluate_davis as evaluate_davis
    from .frame import Frame as Frame
    from .frame import VideoInfo as VideoInfo
    from .prompting.parsing import load_prompts as load_prompts
    from .prompting.reference import load_references as load_references
    from .prompts import Prompt as Prompt
    from .prompts import Target as Target
    from .prompts import mask_targets as mask_targets
    from .results import FrameResult as FrameResult
    from .results import Source as Source
    from .runs import TrackSettings as TrackSettings
    from .runs import TrackSummary as TrackSummary
    from .runs import track_video as track_video
    from .runs.images import detect as detect
    from .runs.images import discover as discover
    from .runs.images import persam as persam
    from .runs.images import segment_image as segment_image
    from .runs.stream import load_tracker as load_tracker
    from .runs.stream import track as track
    from .trackers.base import Tracker as Tracker
    from .trackers.propagate import propagate as propagate
    from .video import open_video as open_video
    from .video.live import open_live as open_live
else:
    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Backbone": ".backbones.base",
            "Frame": ".frame",
            "FrameResult": ".results",
            "Prompt": ".prompts",
            "Source": ".results",
            "Target": ".prompts",
            "TrackSettings": ".runs",
            "TrackSummary": ".runs",
            "Tracker": ".trackers.base",
            "VideoInfo": ".frame",
            "VosError": ".errors",
            "build_backbone": ".backbones.registry",
            "detect": ".runs.images",
            "discover": ".runs.images",
            "evaluate_davis": ".evaluation.davis",
            "formats": ".formats",
            "load_prompts": ".prompting.parsing",
            "load_references": ".prompting.reference",
            "load_tracker": ".runs.stream",
            "mask_targets": ".prompts",
            "open_live": ".video.live",
            "open_video": ".video",
            "persam": ".runs.images",
            "propagate": ".trackers.propagate",
            "segment_image": ".runs.images",
            "track": ".runs.stream",
            "track_video": ".runs",
        },
    )

_warn_of_mixed_files(__path__[0])
