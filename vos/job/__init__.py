"""The main job: a video and targets in, results on disk out."""

from .folder import Layout
from .run import track_video
from .settings import TrackSettings
from .summary import Progress, TrackSummary

__all__ = ["Layout", "Progress", "TrackSettings", "TrackSummary", "track_video"]
