"""How good backbones are at every kind of prompt, beside GrabCut given the same prompt.

Objects are those of the first frames of 40 sequences of DAVIS 2016 (``dev``: ten validation sequences,
``train``: the thirty training sequences) and a seeded choice of objects of ``tiny_coco``, one an image.
No weights that are shipped were trained on any of these images; settings were chosen on the first frames.
Seconds are processor time of one thread, which busy machines disturb least; GrabCut's are of the same run::

    OMP_NUM_THREADS=1 python benchmarks/prompts.py --backbone interactive --backbone classical \\
        -o benchmarks/results/prompts.json
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from common import data_root, write_json
from numpy.typing import NDArray

from vos.backbones.base import Backbone
from vos.backbones.expected_quality import decoding_signals
from vos.backbones.interactive.backbone import build_interactive
from vos.backbones.registry import build_backbone
from vos.ops.boxes import tight_box
from vos.prompts import Prompt

Bools = NDArray[np.bool_]

PHOTOGRAPHS = "tiny_coco"
"""A set of photographs with instances, of whose images no shipped weights were trained."""
OBJECTS = 40
"""Objects taken of it, one an image."""
SIZES = (0.005, 0.6)
"""Least and largest share of the image that an object of a photograph covers."""
LONGEST = 480
"""Photographs are made smaller, to this many pixels along the longer side."""
SAVED_QUALITY = 95
CATASTROPHE = 0.3
"""A first mask of a lower IoU is of no use."""
WORSE = 0.05
"""A further click that costs more IoU made the mask worse."""
ITERATIONS = 5
"""Of GrabCut."""
BAND = 0.15
"""Half the width of GrabCut's band around a rough mask, in square roots of its area."""
STROKE = 6
"""Points of a stroke."""
CLICKS = (1, 3, 6)
"""Numbers of clicks of which there are rows."""
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
    scores: list[float] = field(default_factory=list)
    """Of the candidates."""
    signals: dict[str, float] = field(default_factory=dict)
    """What the expected J is predicted from."""


Method = Callable[[Case, Prompt], Answer]


def davis_cases(root: Path) -> Iterator[Case]:
    """The object of every first frame of DAVIS 2016/dev and of DAVIS-2016-train."""
    for sequence in (root / "DAVIS" / "ImageSets" / "2016" / "dev.txt").read_text().split():
        name = Path(sequence).name
        image = read_image(root / "DAVIS" / "JPEGImages" / "480p" / name / "00000.jpg")
        labels = cv2.imread(
            str(root / "DAVIS" / "Annotations" / "480p" / name / "00000.png"), cv2.IMREAD_GRAYSCALE
        )
        yield Case("dev", name, image, labels > 0)
    for path in sorted((root / "DAVIS-2016-train").glob("*.mp4")):
        image = cv2.VideoCapture(str(path)).read()[1]
        labels = cv2.imread(str(path.with_suffix("") / "00000.png"), cv2.IMREAD_GRAYSCALE)
        yield Case("train", path.stem, np.ascontiguousarray(image[..., ::-1]), labels > 0)


def saved_cases(folder: Path) -> Iterator[Case]:
    """Cases that :func:`save_cases` wrote, ``<group>/<name>.jpg`` and ``.png``."""
    for path in sorted(folder.glob("*/*.jpg")):
        truth = cv2.imread(str(path.with_suffix(".png")), cv2.IMREAD_GRAYSCALE) > 0
        yield Case(path.parent.name, path.stem, read_image(path), truth)


def save_cases(cases: list[Case], folder: Path) -> None:
    """Write images and masks for a machine that has no data; JPEG, so scores differ a little."""
    for case in cases:
        path = folder / case.group / f"{case.name.replace('/', '-')}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        quality = [cv2.IMWRITE_JPEG_QUALITY, SAVED_QUALITY]
        cv2.imwrite(str(path), np.ascontiguousarray(case.image[..., ::-1]), quality)
        cv2.imwrite(str(path.with_suffix(".png")), case.truth.astype(np.uint8) * 255)


def photograph_cases(root: Path, count: int) -> Iterator[Case]:
    """A seeded choice of objects of photographs, one an image."""
    rng, folder = np.random.default_rng(0), root / "train" / PHOTOGRAPHS
    paths = sorted((folder / "images").glob("*.jpg"))
    found = 0
    for index in rng.permutation(len(paths)):
        if found == count:
            return
        path = paths[index]
        maps = sorted((folder / "labels").glob(f"{path.stem}_*.png"))
        if not maps:
            continue
        labels = cv2.imread(str(maps[rng.integers(len(maps))]), cv2.IMREAD_UNCHANGED)
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
        yield Case("photographs", f"{path.stem}/{label}", image, truth)


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


def stroke(case: Case) -> list[tuple[float, float]]:
    """Some points along the skeleton-like middle of the object: the deepest pixels, far from each other."""
    distance = cv2.distanceTransform(np.pad(case.truth.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    places: list[tuple[float, float]] = []
    rows, columns = np.indices(distance.shape)
    for _ in range(STROKE):
        row, column = np.unravel_index(int(distance.argmax()), distance.shape)
        if distance[row, column] <= 1:
            break
        places.append((float(column), float(row)))
        away = (rows - row) ** 2 + (columns - column) ** 2
        distance = np.where(away < 0.05 * case.truth.sum(), 0, distance)
    return places


def anywhere(case: Case) -> tuple[float, float]:
    """A pixel of the object, any but the outermost where there are others."""
    inner = cv2.erode(case.truth.astype(np.uint8), np.ones((7, 7), np.uint8))
    rows, columns = np.nonzero(inner if inner.any() else case.truth)
    k = int(case.rng.integers(len(rows)))
    return float(columns[k]), float(rows[k])


def ask(method: Method, case: Case, kind: str) -> list[Answer]:
    """The answers to a kind of prompt, the last of which counts; a corrective click goes to the deepest point
    of the largest error."""
    if kind in ("box", "jittered box"):
        return [method(case, box_prompt(case, JITTER if kind == "jittered box" else 0.0))]
    if kind.startswith("rough mask"):
        mask = rough_mask(case)
        if kind == "rough mask and box":
            return [method(case, replace(box_prompt(case, 0.0), mask=mask))]
        if kind == "rough mask and click":
            missed, wrong = largest_part(case.truth & ~mask), largest_part(mask & ~case.truth)
            on = missed.sum() >= wrong.sum()
            point = deepest(missed if on else wrong) or deepest(case.truth)
            return [method(case, replace(clicks([point], [int(on)]), mask=mask))]
        return [method(case, Prompt(mask=mask))]
    if kind == "stroke":
        points = stroke(case)
        return [method(case, clicks(points, [1] * len(points)))]
    points, labels = [anywhere(case) if kind == "click anywhere" else deepest(case.truth)], [1]
    answers = [method(case, clicks(points, labels))]
    while len(answers) < (max(CLICKS) if kind == "clicks" else 1):
        missed, wrong = case.truth & ~answers[-1].mask, answers[-1].mask & ~case.truth
        largest = max((largest_part(missed), 1), (largest_part(wrong), 0), key=lambda e: int(e[0].sum()))
        point = deepest(largest[0])
        if point is None:
            break
        points.append(point)
        labels.append(largest[1])
        answers.append(method(case, clicks(points, labels)))
    return answers


def clicks(points: list[Any], labels: list[int]) -> Prompt:
    """A prompt of points alone."""
    return Prompt(points=np.array(points, np.float32), labels=np.array(labels, np.int64))


def largest_part(mask: Bools) -> Bools:
    """The largest connected part."""
    count, parts, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return parts == 1 + int(stats[1:, cv2.CC_STAT_AREA].argmax()) if count > 1 else mask


class Asked:
    """A backbone; an image is encoded once.

    ``name`` is a backbone's, or a file with weights of the interactive network, ``FILE.safetensors``;
    ``,setting=value`` may follow for that network.
    """

    def __init__(self, name: str) -> None:
        named, *settings = name.split(",")
        self.backbone: Backbone = (
            build_interactive(checkpoint=named) if named.endswith(".safetensors") else build_backbone(named)
        )
        if settings:
            values = {key: json.loads(value) for key, value in (s.split("=") for s in settings)}
            self.backbone.settings = replace(self.backbone.settings, **values)  # type: ignore[attr-defined]
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
        scores = candidates.scores[0].numpy()
        mask = masks[int(scores.argmax())]
        signals = decoding_signals(prompt, scores, np.stack(masks), mask) if mask.any() else {}
        signals = {name: round(value, 4) for name, value in signals.items()}
        return Answer(mask, seconds, masks, [float(score) for score in scores], signals)


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


KINDS = (
    *("clicks", "click anywhere", "stroke"),
    *("box", "jittered box", "rough mask", "rough mask and box", "rough mask and click"),
)


def measure(case: Case, methods: dict[str, Method], kind: str) -> list[dict[str, Any]]:
    """A row for every method; of clicks one for each number in :data:`CLICKS`."""
    rows = []
    for name, method in methods.items():
        if (name == "band" and kind != "rough mask") or (name == "grabcut" and "mask and" in kind):
            continue
        asked = Case(case.group, case.name, case.image, case.truth)  # random numbers start anew
        answers = ask(method, asked, kind)
        if kind == "clicks":
            for number in CLICKS:
                called = f"{number} click" + ("s" if number > 1 else "")
                rows.append(row_of(case, called, name, answers[:number]))
        else:
            rows.append(row_of(case, kind, name, answers))
    return rows


def row_of(case: Case, kind: str, name: str, answers: list[Answer]) -> dict[str, Any]:
    """What came of it: the last answer counts."""
    last, course = answers[-1], [round(iou(answer.mask, case.truth), 4) for answer in answers]
    row: dict[str, Any] = {"group": case.group, "object": case.name, "prompt": kind, "method": name}
    row |= {"iou": course[-1], "seconds": round(last.seconds, 4)}
    if last.others:
        row["best_of_3"] = round(max(iou(mask, case.truth) for mask in last.others), 4)
        row["candidates"] = [
            {
                "iou": round(iou(mask, case.truth), 4),
                "score": round(score, 4),
                "share": round(float(mask.mean()), 4),
            }
            for mask, score in zip(last.others, last.scores, strict=True)
        ]
        row["signals"] = last.signals
    if len(course) > 1:
        row["course"] = course
    if kind.startswith("rough mask"):
        given = rough_mask(Case(case.group, case.name, case.image, case.truth))
        row["given_iou"] = round(iou(given, case.truth), 4)
    return row


def summarise(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Means by group, kind of prompt and method, and how often a first mask is useless or a click harms."""
    summary = []
    for groups in (("dev", "train"), ("dev",), ("train",), ("photographs",)):
        for kind in dict.fromkeys(r["prompt"] for r in rows):
            for method in dict.fromkeys(r["method"] for r in rows):
                chosen = [
                    r for r in rows if r["group"] in groups and r["prompt"] == kind and r["method"] == method
                ]
                if not chosen:
                    continue
                keys = [k for k, v in chosen[0].items() if isinstance(v, float)]
                means = {k: round(float(np.mean([r[k] for r in chosen])), 4) for k in keys}
                lost = round(float(np.mean([r["iou"] < CATASTROPHE for r in chosen])), 4)
                line = {"groups": "+".join(groups), "prompt": kind, "method": method}
                line |= {"objects": len(chosen), **means, "catastrophes": lost}
                steps = [b - a for r in chosen for a, b in pairwise(r.get("course", []))]
                if steps:
                    line["clicks_that_made_it_worse"] = round(float(np.mean(np.array(steps) < -WORSE)), 4)
                summary.append(line)
    return summary


METHODS: dict[str, Method] = {}
"""Of this process."""


def prepare(backbones: list[str], baseline: bool) -> None:
    """Build the methods once per process."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    METHODS.update({name: Asked(name) for name in backbones})
    if baseline:
        METHODS.update({"grabcut": grab_cut, "band": band_grab_cut})


def measure_case(case: Case, kinds: tuple[str, ...]) -> tuple[list[dict[str, Any]], dict[str, float]]:
    """Rows of one case, and the seconds that each backbone took to encode it."""
    rows = [row for kind in kinds for row in measure(case, METHODS, kind)]
    encode = {k: v.encode_seconds[-1] for k, v in METHODS.items() if isinstance(v, Asked)}
    print(case.name, *(f"{r['prompt']} {r['method']} {r['iou']:.2f}" for r in rows), sep="; ", flush=True)
    return rows, encode


def main() -> None:
    """Measure and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backbone", action="append", help="name of a backbone; repeatable")
    parser.add_argument("--kind", action="append", choices=KINDS, help="kind of prompt; repeatable")
    parser.add_argument("--no-baseline", action="store_true", help="leave GrabCut out")
    parser.add_argument("--no-photographs", action="store_true", help="first frames of DAVIS alone")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--cases", type=Path, help="folder that --save-cases wrote, in place of the data")
    parser.add_argument("--save-cases", type=Path, help="write images and masks there, and measure nothing")
    parser.add_argument("-o", "--output")
    arguments = parser.parse_args()
    if arguments.cases:
        cases = list(saved_cases(arguments.cases))
    else:
        cases = list(davis_cases(data_root()))
        cases += [] if arguments.no_photographs else photograph_cases(data_root(), OBJECTS)
    if arguments.save_cases:
        save_cases(cases, arguments.save_cases)
        return
    if arguments.output is None:
        parser.error("give --output FILE, or --save-cases FOLDER")
    backbones = arguments.backbone or ["interactive", "classical"]
    kinds = tuple(arguments.kind or KINDS)
    first = backbones, not arguments.no_baseline
    with multiprocessing.get_context("spawn").Pool(arguments.jobs, prepare, first) as pool:
        found = pool.starmap(measure_case, [(case, kinds) for case in cases], chunksize=1)
    rows = [row for part, _ in found for row in part]
    summary = summarise(rows)
    for line in summary:
        print(line)
    settings = {
        "photographs": {"set": PHOTOGRAPHS, "objects": OBJECTS, "sizes": SIZES, "longest": LONGEST},
        "grabcut_iterations": ITERATIONS,
        "band": BAND,
        "jitter": JITTER,
        "encode_seconds": {k: round(float(np.median([e[k] for _, e in found])), 4) for k in found[0][1]},
    }
    write_json(arguments.output, "prompts: mean IoU of first masks", settings, summary + rows)


if __name__ == "__main__":
    main()
