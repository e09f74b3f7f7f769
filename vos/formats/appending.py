"""Another video added to an export that is there: files side by side, lists and descriptions joined."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import yaml

from ..errors import OutputError
from .reading import load_json, load_text
from .records import Join, dumps


def join_exports(earlier: Path, new: Path, joins: Mapping[str, Join]) -> None:
    """Add what is in the folder of an earlier export to a new one.

    Args:
        earlier: the folder.
        new: likewise, of another video.
        joins: what to do with a file that both have, by pattern of its path below the folder.

    Raises:
        OutputError: a file is in both and cannot be joined, as when the video was exported before.
    """
    for file in sorted(p for p in earlier.rglob("*") if p.is_file()):
        name = file.relative_to(earlier).as_posix()
        target = new / name
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            _link(file, target)
            continue
        join = next((join for pattern, join in joins.items() if fnmatch(name, pattern)), None)
        if join is None:
            raise OutputError(f"{file} is there already: choose another --sequence or another place")
        try:
            join(file, target)
        except ValueError as error:
            raise OutputError(f"cannot add to {file}: {error}") from error


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system, or none with links
        shutil.copyfile(source, target)


def join_lines(earlier: Path, new: Path) -> None:
    """Lines of both, each once: lists of videos, or of their images."""
    lines = load_text(earlier).splitlines()
    added = [line for line in load_text(new).splitlines() if line not in set(lines)]
    if not added:
        raise ValueError("the video is there already: choose another --sequence")
    new.write_text("".join(f"{line}\n" for line in lines + added), encoding="utf-8", newline="\n")


def join_names_by_line(earlier: Path, new: Path) -> None:
    """Names whose number is that of their line."""
    before, after = load_text(earlier).splitlines(), load_text(new).splitlines()
    for number, (one, other) in enumerate(zip(before, after, strict=False), start=1):
        if one != other:
            raise ValueError(f"class {number} is {one!r} there and {other!r} here")
    longer = max(before, after, key=len)
    new.write_text("".join(f"{line}\n" for line in longer), encoding="utf-8", newline="\n")


def join_videos_by_name(earlier: Path, new: Path) -> None:
    """``{"videos": {name: ...}}``, as of YouTube-VOS and LVOS."""
    videos: dict[str, Any] = load_json(earlier)["videos"]
    added = load_json(new)["videos"]
    _refuse_known(set(videos) & set(added))
    new.write_text(dumps({"videos": videos | added}) + "\n", encoding="ascii", newline="\n")


def join_tables(earlier: Path, new: Path) -> None:
    """Rows of both CSV files, whose first column is the video."""
    head, *before = load_text(earlier).splitlines(keepends=True)
    first, *after = load_text(new).splitlines(keepends=True)
    if head != first:
        raise ValueError("its columns are others")
    _refuse_known({line.split(",")[0] for line in before} & {line.split(",")[0] for line in after})
    new.write_text("".join([head, *before, *after]), encoding="utf-8", newline="")


def yaml_text(text: str) -> str:
    """Text for a YAML file, on one line and in ASCII: unlike JSON's, its escapes have no surrogate pairs."""
    return str(yaml.dump(text, default_style='"', width=1 << 30)).strip()


def join_yolo_data(earlier: Path, new: Path) -> None:
    """``data.yaml``: the classes of both, and the splits that there are."""
    one, other = (yaml.safe_load(load_text(path)) for path in (earlier, new))
    names: dict[int, str] = one["names"] | other["names"]
    changed = [n for n in one["names"] if names[n] != one["names"][n]]
    if changed:
        raise ValueError(f"class {changed[0]} is {one['names'][changed[0]]!r} there")
    splits = [k for k in ("train", "val", "test") if f"images/{k}" in (one.get(k), other.get(k))]
    folders = {key: f"images/{key if key in splits else splits[0]}" for key in ("train", "val")}
    folders |= {key: f"images/{key}" for key in splits}
    lines = ["path: .", *(f"{key}: {folder}" for key, folder in folders.items()), "names:"]
    lines += [f"  {number}: {yaml_text(name)}" for number, name in sorted(names.items())]
    new.write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def join_video_annotations(earlier: Path, new: Path) -> None:
    """COCO with videos, and YouTube-VIS with its results: the new video gets the numbers that follow."""
    one, other = load_json(earlier), load_json(new)
    if isinstance(one, list):
        last = max((entry["video_id"] for entry in one), default=0)
        both: Any = one + [entry | {"video_id": entry["video_id"] + last} for entry in other]
        new.write_text(dumps(both) + "\n", encoding="ascii", newline="\n")
        return
    _refuse_known({_video_name(v) for v in one["videos"]} & {_video_name(v) for v in other["videos"]})
    offsets = {
        key: max((entry["id"] for entry in one.get(key, ())), default=0)
        for key in ("videos", "images", "annotations", "tracks")
    }
    for key, of in (("videos", "videos"), ("images", "images"), ("annotations", "annotations")):
        for entry in other.get(key, ()):
            entry["id"] += offsets[of]
    for key, of in (("video_id", "videos"), ("image_id", "images")):
        for entry in [*other.get("images", ()), *other["annotations"]]:
            if key in entry:
                entry[key] += offsets[of]
    for entry in other["annotations"]:
        for key in {"track_id", "instance_id"} & set(entry):
            entry[key] += offsets["tracks"]
    for entry in other.get("tracks", ()):
        entry["id"] += offsets["tracks"]
        entry["video_id"] += offsets["videos"]
    categories = {entry["id"]: entry for entry in [*one["categories"], *other["categories"]]}
    both = one | {key: one[key] + other[key] for key in offsets if key in other}
    both["categories"] = [categories[number] for number in sorted(categories)]
    new.write_text(dumps(both) + "\n", encoding="ascii", newline="\n")


def _video_name(video: Mapping[str, Any]) -> str:
    if "name" in video:
        return str(video["name"])
    return str(video["file_names"][0]).split("/")[0] if video.get("file_names") else ""


def _refuse_known(names: set[str]) -> None:
    if names:
        raise ValueError(f"video {min(names)!r} is there already: choose another --sequence")
