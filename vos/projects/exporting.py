"""What a project shows, for the writers of annotation formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from ..errors import InputError
from ..formats.reading import Annotations
from ..formats.records import FrameRecord, ObjectMask
from ..ops.rle import encode_counts
from .shown import shown_frame
from .state import FrameState, State

if TYPE_CHECKING:
    from ..video import Video
    from .project import Project
    from .project_file import ProjectVideo

ONLY = {
    "all": frozenset(FrameState),
    "accepted": frozenset({FrameState.ACCEPTED, FrameState.ANCHOR}),
    "anchors": frozenset({FrameState.ANCHOR}),
}
"""What may be exported -> the states of masks that belong to it."""


def project_annotations(
    project: Project,
    video: ProjectVideo,
    source: Video,
    frames: range | None = None,
    objects: Sequence[int] | None = None,
    only: str = "all",
    progress: Callable[[int], None] | None = None,
) -> Annotations:
    """What a project shows of a video, as it is now, for writers of formats.

    Args:
        source: the video, for the names and times of its frames.
        frames: to write; None for all.
        objects: ids; None for all that are visible.
        only: a key of :data:`ONLY`; frames without any such mask are left out, unless it is ``all``.
        progress: called with the index of every frame.

    Raises:
        InputError: for an unknown object, or another ``only``.
    """
    if only not in ONLY:
        raise InputError(f"only={only!r}: choose one of {', '.join(ONLY)}")
    state, wanted = project.state, ONLY[only]
    ids = list(state.visible) if objects is None else list(objects)
    unknown = [object_id for object_id in ids if object_id not in state.visible]
    if unknown:
        raise InputError(f"there is no object {unknown[0]}; the project has {list(state.visible)}")
    stems = [path.stem for path in source.paths] if source.is_images else None
    files = [path.name for path in source.paths] if source.is_images else None

    times = source.times()

    def records() -> Iterator[FrameRecord]:
        for index in range(video.frames) if frames is None else frames:
            if progress is not None:
                progress(index)
            # A frame that was not reviewed is not one without objects.
            if not any(state.track(video.key, k).state(index) in wanted for k in ids) and only != "all":
                continue
            found = _objects(project, state, video, index, ids, wanted)
            name = stems[index] if stems else f"{index:05d}"
            file = files[index] if files else None
            yield FrameRecord(index, name, video.size, found, file, times.get(index))

    infos = {object_id: state.objects[object_id] for object_id in ids}
    return Annotations(
        records,
        video.key,
        {object_id: info.name for object_id, info in infos.items() if info.name},
        {object_id: info.category for object_id, info in infos.items() if info.category},
        video.fps,
    )


def _objects(
    project: Project,
    state: State,
    video: ProjectVideo,
    index: int,
    ids: Sequence[int],
    wanted: frozenset[FrameState],
) -> tuple[ObjectMask, ...]:
    result = shown_frame(state, project.blobs, video.key, index, video.size)
    kept = [
        object_id
        for object_id in sorted(ids)
        if object_id in result.confidence and state.track(video.key, object_id).state(index) in wanted
    ]
    return tuple(
        ObjectMask(
            object_id,
            encode_counts(result.mask(object_id)),
            result.confidence[object_id],
            result.source[object_id].value,
        )
        for object_id in kept
    )
