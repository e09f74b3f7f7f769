"""Whether a project is whole, and what it no longer needs."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from .blobs import BLOBS, MASK, PIECE, BlobStore
from .events import Event
from .folding import fold
from .journal import journal_paths, read_journal
from .project_file import ProjectFile

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
    for event in events:
        video = event.payload.get("video")
        if video is not None and video not in file.videos:
            problems.append(f"event {event.id} is about the video {video!r}, which is not in the project")
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
    missing = sorted(name for name in used if not (blobs.folder / name[:2] / name).is_file())
    problems += [f"{blobs.folder / name[:2] / name} is missing" for name in missing]
    unused = sum(path.name not in used for path in present.values())
    return Check(len(events), len(present), tuple(problems), unused)


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
