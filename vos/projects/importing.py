"""Masks that were made elsewhere, brought into a project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ..distribution import own_version
from ..errors import InputError
from ..formats.reading import Annotations
from ..trackers.intervals import Joined, PackedMask
from .events import MAX_PROJECT_OBJECT, Draft, Event
from .recording import job_signals, tracked_draft
from .signals import ColourObserver

if TYPE_CHECKING:
    from .project import Project
    from .project_file import ProjectVideo

IDS = ("same", "new")
"""Whether an id of a file is the object of that id in the project, or one of its own."""
ENGINE = "import"
"""What masks are recorded with that another program, or another run, tracked."""


@dataclass(frozen=True)
class Imported:
    """What was brought in."""

    events: tuple[Event, ...]
    given: int
    """Masks that a person made: anchors now."""
    tracked: int
    """Masks that a tracker made."""
    objects: tuple[int, ...]
    """Ids in the project."""


def match_ids(project: Project, theirs: Iterable[int], how: str | None = None) -> dict[int, int]:
    """Id in a file -> id in the project.

    Args:
        how: one of :data:`IDS`; None refuses ids that the project has already.

    Raises:
        InputError: for such an id, one that is too high, or too many objects.
    """
    if how not in (None, *IDS):
        raise InputError(f"ids {how!r}: choose one of {', '.join(IDS)}")
    theirs = list(theirs)
    known = project.state.objects
    taken = [object_id for object_id in theirs if object_id in known]
    if how is None and taken:
        raise InputError(
            f"the file and the project both have object {taken[0]}: choose same (--ids same) if they are the "
            "same object, or new (--ids new) for new objects"
        )
    if how != "new":
        too_high = [object_id for object_id in theirs if object_id > MAX_PROJECT_OBJECT]
        if too_high:
            raise InputError(
                f"object {too_high[0]}: ids of a project are 1..{MAX_PROJECT_OBJECT}; choose new ids "
                "(--ids new)"
            )
        return {object_id: object_id for object_id in theirs}
    free = project.state.free_ids
    if len(free) < len(theirs):
        raise InputError(f"the file has {len(theirs)} objects, the project has room for {len(free)}")
    return dict(zip(theirs, free, strict=False))


def import_annotations(
    project: Project,
    video: str,
    annotations: Annotations,
    *,
    ids: str | None = None,
    source: str = "",
    digests: Mapping[str, str] | None = None,
) -> Imported:
    """Bring in masks whose frames and size are those of a video (:func:`vos.formats.match_to_video`).

    A mask of a person becomes an anchor, and so does one of unknown origin.
    What a tracker made becomes a result of tracking, to be reviewed, and to be tracked again where anchors
    change; locked frames stay as they are.

    Args:
        ids: see :func:`match_ids`.
        source: where the masks come from, for the record.
        digests: of it, see :func:`vos.projects.digests.digests_of`.

    Raises:
        InputError: if there are no masks, or for ids that do not fit.
        FormatError: for damaged annotations; nothing is imported then.
    """
    entry = project.video(video)
    given: dict[tuple[int, int], str | None] = {}
    tracked: dict[int, dict[int, PackedMask]] = {}
    for record in annotations.records():
        with annotations.guard():
            for found in record.objects:
                if found.source is not None and not found.is_given:
                    confidence = 1.0 if found.confidence is None else float(found.confidence)
                    tracked.setdefault(found.object_id, {})[record.index] = PackedMask(found.text, confidence)
                else:
                    mask = record.mask(found) if found.area else None
                    digest = None if mask is None else project.put_mask(entry.key, mask)
                    given[found.object_id, record.index] = digest
    own = match_ids(project, sorted({*tracked, *(object_id for object_id, _ in given)}), ids)
    if not own:
        raise InputError(f"{source or 'the file'} holds no masks")
    known = project.state.objects
    drafts = [_object(annotations, theirs, k) for theirs, k in own.items() if k not in known]
    drafts += [
        Draft(
            "anchor",
            {"video": entry.key, "frame": f, "object": own[k], "mask": digest, "origin": "imported"},
        )
        for (k, f), digest in given.items()
    ]
    import_record = {"what": "masks", "from": source, "digests": dict(digests or {})}

    def results(wanted: set[int]) -> list[Draft]:
        return [
            draft
            for theirs, masks in sorted(tracked.items())
            if theirs in wanted
            for draft in _results(project, entry, own[theirs], masks)
        ]

    # Results go with the anchors or the object that they came with when these are undone; others with the
    # import itself.
    with_it = {k for k in tracked if own[k] in known and not any(k == other for other, _ in given)}
    found_results = results(with_it)
    events = project.append([*drafts, Draft("import", import_record), *found_results])
    if more := results(set(tracked) - with_it):
        events += project.append(more)
        found_results += more
    count = sum(draft.payload["last"] - draft.payload["first"] + 1 for draft in found_results)
    return Imported(tuple(events), len(given), count, tuple(sorted(own.values())))


def _object(annotations: Annotations, theirs: int, object_id: int) -> Draft:
    name, category = annotations.names.get(theirs, ""), annotations.categories.get(theirs, "")
    return Draft("object", {"object": object_id, "name": name, "category": category})


def _results(
    project: Project, video: ProjectVideo, object_id: int, masks: Mapping[int, PackedMask]
) -> Iterator[Draft]:
    """``tracked`` events of the masks between locked frames, whole runs of frames each."""
    state, view = project.snapshot()
    record = {"name": ENGINE, "version": own_version()}
    for interval in state.track(video.key, object_id).intervals:
        for run in _runs([f for f in range(interval.first, interval.last + 1) if f in masks]):
            packed = tuple(masks[frame] for frame in run)
            joined = Joined(run[0], packed, None, (), (True,) * len(run))
            observers = {True: ColourObserver()}
            signals = {object_id: job_signals(project, state, video, object_id, joined, observers)}
            sides = {object_id: interval.sides}
            draft = tracked_draft(project, video.key, run[0], run[-1], {object_id: joined}, sides, signals)
            yield replace(draft, payload={**draft.payload, "engine": record, "view": view})


def _runs(frames: Sequence[int]) -> Iterator[list[int]]:
    """The longest runs of consecutive frames."""
    run: list[int] = []
    for frame in frames:
        if run and frame != run[-1] + 1:
            yield run
            run = []
        run.append(frame)
    if run:
        yield run
