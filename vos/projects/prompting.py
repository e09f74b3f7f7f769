"""Anchors from prompts, and prompts from anchors: the bridge to ``vos track``."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from ..errors import OutputError, PromptError
from ..files import make_folder, replacing, write_text_atomic
from ..prompting.decoding import decode_prompts, needs_backbone
from ..prompting.prompt_file import VERSION
from ..prompts import Target
from ..runs.models import INTERACTIVE, backbone_of
from ..trackers.registry import split_model
from .engine import engine_of, segmenter_record
from .events import MAX_PROJECT_OBJECT, Draft, Event
from .shown import mask_of_anchor

if TYPE_CHECKING:
    from ..backbones.base import Backbone
    from .project import Project
    from .project_file import ProjectSettings

logger = logging.getLogger(__name__)

PROMPTS = "prompts.json"


def anchor_targets(project: Project, video: str, targets: Sequence[Target]) -> list[Event]:
    """Make what was prompted anchors of a video: all or none. Objects that are not there yet are added.

    Points and boxes are decoded to masks by the backbone that goes with the project's tracker; points on an
    object that has a mask there correct that mask.

    Raises:
        PromptError: if a target does not fit its frame or is not found in it, or has an id above 254.
    """
    if not targets:
        return []
    too_high = [target.object_id for target in targets if target.object_id > MAX_PROJECT_OBJECT]
    if too_high:
        raise PromptError(f"object {too_high[0]}: ids of a project are 1..{MAX_PROJECT_OBJECT}")
    backbone, by = _segmenter(project.settings) if any(map(needs_backbone, targets)) else (None, {})
    drafts = []
    added: set[int] = set()
    for target in targets:
        if target.object_id not in project.state.objects and target.object_id not in added:
            added.add(target.object_id)
            drafts.append(Draft("object", {"object": target.object_id, "name": target.name or ""}))
    ordered = sorted(targets, key=lambda target: target.frame_index)
    with project.open_video(video) as source:
        for index, group in groupby(ordered, key=lambda target: target.frame_index):
            project.check_frame(video, index)
            frame = next(iter(source.frames(index, index + 1)))
            given = list(group)
            prompted = {target.object_id: target for target in given}
            for decoded in decode_prompts(frame, given, backbone, project.frame(video, index)):
                drafts.append(_anchor(project, video, prompted[decoded.object_id], decoded, by))
    return [event for event in project.append(drafts) if event.kind == "anchor"]


def _segmenter(settings: ProjectSettings) -> tuple[Backbone, dict[str, Any]]:
    """What decodes points and boxes, and how that is recorded."""
    engine = engine_of(settings)
    tracker = engine.build()
    model, backbone = split_model(settings.model, settings.backbone)
    name = INTERACTIVE if tracker.info.backbone is None else backbone or model
    return backbone_of(tracker), segmenter_record(name, engine.record["options"])


def _anchor(project: Project, video: str, prompted: Target, decoded: Target, by: Mapping[str, Any]) -> Draft:
    assert decoded.prompt.mask is not None
    payload: dict[str, Any] = {
        "video": video,
        "frame": decoded.frame_index,
        "object": decoded.object_id,
        "mask": project.put_mask(video, decoded.prompt.mask),
        "origin": "clicked" if needs_backbone(prompted) else "imported",
    }
    if needs_backbone(prompted):
        payload["by"] = dict(by)
    prompt = prompted.prompt
    parts = {"points": prompt.points, "labels": prompt.labels, "box": prompt.box}
    described = {name: array.tolist() for name, array in parts.items() if array is not None}
    return Draft("anchor", {**payload, "prompt": described} if described else payload)


def write_prompts(project: Project, folder: str | os.PathLike[str], video: str | None = None) -> Path:
    """Write the anchors of a video as a prompt file, ``prompts.json``, with their masks beside it.

    Raises:
        OutputError: if the folder has a prompt file already, is named like one, or cannot be written to.
        PromptError: if there are no anchors.
    """
    entry = project.video(video)
    if Path(folder).suffix == ".json" and not Path(folder).is_dir():
        raise OutputError(f"{folder}: name a folder; {PROMPTS} and the masks are written into it")
    root = make_folder(folder)
    path = root / PROMPTS
    if path.exists():
        raise OutputError(f"{path} is there already; choose another folder")
    state = project.state
    targets, absent = [], 0
    for object_id in state.visible:
        for frame, anchor in sorted(state.track(entry.key, object_id).anchors.items()):
            if anchor.mask is None:
                absent += 1
                continue
            name = f"{object_id}_{frame:06d}.png"
            image = mask_of_anchor(anchor, project.blobs, entry.size).astype(np.uint8) * 255
            with replacing(root / name) as temporary:
                Image.fromarray(image).save(temporary, "PNG")
            target = {"id": object_id, "frame": frame, "mask": name}
            if state.objects[object_id].name:
                target["name"] = state.objects[object_id].name
            targets.append(target)
    if not targets:
        raise PromptError(f"video {entry.key!r} has no anchors that show an object")
    if absent:
        logger.warning("%d anchors mark an object as absent, which a prompt file cannot express", absent)
    write_text_atomic(path, json.dumps({"version": VERSION, "targets": targets}, indent=2) + "\n")
    return path
