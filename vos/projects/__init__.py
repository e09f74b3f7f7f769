"""Projects: annotations of videos that keep every correction, track only what a correction touches, and
show the doubtful frames first.

::

    from vos.projects import Project, track_project

    with Project.create("clip.vosproject") as project:
        video = project.add_video("clip.mp4")
        dog = project.add_object("dog")
        project.anchor(video.key, 0, dog, mask)           # (H, W) bool
        track_project(project)                            # everything stale or unknown
        project.anchor(video.key, 40, dog, better_mask)
        track_project(project)                            # the two intervals beside frame 40, nothing else
        project.frame(video.key, 41).labels               # (H, W) uint8: what is shown

Names are imported when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..lazy import lazy_names

if TYPE_CHECKING:
    from .engine import Engine as Engine
    from .engine import engine_of as engine_of
    from .events import ConflictError as ConflictError
    from .events import Draft as Draft
    from .events import Event as Event
    from .events import JournalError as JournalError
    from .jobs import Job as Job
    from .jobs import pending_jobs as pending_jobs
    from .maintenance import check as check
    from .maintenance import collect_garbage as collect_garbage
    from .merging import agreement as agreement
    from .merging import merge as merge
    from .project import Project as Project
    from .project_file import ProjectSettings as ProjectSettings
    from .project_file import ProjectVideo as ProjectVideo
    from .queue import QueueItem as QueueItem
    from .queue import ReviewQueue as ReviewQueue
    from .queue import accept_confident as accept_confident
    from .queue import doubt as doubt
    from .queue import review_queue as review_queue
    from .replaying import rebuild as rebuild
    from .replaying import replay as replay
    from .shown import ShownMask as ShownMask
    from .spans import Span as Span
    from .spans import SpanMap as SpanMap
    from .state import Anchor as Anchor
    from .state import FrameState as FrameState
    from .state import Interval as Interval
    from .state import ObjectInfo as ObjectInfo
    from .state import State as State
    from .state import Track as Track
    from .tracking import TrackProgress as TrackProgress
    from .tracking import track_project as track_project
else:
    __all__, __getattr__, __dir__ = lazy_names(
        __name__,
        {
            "Anchor": ".state",
            "ConflictError": ".events",
            "Draft": ".events",
            "Engine": ".engine",
            "Event": ".events",
            "FrameState": ".state",
            "Interval": ".state",
            "Job": ".jobs",
            "JournalError": ".events",
            "ObjectInfo": ".state",
            "Project": ".project",
            "ProjectSettings": ".project_file",
            "ProjectVideo": ".project_file",
            "QueueItem": ".queue",
            "ReviewQueue": ".queue",
            "ShownMask": ".shown",
            "Span": ".spans",
            "SpanMap": ".spans",
            "State": ".state",
            "Track": ".state",
            "TrackProgress": ".tracking",
            "accept_confident": ".queue",
            "agreement": ".merging",
            "check": ".maintenance",
            "collect_garbage": ".maintenance",
            "doubt": ".queue",
            "engine_of": ".engine",
            "merge": ".merging",
            "pending_jobs": ".jobs",
            "rebuild": ".replaying",
            "replay": ".replaying",
            "review_queue": ".queue",
            "track_project": ".tracking",
        },
    )
