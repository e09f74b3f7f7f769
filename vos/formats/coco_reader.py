"""COCO JSON of any tool: run lengths of both kinds, polygons, boxes; with or without videos and tracks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from ..ops.boxes import Box, inclusive_box
from ..ops.polygons import fill, fill_centres
from ..ops.rle import Counts, check_size, encode_counts, parse_coco_rle
from ..results import Source
from .reading import (
    Annotations,
    BoxPrompt,
    IdMap,
    Request,
    base_name,
    choose_sequence,
    distinct_names,
    frame_numbers,
    load_json,
    merged,
    natural_key,
)
from .records import UNNAMED, FrameRecord, ObjectMask


def read_coco(path: Path, request: Request) -> Annotations:
    """Masks by image. Masks are grouped into objects by ``object_id``, ``track_id``, ``instance_id`` or
    ``attributes.track_id``; without any, every annotation is an object of its own."""
    data = load_json(path)
    if not isinstance(data, dict):
        raise ValueError("it holds a list: results without images; give the file with images and annotations")
    images, sequence, fps, tracks = _parts_of_video(data, request, path)
    annotations: dict[Any, list[dict[str, Any]]] = {image["id"]: [] for image in images}
    known = {image["id"] for image in data["images"]}
    if len(known) < len(data["images"]):
        raise ValueError(f"the image id {_twice(i['id'] for i in data['images'])!r} occurs twice")
    for annotation in data["annotations"]:
        if annotation["image_id"] not in known:
            raise ValueError(f"an annotation is of image {annotation['image_id']!r}, which is not there")
        if annotation["image_id"] in annotations:
            annotations[annotation["image_id"]].append(annotation)
    chosen = [a for image in images for a in annotations[image["id"]]]
    alone = [a for a in chosen if _track(a) is None]
    if len({a["id"] for a in alone}) < len(alone):
        raise ValueError(f"the annotation id {_twice(a['id'] for a in alone)!r} occurs twice")

    def identity(annotation: dict[str, Any]) -> Any:
        track = _track(annotation)
        if track is not None:
            return track
        return annotation["id"] if len(alone) == len(chosen) else f"annotation {annotation['id']}"

    ids = IdMap([*(t.get("object_id", t["id"]) for t in tracks), *map(identity, chosen)])
    names, categories = _names(
        data, tracks, {ids[identity(a)]: a for a in chosen if a.get("category_id") is not None}, ids
    )
    notes = ids.notes()
    if chosen and len(alone) == len(chosen):
        notes.append("no annotation has a track id: every annotation is an object of its own")
    stems = [Path(base_name(image["file_name"])).stem for image in images]
    numbers = _numbers(images, stems)

    def records() -> Iterator[FrameRecord]:
        for image, number, stem in zip(images, numbers, stems, strict=True):
            size = check_size([image["height"], image["width"]])
            masks = [
                ObjectMask(ids[identity(a)], counts, a.get("score"), _source(a), int(a.get("z_order", 0)))
                for a in annotations[image["id"]]
                if (counts := _counts(a, size)) is not None
            ]
            file_name = base_name(image["file_name"])
            yield FrameRecord(number, stem, size, merged(masks, size), file_name, image.get("time"))

    boxes = [
        BoxPrompt(number, stem, ids[identity(a)], _box(a["bbox"]))
        for image, number, stem in zip(images, numbers, stems, strict=True)
        for a in annotations[image["id"]]
        if not a.get("segmentation") and a.get("bbox")
    ]
    return Annotations(records, sequence, names, categories, fps, boxes, notes, ids.changed)


def _parts_of_video(
    data: dict[str, Any], request: Request, path: Path
) -> tuple[list[dict[str, Any]], str, float | None, list[dict[str, Any]]]:
    """Images, name, rate and tracks of the video that is asked for."""
    images = data["images"]
    tracks = [track for track in data.get("tracks") or () if "id" in track]
    videos = distinct_names(
        data.get("videos") or (), lambda v: str(v.get("name", v["id"])), lambda v: str(v["id"])
    )
    if not videos:
        return images, path.stem, None, tracks
    sequence = choose_sequence(list(videos), request.sequence)
    number = videos[sequence]["id"]
    return (
        [image for image in images if image.get("video_id") == number],
        sequence,
        videos[sequence].get("fps"),
        [track for track in tracks if track.get("video_id", number) == number],
    )


def _numbers(images: list[dict[str, Any]], stems: list[str]) -> list[int]:
    for key in ("frame_index", "frame_id"):
        if all(type(image.get(key)) is int and image[key] >= 0 for image in images):
            numbers = [image[key] for image in images]
            break
    else:
        order = sorted(range(len(stems)), key=lambda n: natural_key(stems[n]))
        images[:] = [images[n] for n in order]
        stems[:] = [stems[n] for n in order]
        numbers = frame_numbers(stems)
    order = sorted(range(len(numbers)), key=lambda n: numbers[n])
    images[:] = [images[n] for n in order]
    stems[:] = [stems[n] for n in order]
    return [numbers[n] for n in order]


def _track(annotation: dict[str, Any]) -> Any:
    """What says which object an annotation is of; None where nothing does."""
    attributes = annotation.get("attributes")
    places = (annotation, annotation, annotation, attributes if isinstance(attributes, dict) else {})
    keys = ("object_id", "track_id", "instance_id", "track_id")
    return next((p[key] for p, key in zip(places, keys, strict=True) if p.get(key) is not None), None)


def _twice(values: Iterable[Any]) -> Any:
    """The first value that occurs for the second time."""
    seen: set[Any] = set()
    for value in values:
        if value in seen:
            break
        seen.add(value)
    return value


def _source(annotation: dict[str, Any]) -> str | None:
    """Where a mask comes from, in our words; those of other programs say nothing to us."""
    source = annotation.get("source")
    return source if source in list(Source) else None


def _names(
    data: dict[str, Any], tracks: list[dict[str, Any]], annotations: dict[int, dict[str, Any]], ids: IdMap
) -> tuple[dict[int, str], dict[int, str]]:
    """Names and categories of objects, of each of which there is an annotation; a category that is only the
    name, or none, is left out."""
    listed = {category["id"]: str(category["name"]) for category in data.get("categories", ())}
    categories = {
        k: listed[a["category_id"]] for k, a in annotations.items() if a.get("category_id") in listed
    }
    names: dict[int, str] = {}
    for track in tracks:
        if "name" in track:
            object_id = ids[track.get("object_id", track["id"])]
            names[object_id] = str(track["name"])
            if track.get("category_id") in listed:
                categories[object_id] = listed[track["category_id"]]
    if not names:
        names = dict(categories)
    categories = {k: text for k, text in categories.items() if text != names.get(k) and text != UNNAMED}
    names = {k: text for k, text in names.items() if text != UNNAMED and text != categories.get(k)}
    return names, categories


def _counts(annotation: dict[str, Any], size: tuple[int, int]) -> Counts | None:
    """Of a mask or of polygons; None where there are none."""
    segmentation = annotation.get("segmentation")
    if not segmentation:
        return None
    if isinstance(segmentation, dict):
        return parse_coco_rle(segmentation, size)
    paths = []
    for polygon in segmentation:
        if len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"a polygon of annotation {annotation.get('id')} has {len(polygon)} numbers")
        paths.append(np.array(polygon, dtype=np.float64).reshape(-1, 2))
    draw = fill if _is_of_pixels(np.concatenate(paths), annotation.get("bbox")) else fill_centres
    return encode_counts(draw(paths, size))


def _is_of_pixels(points: np.ndarray, box: Any) -> bool:
    """Whether polygons go through pixels and not around them: they are of whole numbers, and their box is a
    pixel wider and higher than they are."""
    if not isinstance(box, list) or len(box) != 4 or (points % 1).any():
        return False
    beyond = np.array(box[2:], dtype=np.float64) - np.ptp(points, axis=0)
    return bool((np.abs(beyond - 1) < 0.01).all())


def _box(values: Any) -> Box:
    x, y, width, height = (float(value) for value in values)
    return inclusive_box(x, y, width, height)
