"""``--prompts FILE.json``: masks, points and boxes of any objects in any frames.

::

    {
      "version": 1,
      "targets": [
        {"id": 1, "name": "dog", "mask": "dog.png"},
        {"id": 2, "frame": 40, "box": [120, 80, 310, 400], "points": [[200, 150], [130, 390, "-"]]},
        {"frame": 75, "mask": "all_objects.png"}
      ]
    }
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ..documents import read_json, shown
from ..errors import InputError, PromptError
from ..names import check_name
from ..prompts import Prompt, Target
from .box import box_prompt
from .mask import read_masks
from .mask_values import MaskValues
from .merge import merge_targets
from .point import SIGNS, point_prompt
from .syntax import object_id

VERSION = 1
"""Version of the schema; it changes when a file means something else than before."""
FILE_KEYS = ("version", "targets")
TARGET_KEYS = ("id", "frame", "name", "mask", "points", "box")


def parse_prompt_file(text: str, frame: int, values: MaskValues = MaskValues.AUTO) -> list[Target]:
    """The targets in a prompt file; those that say no frame are of frame ``frame``.

    ``values`` is how the values of its mask files are read.

    Raises:
        PromptError: if the file is missing or malformed; the message says where in it.
    """
    path = Path(text)
    return parse_prompt_content(_load(path), path, frame, values)


def parse_prompt_content(
    content: Mapping[str, Any], path: Path, frame: int, values: MaskValues = MaskValues.AUTO
) -> list[Target]:
    """The targets in the content of a prompt file; ``path`` names it, and masks are relative to its folder.

    Raises:
        PromptError: if it is malformed; the message says where in it.
    """
    _check_keys(content, FILE_KEYS, str(path))
    version = content.get("version")
    if version != VERSION or isinstance(version, bool):
        raise PromptError(f'{path} has version {shown(version)}; write "version": {VERSION}')
    entries = content.get("targets")
    if not isinstance(entries, list) or not entries:
        raise PromptError(
            f'"targets" in {path} must be a list with at least one target, got {shown(entries)}'
        )
    return [
        target
        for number, entry in enumerate(entries)
        for target in _parse_target(entry, frame, path, f"targets[{number}] of {path}", values)
    ]


def _load(path: Path) -> dict[str, Any]:
    try:
        content = read_json(path)
    except FileNotFoundError as error:
        raise PromptError(f"there is no prompt file {path}") from error
    except (OSError, ValueError) as error:
        raise PromptError(f"cannot read the prompt file {path}: {error}") from error
    if not isinstance(content, dict):
        raise PromptError(
            f"{path} must hold an object with {_listed(FILE_KEYS)}, got a {type(content).__name__}"
        )
    return content


def _parse_target(entry: Any, frame: int, path: Path, where: str, values: MaskValues) -> list[Target]:
    """The target of an entry; several if its mask shows several objects and it names no id."""
    if not isinstance(entry, dict):
        raise PromptError(
            f"{where} must be an object with some of {_listed(TARGET_KEYS)}, got {shown(entry)}"
        )
    _check_keys(entry, TARGET_KEYS, where)
    index, name = _frame_index(entry.get("frame", frame), where), _name(entry.get("name"), where)
    if "id" not in entry:
        if "mask" not in entry or "points" in entry or "box" in entry or name is not None:
            raise PromptError(f'{where} needs an "id"; only a mask with nothing else has ids of its own')
        masks = read_masks(_mask_path(entry["mask"], path, where), values)
        return [Target(number, Prompt(mask=mask), index) for number, mask in masks.items()]
    number = object_id(entry["id"], f"in {where}")
    prompts = list(_prompts(entry, number, path, where, values))
    if not prompts:
        raise PromptError(f'{where} needs a "mask", "points" or a "box"')
    return merge_targets(Target(number, prompt, index, name) for prompt in prompts)


def _prompts(
    entry: Mapping[str, Any], number: int, path: Path, where: str, values: MaskValues
) -> Iterable[Prompt]:
    if "mask" in entry:
        mask_path = _mask_path(entry["mask"], path, where)
        masks = read_masks(mask_path, values)
        if number not in masks and len(masks) > 1:
            raise PromptError(
                f"{mask_path} shows objects {', '.join(map(str, masks))}, and not {number} as {where} says"
            )
        yield Prompt(mask=masks[number] if number in masks else next(iter(masks.values())))
    if "points" in entry:
        yield point_prompt(_points(entry["points"], where), f"in {where}")
    if "box" in entry:
        box = entry["box"]
        if not isinstance(box, list) or len(box) != 4:
            raise PromptError(f'"box" in {where} must be [x0, y0, x1, y1], got {shown(box)}')
        yield box_prompt(box, f"in {where}")


def _points(value: Any, where: str) -> list[tuple[Any, Any, str]]:
    form = f'"points" in {where} must be a list of [x, y] on the object or [x, y, "-"] off it'
    if not isinstance(value, list) or not value:
        raise PromptError(f"{form}, got {shown(value)}")
    points = []
    for point in value:
        if (
            not isinstance(point, list)
            or len(point) not in (2, 3)
            or (len(point) == 3 and point[2] not in SIGNS)
        ):
            raise PromptError(f"{form}, got {shown(point)}")
        points.append((point[0], point[1], point[2] if len(point) == 3 else "+"))
    return points


def _mask_path(value: Any, path: Path, where: str) -> Path:
    """A mask's path, relative to the folder of the prompt file."""
    if not isinstance(value, str) or not value:
        raise PromptError(
            f'"mask" in {where} must be the path of a mask, relative to {path.parent}; got {shown(value)}'
        )
    return path.parent / value


def _frame_index(value: Any, where: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < 1 << 31:
        raise PromptError(f'"frame" in {where} must be a frame index, counted from 0; got {shown(value)}')
    return value


def _name(value: Any, where: str) -> str | None:
    if value is not None and not isinstance(value, str):
        raise PromptError(f'"name" in {where} must be text, got {shown(value)}')
    if not value or value.isspace():
        return None
    try:
        return check_name(value, "object name")
    except InputError as error:
        raise PromptError(f"{where}: {error}") from error


def _check_keys(content: Mapping[str, Any], known: tuple[str, ...], where: str) -> None:
    for key in content:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=3)
            hint = f"did you mean {_listed(near)}?" if near else f"known: {_listed(known)}"
            raise PromptError(f'unknown key "{shown(key)[1:-1]}" in {where}; {hint}')


def _listed(keys: Iterable[str]) -> str:
    return ", ".join(f'"{key}"' for key in keys)
