"""How good the built-in backbone is at every kind of prompt, beside GrabCut given the same prompt.

Objects are the first frames of DAVIS (one object each) and a seeded choice of objects of the training sets,
from the half of their images that is kept for measuring (:func:`held_out`). Seconds are processor time of one
thread, which busy machines disturb least; GrabCut's are of the same run::

    OMP_NUM_THREADS=1 python benchmarks/prompts.py -o benchmarks/results/prompts.json
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from common import data_root, write_json
from numpy.typing import NDArray

from vos.backbones.base import Backbone
from vos.backbones.registry import build_backbone
from vos.ops.boxes import tight_box
from vos.prompts import Prompt

Bools = NDArray[np.bool_]

TRAIN = {"tiny_coco": 16, "coco_by": 16, "ccp": 8}
"""Objects taken of each training set, one an image."""
SIZES = (0.005, 0.6)
"""Least and largest share of the image that an object of the training sets covers."""
LONGEST = 480
"""Images of the training sets are made smaller, to this many pixels along the longer side."""
ITERATIONS = 5
"""Of GrabCut."""
BAND = 0.15
"""Half the width of GrabCut's band around a rough mask, in square roots of its area."""
CLICKS = 3
JITTER = 0.1
"""Sides of the jittered box move by up to this share of its width or height."""


@dataclass(frozen=True, eq=False)
class Case:
    """One object of one image."""

    group: str
    name: str
    image: NDArray[np.uint8]
    truth: Bools

    @cached_property
    def rng(self) -> np.random.Generator:
        """Random numbers that depend on the object's name alone."""
        return np.random.default_rng(zlib.crc32(self.name.encode()))


@dataclass(eq=False)
class Answer:
    """What a method made of a prompt."""

    mask: Bools
    seconds: float
    others: list[Bools] = field(default_factory=list)
    """All candidates, the mask among them."""


Method = Callable[[Case, Prompt], Answer]


def held_out(name: str) -> bool:
    """Whether an image of the training sets is kept for measuring: every other one, by a hash of its name."""
    return zlib.crc32(name.encode()) % 2 == 0


def davis_cases(root: Path) -> Iterator[Case]:
    """The object of every first frame of DAVIS 2016/dev."""
    for sequence in (root / "DAVIS" / "ImageSets" / "2016" / "dev.txt").read_text().split():
        name = Path(sequence).name
        image = read_image(root / "DAVIS" / "JPEGImages" / "480p" / name / "00000.jpg")
        labels = cv2.imread(
            str(root / "DAVIS" / "Annotations" / "480p" / name / "00000.png"), cv2.IMREAD_GRAYSCALE
        )
        yield Case("davis", name, image, labels > 0)


def train_cases(root: Path, group: str, count: int, measuring: bool = True) -> Iterator[Case]:
    """A seeded choice of objects, one an image; those for measuring or those for tuning."""
    rng = np.random.default_rng(0)
    paths = [p for p in sorted((root / "train" / group / "images").glob("*.jpg"))]
    found = 0
    for index in rng.permutation(len(paths)):
        if found == count:
            return
        path = paths[index]
        if held_out(path.stem) != measuring:
            continue
        maps = sorted((root / "train" / group / "labels").glob(f"{path.stem}_*.png"))
        if not maps:
            continue
        labels = cv2.imread(str(maps[rng.integers(len(maps))]), cv2.IMREAD_UNCHANGED)
        if group == "ccp":
            labels = (labels > 0).astype(np.uint16)
        shares = np.bincount(labels.ravel()) / labels.size
        fitting = [k for k in range(1, len(shares)) if SIZES[0] <= shares[k] <= SIZES[1]]
        if not fitting:
            continue
        label = fitting[rng.integers(len(fitting))]
        image, truth = read_image(path), labels == label
        scale = min(1.0, LONGEST / max(truth.shape))
        if scale < 1 or image.shape[:2] != truth.shape:
            size = round(truth.shape[1] * scale), round(truth.shape[0] * scale)
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
            truth = cv2.resize(truth.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0
        found += 1
        yield Case(group, f"{group}/{path.stem}/{label}", image, truth)


def read_image(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB."""
    return np.ascontiguousarray(cv2.imread(str(path), cv2.IMREAD_COLOR)[..., ::-1])


def iou(found: Bools, truth: Bools) -> float:
    """Intersection over union."""
    return float((found & truth).sum() / max(int((found | truth).sum()), 1))


def deepest(region: Bools) -> tuple[float, float] | None:
    """(x, y) of the pixel furthest from where ``region`` ends, the picture's border included."""
    distance = cv2.distanceTransform(np.pad(region.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return (float(column), float(row)) if distance.max() > 0 else None


def box_prompt(case: Case, jitter: float) -> Prompt:
    """The tight box, each side moved by up to ``jitter`` of the box's extent across it."""
    x0, y0, x1, y1 = tight_box(case.truth) or (0, 0, 0, 0)
    height, width = case.truth.shape
    moved = np.array([x0, y0, x1, y1]) + case.rng.uniform(-jitter, jitter, 4) * np.tile(
        (x1 - x0 + 1, y1 - y0 + 1), 2
    )
    moved = np.clip(np.rint(moved), 0, np.tile((width - 1, height - 1), 2))
    return Prompt(box=np.concatenate([np.minimum(moved[:2], moved[2:]), moved[2:]]).astype(np.float32))


def rough_mask(case: Case) -> Bools:
    """The object as a tracker might hand it over: moved, grown or shrunk, with a bite, a hole and a lump."""
    rng, side = case.rng, float(case.truth.sum()) ** 0.5
    shift = np.rint(rng.uniform(-0.05, 0.05, 2) * side).astype(int)
    mask = cv2.warpAffine(
        case.truth.astype(np.uint8),
        np.array([[1, 0, shift[0]], [0, 1, shift[1]]], np.float32),
        case.truth.shape[::-1],
    )
    radius = max(1, round(0.04 * side * rng.uniform(0.5, 1.5)))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    smaller = cv2.erode(mask, kernel)
    mask = smaller if rng.random() < 0.5 and smaller.any() else cv2.dilate(mask, kernel)
    contour = np.argwhere(cv2.morphologyEx(mask, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)))
    inside = np.argwhere(mask)
    for places, value, size in ((contour, 0, 0.12), (contour, 1, 0.12), (inside, 0, 0.1)):
        row, column = places[rng.integers(len(places))]
        cv2.circle(mask, (int(column), int(row)), max(1, round(size * side)), value, -1)
    return mask > 0 if mask.any() else case.truth


def ask(method: Method, case: Case, kind: str) -> Answer:
    """The answer to the kind of prompt; corrective clicks go to the deepest point of the largest error."""
    if kind in ("box", "jittered box"):
        return method(case, box_prompt(case, JITTER if kind == "jittered box" else 0.0))
    if kind == "rough mask":
        return method(case, Prompt(mask=rough_mask(case)))
    points, labels = [deepest(case.truth)], [1]
    answer = method(case, clicks(points, labels))
    for _ in range(CLICKS - 1 if kind == "3 clicks" else 0):
        missed, wrong = case.truth & ~answer.mask, answer.mask & ~case.truth
        largest = max((largest_part(missed), 1), (largest_part(wrong), 0), key=lambda e: int(e[0].sum()))
        point = deepest(largest[0])
        if point is None:
            break
        points.append(point)
        labels.append(largest[1])
        answer = method(case, clicks(points, labels))
    return answer


def clicks(points: list[Any], labels: list[int]) -> Prompt:
    """A prompt of points alone."""
    return Prompt(points=np.array(points, np.float32), labels=np.array(labels, np.int64))


def largest_part(mask: Bools) -> Bools:
    """The largest connected part."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return parts == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if count > 1 else mask


class Builtin:
    """The built-in backbone; an image is encoded once."""

    def __init__(self) -> None:
        self.backbone: Backbone = build_backbone("classical")
        self.case: Case | None = None
        self.encode_seconds: list[float] = []

    def __call__(self, case: Case, prompt: Prompt) -> Answer:
        if self.case is not case:
            start = time.process_time()
            self.features, self.case = self.backbone.encode(case.image), case
            self.encode_seconds.append(time.process_time() - start)
        start = time.process_time()
        candidates = self.backbone.decode(self.features, [prompt])
        seconds = time.process_time() - start
        masks = [mask.numpy() for mask in candidates.logits[0] > 0]
        return Answer(masks[int(candidates.scores[0].argmax())], seconds, masks)


def grab_cut(case: Case, prompt: Prompt) -> Answer:
    """OpenCV's GrabCut from the same prompt.

    A box is its rectangle, a mask is probable foreground and background. Clicks are certain within 3 pixels;
    a disc of a tenth of the picture's size around positive ones is probable foreground.
    """
    cv2.setRNGSeed(0)
    start = time.process_time()
    seeds = np.full(case.truth.shape, cv2.GC_PR_BGD, np.uint8)
    if prompt.mask is not None:
        seeds[prompt.mask] = cv2.GC_PR_FGD
    elif prompt.box is not None:
        x0, y0, x1, y1 = (int(v) for v in prompt.box)
        seeds[:] = cv2.GC_BGD
        seeds[y0 : y1 + 1, x0 : x1 + 1] = cv2.GC_PR_FGD
    elif prompt.points is not None and prompt.labels is not None:
        radius = round(0.1 * seeds.size**0.5)
        places = [(int(x), int(y), int(k)) for (x, y), k in zip(prompt.points, prompt.labels, strict=True)]
        for x, y, label in places:
            if label:
                cv2.circle(seeds, (x, y), radius, int(cv2.GC_PR_FGD), -1)
        for x, y, label in places:
            cv2.circle(seeds, (x, y), 3, int(cv2.GC_FGD if label else cv2.GC_BGD), -1)
    return cut(case, seeds, start)


def band_grab_cut(case: Case, prompt: Prompt) -> Answer:
    """GrabCut in a band around a rough mask: beyond it everything is certain."""
    assert prompt.mask is not None
    cv2.setRNGSeed(0)
    start = time.process_time()
    width = BAND * float(prompt.mask.sum()) ** 0.5
    inside = cv2.distanceTransform(prompt.mask.astype(np.uint8), cv2.DIST_L2, 5)
    outside = cv2.distanceTransform((~prompt.mask).astype(np.uint8), cv2.DIST_L2, 5)
    seeds = np.where(prompt.mask, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
    seeds[outside > width], seeds[inside > width] = cv2.GC_BGD, cv2.GC_FGD
    return cut(case, seeds, start)


def cut(case: Case, seeds: NDArray[np.uint8], start: float) -> Answer:
    """GrabCut from seeds; where it refuses them, what is probable stays."""
    on = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
    if on.any() and not on.all():
        models = np.zeros((1, 65)), np.zeros((1, 65))
        bgr = np.ascontiguousarray(case.image[..., ::-1])
        seeds, _, _ = cv2.grabCut(bgr, seeds, None, *models, ITERATIONS, cv2.GC_INIT_WITH_MASK)
        on = (seeds == cv2.GC_FGD) | (seeds == cv2.GC_PR_FGD)
    return Answer(on, time.process_time() - start)


KINDS = ("1 click", "3 clicks", "box", "jittered box", "rough mask")


def measure(case: Case, builtin: Builtin, baseline: bool, kinds: tuple[str, ...]) -> list[dict[str, Any]]:
    """A row for every kind of prompt."""
    rows = []
    for kind in kinds:
        ours = ask(builtin, Case(case.group, case.name, case.image, case.truth), kind)
        row: dict[str, Any] = {
            "group": case.group,
            "object": case.name,
            "prompt": kind,
            "iou": round(iou(ours.mask, case.truth), 4),
            "best_of_3": round(max(iou(mask, case.truth) for mask in ours.others), 4),
            "seconds": round(ours.seconds, 4),
        }
        if kind == "rough mask":
            given = rough_mask(Case(case.group, case.name, case.image, case.truth))
            row["given_iou"] = round(iou(given, case.truth), 4)
        if baseline:
            methods = {"grabcut": grab_cut} | ({"band": band_grab_cut} if kind == "rough mask" else {})
            for name, method in methods.items():
                theirs = ask(method, Case(case.group, case.name, case.image, case.truth), kind)
                row[f"{name}_iou"] = round(iou(theirs.mask, case.truth), 4)
                row[f"{name}_seconds"] = round(theirs.seconds, 4)
        rows.append(row)
    return rows


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means over DAVIS and over the training sets, for every kind of prompt."""
    summary = []
    for name, wanted in (("davis", True), ("train", False)):
        for kind in KINDS:
            chosen = [r for r in rows if (r["group"] == "davis") == wanted and r["prompt"] == kind]
            if chosen:
                keys = [k for k, v in chosen[0].items() if isinstance(v, float)]
                means = {k: round(float(np.mean([r[k] for r in chosen])), 4) for k in keys}
                summary.append({"group": name, "prompt": kind, "objects": len(chosen), **means})
    return summary


def main() -> None:
    """Measure and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--no-baseline", action="store_true", help="leave GrabCut out")
    parser.add_argument("-o", "--output", required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    root, builtin = data_root(), Builtin()
    rows: list[dict[str, Any]] = []
    cases = list(davis_cases(root))
    for group, count in TRAIN.items():
        cases += train_cases(root, group, count)
    for case in cases:
        rows += measure(case, builtin, not arguments.no_baseline, KINDS)
        print(case.name, *(f"{row['prompt']} {row['iou']:.2f}" for row in rows[-len(KINDS) :]), flush=True)
    summary = summarise(rows)
    for line in summary:
        print(line)
    settings = {
        "train": TRAIN,
        "sizes": SIZES,
        "longest": LONGEST,
        "grabcut_iterations": ITERATIONS,
        "band": BAND,
        "jitter": JITTER,
        "encode_seconds": round(float(np.median(builtin.encode_seconds)), 4),
    }
    write_json(arguments.output, "prompts: mean IoU beside GrabCut", settings, summary + rows)


if __name__ == "__main__":
    main()
