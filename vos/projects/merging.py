"""Several annotators: one project from two copies, and how far annotators agree."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..arrays import Mask
from ..errors import InputError
from ..evaluation.boundary import contour_accuracy
from ..evaluation.region import region_similarity
from ..files import make_folder, write_bytes_atomic
from .blobs import BLOBS, BlobStore
from .events import Event, JournalError
from .journal import JOURNALS, JournalWriter, journal_paths, read_journal
from .numbering import Renumbered, renumbered
from .project_file import ProjectFile, free_key
from .shown import mask_of_anchor, mask_of_result
from .state import State, Verdict

if TYPE_CHECKING:
    from .project import Project


@dataclass(frozen=True)
class Merged:
    """What a merge brought."""

    events: int
    blobs: int
    videos: int
    renumbered: tuple[Renumbered, ...] = ()
    """Objects that have another number now, because both copies had added an object with theirs."""


def merge(target: str | os.PathLike[str], other: str | os.PathLike[str]) -> Merged:
    """Bring into ``target`` what ``other``, a copy of the same project, has more.

    A journal that is in both must be a prefix of the other's, or the other way round. Merging again changes
    nothing.

    Raises:
        InputError: if they are not copies of one project, the journals of a writer disagree, or a process
            works on ``target``.
        JournalError: if a journal is damaged.
    """
    into, source = ProjectFile(Path(target)), ProjectFile(Path(other))
    if into.id != source.id:
        raise InputError(
            f"{target} and {other} are different projects (ids {into.id} and {source.id}): only copies of "
            "one project can be merged"
        )
    _check_videos(into, source)
    before = _renumbered(into)
    with contextlib.ExitStack() as stack:
        journals = []
        for path in journal_paths(source.folder):
            writer = JournalWriter(into.folder / JOURNALS / path.name)
            stack.callback(writer.close)
            journals.append((writer, *_missing(writer, path)))
        # Events come last: they never refer to what is not there.
        blobs = _copy_blobs(BlobStore(into.folder / BLOBS), BlobStore(source.folder / BLOBS))
        videos = _merge_videos(into, source)
        for writer, data, events in journals:
            if events:
                writer.extend(data, events)
    changed = tuple(one for one in _renumbered(into) if one not in before)
    return Merged(sum(len(events) for _, _, events in journals), blobs, videos, changed)


def _renumbered(file: ProjectFile) -> tuple[Renumbered, ...]:
    events = [event for path in journal_paths(file.folder) for event in read_journal(path).events]
    return renumbered(sorted(events, key=lambda event: event.order))[1]


def _missing(own: JournalWriter, other: Path) -> tuple[bytes, list[Event]]:
    """The lines and events of another copy of a journal that it has more."""
    theirs = read_journal(other)
    data, mine = other.read_bytes()[: theirs.size], own.path.read_bytes()
    if not (data.startswith(mine) or mine.startswith(data)):
        raise JournalError(
            f"{own.path} and {other} disagree: two people worked under one name; give each annotator a name "
            "of their own (--annotator)"
        )
    return data[len(mine) :], theirs.events[len(own.events) :]


def _copy_blobs(into: BlobStore, source: BlobStore) -> int:
    copied = 0
    for digest, path in source.all():
        if not into.path(digest, path.suffix).exists():
            if not source.verify(digest, path):
                raise InputError(f"{path} is damaged: its content does not have the SHA-256 of its name")
            make_folder(into.path(digest, path.suffix).parent)
            write_bytes_atomic(into.path(digest, path.suffix), path.read_bytes())
            copied += 1
    return copied


def _check_videos(into: ProjectFile, source: ProjectFile) -> None:
    for key, video in source.videos.items():
        if key in into.videos and into.videos[key].fingerprint != video.fingerprint:
            name = free_key(key, {*into.videos, *source.videos})
            raise InputError(
                f"the copies have different videos under the key {key!r}: they cannot be merged, and nothing "
                f"was. Copy the masks instead: vos project add {into.folder} VIDEO --key {name}; "
                f"vos project export {source.folder} --video {key} -f npz -o OUT; "
                f"vos project import {into.folder} OUT/masks.npz --video {name} --ids new"
            )


def _merge_videos(into: ProjectFile, source: ProjectFile) -> int:
    """Add the videos that only ``source`` has."""
    missing = [key for key in source.videos if key not in into.videos]
    if missing:
        theirs = json.loads(source.path.read_text(encoding="utf-8"))
        with into.changed() as content:
            for key in missing:
                path = os.path.normpath(source.folder.resolve() / source.videos[key].path)
                content["videos"][key] = {**theirs["videos"][key], "path": path}
    return len(missing)


@dataclass(frozen=True)
class Agreement:
    """How far two annotators agree on an object: means over the frames that both settled."""

    video: str
    object_id: int
    writers: tuple[str, str]
    frames: int
    iou: float
    """J, 0..1."""
    boundary: float
    """F, 0..1."""
    worst: int
    """Frame with the lowest J."""

    def as_dict(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "video": self.video,
            "object": self.object_id,
            "writers": list(self.writers),
            "frames": self.frames,
            "j": round(self.iou, 4),
            "f": round(self.boundary, 4),
            "j_and_f": round((self.iou + self.boundary) / 2, 4),
            "worst_frame": self.worst,
        }


def agreement(project: Project) -> list[Agreement]:
    """For every object and pair of annotators, on the frames that each gave a mask for or accepted."""
    state = project.state
    by_object: dict[tuple[str, int], list[str]] = {}
    for writer, video, object_id in sorted(state.verdicts):
        by_object.setdefault((video, object_id), []).append(writer)
    found = []
    for (video, object_id), writers in by_object.items():
        for row, one in enumerate(writers):
            for two in writers[row + 1 :]:
                scores = _scores(project, state, video, object_id, one, two)
                if scores:
                    js, fs = [s[1] for s in scores], [s[2] for s in scores]
                    worst = min(scores, key=lambda score: score[1])[0]
                    means = float(np.mean(js)), float(np.mean(fs))
                    found.append(Agreement(video, object_id, (one, two), len(scores), *means, worst))
    return found


def _scores(
    project: Project, state: State, video: str, object_id: int, one: str, two: str
) -> list[tuple[int, float, float]]:
    """Frame, J and F of the frames that two writers settled."""
    first, second = (state.verdicts[writer, video, object_id] for writer in (one, two))
    scores = []
    for span in first:
        for other in second.within(span.first, span.last):
            for frame in range(other.first, other.last + 1):
                masks = [_mask(project, state, video, frame, v) for v in (span.value, other.value)]
                j = region_similarity(masks[0], masks[1])
                scores.append((frame, j, contour_accuracy(masks[0], masks[1])))
    return scores


def _mask(project: Project, state: State, video: str, frame: int, verdict: Verdict) -> Mask:
    size = project.video(video).size
    if verdict.anchor is not None:
        return mask_of_anchor(verdict.anchor, project.blobs, size)
    assert verdict.result is not None
    return mask_of_result(verdict.result, frame, state, project.blobs, size)[0]
