"""Whether a project is whole, and what it no longer needs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .blobs import BLOBS, MASK, PIECE, BlobStore
from .events import KINDS, Event
from .folding import fold
from .journal import journal_paths, read_journal
from .project_file import ProjectFile
from .state import State

KEPT_SECONDS = 24 * 3600
"""Unused blobs younger than this are kept: an event that refers to them may be on its way."""


@dataclass(frozen=True)
class Check:
    """What :func:`check` found."""

    events: int
    blobs: int
    problems: tuple[str, ...]
    """In words, with file and line; none if the project is whole."""
    unused: int
    """Blobs that no event refers to."""


def check(folder: str | os.PathLike[str]) -> Check:
    """Verify every journal line and every blob, and fold all events from scratch. Changes nothing.

    Raises:
        InputError: if ``folder`` is no project.
        JournalError: for a damaged line.
    """
    file = ProjectFile(Path(folder))
    problems: list[str] = []
    events: list[Event] = []
    for path in journal_paths(file.folder):
        reading = read_journal(path)
        events += reading.events
        torn = path.stat().st_size - reading.size
        if torn:
            problems.append(
                f"{path}: {torn} bytes of an unfinished event at the end, cut off when it is opened"
            )
    problems += [text for event in events for text in _wrong_frames(event, file)]
    state = fold(events, {video.key: video.frames for video in file.videos.values()})
    problems += [
        f"frame {c.frame} of {c.video!r}, object {c.object_id}: {' and '.join(c.events)} were given without "
        "knowing of each other; give the mask again to settle it"
        for c in state.conflicts.values()
    ]
    blobs = BlobStore(file.folder / BLOBS)
    present = dict(blobs.all())
    problems += [
        f"{path}: damaged, its content does not have the SHA-256 of its name"
        for digest, path in present.items()
        if not blobs.verify(digest, path)
    ]
    used = {name for event in events for name in references(event)}
    needed = {
        name: event.id for event in events if event.id not in state.undone for name in references(event)
    }
    needed |= _pinned(state)
    problems += [
        f"{blobs.folder / name[:2] / name} is missing: copy it from another copy of the project, or undo "
        f"what needs it (vos project undo {folder} --event {event})"
        for name, event in sorted(needed.items())
        if not (blobs.folder / name[:2] / name).is_file()
    ]
    unused = sum(path.name not in used for path in present.values())
    return Check(len(events), len(present), tuple(problems), unused)


def _pinned(state: State) -> dict[str, str]:
    """File names of blobs that are shown only for their masks were accepted -> id of the review.

    Accepted masks stay when their tracking is undone.
    """
    return {
        name: review.value.event
        for track in state.tracks.values()
        for review in track.reviews
        for result in track.results.within(review.first, review.last)
        if result.value.event in state.undone and result.value.event in state.tracked
        for name in references(state.tracked[result.value.event])
    }


def _wrong_frames(event: Event, file: ProjectFile) -> Iterator[str]:
    """What is wrong with the video and the frames that an event is about."""
    key = event.payload.get("video")
    if key is None or event.kind not in KINDS:
        return
    if key not in file.videos:
        yield f"event {event.id} is about the video {key!r}, which is not in the project"
        return
    last = file.videos[key].frames - 1
    beyond = [event.payload[name] for name in ("frame", "first", "last") if event.payload.get(name, 0) > last]
    if beyond:
        yield f"event {event.id} is about frame {beyond[-1]} of {key!r}, which has the frames 0 to {last}"


def collect_garbage(folder: str | os.PathLike[str], *, older_than: float = KEPT_SECONDS) -> tuple[int, int]:
    """Remove blobs that no event of any journal refers to; undone events still do.

    Args:
        older_than: age in seconds from which on they are removed.

    Returns:
        Number of blobs removed, and their size in bytes.
    """
    file = ProjectFile(Path(folder))
    used = {
        name
        for path in journal_paths(file.folder)
        for event in read_journal(path).events
        for name in references(event)
    }
    removed = size = 0
    for _, path in BlobStore(file.folder / BLOBS).all():
        status = path.stat()
        if path.name not in used and time.time() - status.st_mtime >= older_than:
            path.unlink()
            removed, size = removed + 1, size + status.st_size
    return removed, size


def references(event: Event) -> Iterator[str]:
    """File names of the blobs that an event refers to."""
    if event.kind == "anchor" and event.payload["mask"] is not None:
        yield f"{event.payload['mask']}{MASK}"
    if event.kind == "tracked":
        for digests in event.payload["pieces"].values():
            for digest in digests:
                yield f"{digest}{PIECE}"
