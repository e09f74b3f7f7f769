"""One line of a manifest: what to track in which video."""

from __future__ import annotations

import contextlib
import dataclasses
import difflib
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...documents import read_json
from ...errors import MediaError, PromptError, SettingsError
from ...prompting.class_names import ClassNames
from ...prompting.parsing import PromptedVideo, check_targets, load_prompts, merge_targets
from ...prompting.prompt_file import parse_prompt_content
from ...prompts import Target
from ...settings import named_recipe, override
from ...video.sizes import parse_size
from ..fingerprint import fingerprint_file, fingerprint_images
from ..settings import TrackSettings
from .store import is_url, join

ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
SETTINGS_FIELDS = ("model", "start", "end", "stride", "size", "outputs")
"""Fields of a line that are settings of a run."""


@dataclass(frozen=True)
class Task:
    """One video to track."""

    id: str
    video: str
    prompts: str | Mapping[str, Any] | None = None
    """A prompt file, or its content."""
    mask: tuple[str, ...] = ()
    points: tuple[str, ...] = ()
    boxes: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()
    frame: int | None = None
    start: int | None = None
    end: int | None = None
    stride: int | None = None
    size: str | None = None
    model: str | None = None
    recipe: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    outputs: tuple[str, ...] | None = None
    weight: float | None = None
    meta: Any = None


def _text(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("text")
    return value


def _texts(value: Any) -> tuple[str, ...]:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values:
        raise ValueError("text or a list of texts")
    try:
        return tuple(_text(item) for item in values)
    except ValueError:
        raise ValueError("text or a list of texts") from None


def _count(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError("a whole number of 0 or more")
    return value


def _weight(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < float("inf"):
        raise ValueError("a number of 0 or more")
    return float(value)


def _mapping(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError("an object")
    return value


def _size(value: Any) -> str:
    if isinstance(value, list) and len(value) == 2:
        value = f"{value[0]}x{value[1]}"
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise ValueError('a length of the shorter side, or "WIDTHxHEIGHT"')
    return str(value)


def _prompts(value: Any) -> str | dict[str, Any]:
    if not isinstance(value, (str, dict)) or not value:
        raise ValueError("the path of a prompt file, or its content")
    return value


CHECKS: dict[str, Callable[[Any], Any]] = {
    "id": _text,
    "video": _text,
    "prompts": _prompts,
    "mask": _texts,
    "points": _texts,
    "boxes": _texts,
    "classes": _texts,
    "frame": _count,
    "start": _count,
    "end": _count,
    "stride": _count,
    "size": _size,
    "model": _text,
    "recipe": _text,
    "options": _mapping,
    "outputs": _texts,
    "weight": _weight,
    "meta": lambda value: value,
}
"""Field of a line -> function that checks and converts its value; ValueError says what is allowed."""


def parse_task(line: Mapping[str, Any], where: str) -> Task:
    """The task of a manifest line.

    Args:
        line: its fields; None means "not given".
        where: names the line in messages.

    Raises:
        SettingsError: an unknown field, a value of the wrong type, no video, nothing to track, or an id
            that cannot name a folder.
    """
    values: dict[str, Any] = {}
    for key, value in line.items():
        check = CHECKS.get(key)
        if check is None:
            near = difflib.get_close_matches(key, CHECKS, n=3)
            hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(CHECKS)}"
            raise SettingsError(f"{where}: unknown field {key!r}; {hint}")
        if value is None:
            continue
        try:
            values[key] = check(value)
        except ValueError as error:
            raise SettingsError(f"{where}: {key} must be {error}, got {value!r}") from None
    if "video" not in values:
        raise SettingsError(f"{where}: no video; every line needs the path or URL of one")
    if "id" not in values:
        values["id"] = Path(values["video"].rstrip("/")).stem
    if not ID.fullmatch(values["id"]):
        raise SettingsError(
            f"{where}: the id {values['id']!r} cannot name a folder: give an id of up to 128 of "
            "A-Z a-z 0-9 . _ - that begins with a letter or a digit"
        )
    given = [name for name in ("mask", "points", "boxes", "prompts") if name in values]
    if not given and "classes" not in values:
        raise SettingsError(f"{where}: nothing to track; give mask, points, boxes, prompts or classes")
    if given and "classes" in values:
        raise SettingsError(f"{where}: classes and {given[0]} exclude each other: give one of them")
    return Task(**values)


def settings_of(task: Task, base: TrackSettings) -> TrackSettings:
    """The settings of a task: the command line's, the line's recipe, its fields, its options on top.

    Raises:
        SettingsError: one is unknown or wrong.
    """
    fields = {name: getattr(task, name) for name in SETTINGS_FIELDS}
    if task.size is not None:
        fields["size"] = parse_size(task.size)
    recipe = named_recipe(task.recipe) if task.recipe is not None else {}
    try:
        return override(base, recipe, fields, task.options)
    except SettingsError as error:
        raise SettingsError(f"task {task.id}: {error}") from error


def targets_of(
    task: Task, folder: str, video: PromptedVideo | None, start: int = 0
) -> list[Target] | ClassNames:
    """What to track in a task's video.

    Args:
        task: its prompts.
        folder: local folder that paths are relative to.
        video: the frames, so that what does not fit them is refused; None checks the prompts alone.
        start: the frame that prompts belong to unless they say otherwise.

    Raises:
        PromptError: see :func:`~vos.prompting.parsing.load_prompts`.
    """
    if task.classes:
        return ClassNames(task.classes)
    frame = start if task.frame is None else task.frame
    targets: list[Target] = []
    files = []
    if isinstance(task.prompts, str):
        files.append(join(folder, task.prompts))
    elif task.prompts is not None:
        place = Path(folder, f"prompts of {task.id}")
        targets += parse_prompt_content(task.prompts, place, frame)
    masks = [join(folder, mask) for mask in task.mask]
    if masks or task.points or task.boxes or files:
        targets += load_prompts(
            masks=masks, points=task.points, boxes=task.boxes, prompt_files=files, frame=frame, video=video
        )
    merged = merge_targets(targets)
    if video is not None:
        check_targets(merged, (video.info.height, video.info.width))
    return merged


def files_of(task: Task, folder: str) -> dict[str, str]:
    """Files and folders that the prompts of a task are in: as written in the line -> where it is."""
    names = [*task.mask, *([task.prompts] if isinstance(task.prompts, str) else [])]
    found = {name: join(folder, name) for name in names}
    content, base = task.prompts, folder
    if isinstance(task.prompts, str):
        place = join(folder, task.prompts)
        if is_url(place):
            return found
        base = os.path.dirname(place)
        try:
            content = read_json(place)
        except (OSError, ValueError) as error:
            raise PromptError(f"cannot read the prompt file {place}: {error}") from error
    targets = content.get("targets") if isinstance(content, Mapping) else None
    for entry in targets if isinstance(targets, list) else ():
        if isinstance(entry, Mapping) and isinstance(entry.get("mask"), str):
            name = entry["mask"]
            if isinstance(task.prompts, str):
                name = join(os.path.dirname(task.prompts), name)
            found[name] = join(base, entry["mask"])
    return found


def identity_of_task(
    task: Task, folder: str, settings: TrackSettings, video: Mapping[str, Any]
) -> dict[str, Any]:
    """What makes a task what it is: settings, prompts by content, and the video; not where they are.

    Args:
        task: a line of the manifest.
        folder: local folder that its paths are relative to.
        settings: see :func:`settings_of`.
        video: see :func:`video_identity`.

    Raises:
        PromptError: a prompt file cannot be read.
    """
    prompts: dict[str, Any] = {
        name: list(getattr(task, name)) for name in ("points", "boxes", "classes") if getattr(task, name)
    }
    if task.frame is not None:
        prompts["frame"] = task.frame
    if isinstance(task.prompts, Mapping):
        prompts["prompts"] = task.prompts
    try:
        prompts["files"] = [_digest(place) for place in files_of(task, folder).values()]
    except (OSError, MediaError) as error:
        raise PromptError(f"cannot read a prompt of task {task.id}: {error}") from error
    document = {"settings": dataclasses.asdict(settings), "prompts": prompts, "video": dict(video)}
    identity: dict[str, Any] = json.loads(json.dumps(document))
    return identity


def with_listed_files(identity: Mapping[str, Any], task: Task, folder: str) -> dict[str, Any]:
    """An identity of earlier releases, which had prompt files by their names, as :func:`identity_of_task`
    gives it; any other as it is."""
    files = identity.get("prompts", {}).get("files")
    if not isinstance(files, Mapping):
        return dict(identity)
    names = [name for name in files_of(task, folder) if name in files]
    listed = [files[name] for name in (names if len(names) == len(files) else files)]
    return {**identity, "prompts": {**identity["prompts"], "files": listed}}


def mark_of(task: Task, folder: str, settings: TrackSettings) -> str:
    """What changes when a task is corrected: its line and settings, and the sizes and times of its files."""
    places = [join(folder, task.video)]
    try:
        places += files_of(task, folder).values()
    except PromptError:  # the prompt file is what cannot be read
        places.append(join(folder, str(task.prompts)))
    facts: list[Any] = [dataclasses.asdict(task), dataclasses.asdict(settings)]
    for place in places:
        with contextlib.suppress(OSError):  # none, or in an object store
            stat = os.stat(place)
            facts.append([stat.st_size, stat.st_mtime_ns])
    return hashlib.sha256(json.dumps(facts, sort_keys=True, default=str).encode()).hexdigest()


def key_of(identity: Mapping[str, Any]) -> str:
    """SHA-256 of an identity as canonical JSON; the time of the file does not count."""
    video = {name: value for name, value in identity["video"].items() if name != "mtime_ns"}
    text = json.dumps({**identity, "video": video}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def video_identity(paths: Sequence[Path], is_images: bool, known: Mapping[str, Any] | None) -> dict[str, Any]:
    """Size, time and SHA-256 of a video; not hashed again where size and time are as ``known``.

    Raises:
        MediaError: it cannot be read.
    """
    try:
        stats = [path.stat() for path in paths]
    except OSError as error:
        raise MediaError(f"cannot read {error.filename}: {error.strerror}") from error
    facts = {"size": sum(stat.st_size for stat in stats), "mtime_ns": max(stat.st_mtime_ns for stat in stats)}
    if known is not None and all(known.get(name) == value for name, value in facts.items()):
        return dict(known)
    whole = fingerprint_images(paths) if is_images else fingerprint_file(paths[0])
    return {**facts, "sha256": whole["sha256"]}


def _digest(place: str) -> str:
    path = Path(place)
    if path.is_dir():
        files = sorted(entry for entry in path.iterdir() if entry.is_file())
        return str(fingerprint_images(files)["sha256"])
    return str(fingerprint_file(path)["sha256"])
