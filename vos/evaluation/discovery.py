"""Average recall and precision of objects found without class names, by pycocotools."""

from __future__ import annotations

import contextlib
import io
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import PurePosixPath
from typing import Any, Literal

import numpy as np

from ..documents import read_json, shown
from ..errors import EvaluationError
from ..ops.rle import check_size, coco_rle, parse_coco_rle

Kind = Literal["segm", "bbox"]


@dataclass(frozen=True)
class DiscoveryScore:
    """Fractions 0..1 over all images of the ground truth; class names count nowhere.

    A figure without a number is the mean over IoU thresholds 0.50, 0.55, ..., 0.95.
    """

    ar: float
    ar50: float
    ar75: float
    ap: float
    ap50: float
    ap75: float
    max_detections: int
    """Of an image's detections only so many count, the best ones."""
    images: int
    """Of the ground truth."""
    images_without_result: int
    """Those of them without results: their objects count as missed."""
    objects: int
    """Of the ground truth, crowds apart."""
    detections: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    def table(self) -> str:
        """For people, in percent."""
        head = "      AR   AR50   AR75     AP   AP50   AP75"
        values = (self.ar, self.ar50, self.ar75, self.ap, self.ap50, self.ap75)
        row = "".join(f"{100 * value:7.1f}" for value in values)
        missing = f", {self.images_without_result} of them without a result" * (
            self.images_without_result > 0
        )
        return (
            f"{head[1:]}\n{row[1:]}\n"
            f"{self.objects} objects in {self.images} images{missing}; {self.detections} detections, "
            f"at most {self.max_detections} an image"
        )


def evaluate_discovery(
    results: str | os.PathLike[str],
    truth: str | os.PathLike[str],
    *,
    kind: Kind = "segm",
    max_detections: int = 100,
) -> DiscoveryScore:
    """Score a COCO file with ``score`` in its annotations against a COCO file of ground truth.

    Images go together by the stem of their file names. Finds in images that the ground truth does not have
    are left out.

    Args:
        results: such as ``vos discover`` writes.
        truth: any COCO instances file.
        kind: what has to overlap, masks or boxes.
        max_detections: detections of an image that count.

    Raises:
        EvaluationError: if a file is not of that form, or they have no image in common.
    """
    if max_detections < 1:
        raise EvaluationError(f"max_detections must be 1 or more, got {max_detections}")
    expected, found = _load(truth), _load(results)
    ids = _ids_by_stem(expected, truth)
    same = {image["id"]: ids.get(_stem(image)) for image in found["images"]}
    if not any(image_id is not None for image_id in same.values()):
        examples = [
            shown(content["images"][0]["file_name"]) if content["images"] else "(none)"
            for content in (found, expected)
        ]
        raise EvaluationError(
            f"{results} and {truth} have no image in common: file names such as {examples[0]} and "
            f"{examples[1]} are compared by stem"
        )
    sizes = {image["id"]: (image["height"], image["width"]) for image in expected["images"]}
    objects = [
        _plain(entry, i, kind, sizes.get(entry["image_id"]), truth)
        for i, entry in enumerate(expected["annotations"], start=1)
    ]
    detections: list[dict[str, Any]] = []
    for entry in found["annotations"]:
        if entry["image_id"] not in same:
            raise EvaluationError(
                f"annotation {shown(entry.get('id'))} of {results} is of image {shown(entry['image_id'])}, "
                "which the file does not list"
            )
        image_id = same[entry["image_id"]]
        if image_id is None:
            continue
        try:
            score = _number(entry.get("score"))
        except ValueError as error:
            raise EvaluationError(
                f"annotation {shown(entry.get('id'))} of {results} has no score: {error}"
            ) from None
        plain = _plain({**entry, "image_id": image_id}, len(detections) + 1, kind, sizes[image_id], results)
        detections.append({**plain, "iscrowd": 0, "score": score})
    recall, precision = _run(expected["images"], objects, detections, kind, max_detections)
    with_result = {image_id for image_id in same.values() if image_id is not None}
    return DiscoveryScore(
        ar=_mean(recall),
        ar50=_mean(recall[0]),
        ar75=_mean(recall[5]),
        ap=_mean(precision),
        ap50=_mean(precision[0]),
        ap75=_mean(precision[5]),
        max_detections=max_detections,
        images=len(expected["images"]),
        images_without_result=len(expected["images"]) - len(with_result),
        objects=sum(not entry["iscrowd"] for entry in objects),
        detections=len(detections),
    )


def _run(
    images: list[dict[str, Any]],
    objects: list[dict[str, Any]],
    detections: list[dict[str, Any]],
    kind: Kind,
    max_detections: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Recall (10,) and precision (10, 101) by IoU threshold, all sizes, all classes as one; -1: undefined."""
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    with contextlib.redirect_stdout(io.StringIO()):  # it reports its progress
        sides = []
        for annotations in (objects, detections):
            side = COCO()
            side.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1}]}
            side.createIndex()
            sides.append(side)
        scored = COCOeval(*sides, iouType=kind)
        scored.params.maxDets = [max_detections]
        scored.params.areaRng = [[0, 1e10]]
        scored.params.areaRngLbl = ["all"]
        scored.evaluate()
        scored.accumulate()
    recall: np.ndarray = scored.eval["recall"][:, 0, 0, 0]
    precision: np.ndarray = scored.eval["precision"][:, :, 0, 0, 0]
    return recall, precision


def _mean(values: np.ndarray) -> float:
    """Mean of what is defined; 0 where nothing is (there is no object)."""
    defined = np.asarray(values)[np.asarray(values) > -1]
    return float(defined.mean()) if defined.size else 0.0


def _load(path: str | os.PathLike[str]) -> dict[str, Any]:
    try:
        content = read_json(path)
    except (OSError, ValueError) as error:
        raise EvaluationError(f"cannot read {path}: {error}") from error
    try:
        seen: set[int | str] = set()
        for image in content["images"]:
            _key(image["id"])
            if image["id"] in seen:
                raise ValueError(f"two images have the id {shown(image['id'])}")
            seen.add(image["id"])
            PurePosixPath(image["file_name"])
            check_size([image["height"], image["width"]])
        for entry in content["annotations"]:
            _key(entry["image_id"])
    except (ValueError, KeyError, TypeError) as error:
        raise EvaluationError(
            f"{path} is not a COCO file: it needs images (id, file_name, width, height) and annotations "
            f"(image_id, ...): {type(error).__name__} {error}"
        ) from error
    loaded: dict[str, Any] = content
    return loaded


def _key(value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise TypeError(f"id {shown(value)} is neither a whole number nor text")


def _stem(image: Mapping[str, Any]) -> str:
    return PurePosixPath(image["file_name"].replace("\\", "/")).stem


def _ids_by_stem(content: Mapping[str, Any], path: str | os.PathLike[str]) -> dict[str, Any]:
    ids: dict[str, Any] = {}
    for image in content["images"]:
        if _stem(image) in ids:
            raise EvaluationError(
                f"two images of {path} are named {shown(_stem(image))}; images go by their stems"
            )
        ids[_stem(image)] = image["id"]
    return ids


def _plain(
    entry: Mapping[str, Any],
    number: int,
    kind: Kind,
    size: tuple[int, int] | None,
    path: str | os.PathLike[str],
) -> dict[str, Any]:
    """An annotation of the one class there is here, numbered from 1, with all that is decoded later checked.

    ``size`` is (height, width) of its image.
    """
    where = f"annotation {shown(entry.get('id', number))} of {path}"
    needed = "segmentation" if kind == "segm" else "bbox"
    if needed not in entry:
        raise EvaluationError(
            f"{where} has no {needed}; score {'boxes (bbox)' if kind == 'segm' else 'masks (segm)'} instead"
        )
    if size is None:
        raise EvaluationError(f"{where} is of image {shown(entry['image_id'])}, which the file does not list")
    try:
        box = [_number(value) for value in entry.get("bbox", (0, 0, 1, 1))]
        if len(box) != 4:
            raise ValueError(f"its bbox has {len(box)} numbers, not 4")
        plain = {
            "id": number,
            "image_id": entry["image_id"],
            "category_id": 1,
            "iscrowd": int(bool(_number(entry.get("iscrowd", 0)))),
            "area": _number(entry.get("area", box[2] * box[3])),
        }
        plain[needed] = box if needed == "bbox" else _segmentation(entry["segmentation"], size)
    except (ValueError, TypeError) as error:
        raise EvaluationError(f"{where} cannot be used: {error}") from None
    return plain


def _segmentation(value: Any, size: tuple[int, int]) -> Any:
    """Run lengths that add up, or polygons that have corners near the image: pycocotools checks neither."""
    if isinstance(value, dict):
        return coco_rle(parse_coco_rle(value, size), size)
    if not isinstance(value, list) or not value:
        raise ValueError(f"its segmentation is neither run lengths nor polygons, but {shown(value)}")
    height, width = size
    for polygon in value:
        if not isinstance(polygon, list) or len(polygon) < 6 or len(polygon) % 2:
            raise ValueError(f"a polygon is x, y of three corners or more, not {shown(polygon)}")
        for at, coordinate in enumerate(polygon):
            side = height if at % 2 else width
            if not -side <= _number(coordinate) <= 2 * side:
                raise ValueError(f"a corner at {shown(coordinate)} is far outside the {width}x{height} image")
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool | int | float):
        with contextlib.suppress(OverflowError):
            if math.isfinite(number := float(value)):
                return number
    raise ValueError(f"{shown(value)} is not a number")
