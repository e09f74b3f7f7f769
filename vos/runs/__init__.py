"""The main job: a video and targets in, results on disk out."""

from .folder import Layout
from .settings import TrackSettings
from .summary import Progress, TrackSummary
from .track import track_video

__all__ = ["Layout", "Progress", "TrackSettings", "TrackSummary", "track_video"]
