"""Masks that were made elsewhere, brought into a project."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import InputError
from ..formats.reading import Annotations
from ..trackers.intervals import PackedMask
from .events import MAX_PROJECT_OBJECT, ConflictError, Draft, Event
from .folding import foretell
from .recording import import_drafts
from .signals import SignalValues
from .state import State

if TYPE_CHECKING:
    from .project import Project

IDS = ("same", "new")
"""Whether an id of a file is the object of that id in the project, or one of its own."""


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


def match_ids(state: State, theirs: Iterable[int], how: str | None = None) -> dict[int, int]:
    """Id in a file -> id in the project.

    Args:
        state: of the project.
        theirs: ids in the file.
        how: one of :data:`IDS`; None refuses ids that the project has already.

    Raises:
        InputError: for such an id, one that is too high, or too many objects.
    """
    if how not in (None, *IDS):
        raise InputError(f"ids {how!r}: choose one of {', '.join(IDS)}")
    theirs = list(theirs)
    known = state.objects
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
    free = state.free_ids
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
    began = project.state
    own = match_ids(began, sorted({*tracked, *(object_id for object_id, _ in given)}), ids)
    if not own:
        raise InputError(f"{source or 'the file'} holds no masks")
    import_record = Draft("import", {"what": "masks", "from": source, "digests": dict(digests or {})})
    known: dict[Hashable, SignalValues] = {}
    while True:
        counter = project.counter
        state, view = project.snapshot()
        own = _kept_apart(own, began, state)
        drafts = [_object(annotations, k, own[k]) for k in own if own[k] not in state.objects]
        for (k, frame), digest in given.items():
            payload = {"video": entry.key, "frame": frame, "object": own[k], "mask": digest}
            drafts.append(Draft("anchor", {**payload, "origin": "imported"}))
        drafts.append(import_record)
        # All is one action, so that undo takes all of it back.
        after = foretell(state, view, project.writer, drafts)
        results = [
            draft
            for k, masks in sorted(tracked.items())
            for draft in import_drafts(project, after, view, entry, own[k], masks, known)
        ]
        try:
            events = project.append([*drafts, *results], expect=counter)
        except ConflictError:
            continue  # little is left to do: the signals are known, except where masks have changed
        count = sum(draft.payload["last"] - draft.payload["first"] + 1 for draft in results)
        return Imported(tuple(events), len(given), count, tuple(sorted(own.values())))


def _kept_apart(own: Mapping[int, int], began: State, state: State) -> dict[int, int]:
    """The ids, with others for new objects whose ids have been taken since the import began."""
    free = [k for k in state.free_ids if k not in own.values()]
    taken = [k for k in own if own[k] not in began.objects and own[k] in state.objects]
    if len(free) < len(taken):
        raise InputError(f"{len(taken)} more objects are needed, the project has room for {len(free)}")
    return {**own, **dict(zip(taken, free, strict=False))}


def _object(annotations: Annotations, theirs: int, object_id: int) -> Draft:
    name, category = annotations.names.get(theirs, ""), annotations.categories.get(theirs, "")
    return Draft("object", {"object": object_id, "name": name, "category": category})
