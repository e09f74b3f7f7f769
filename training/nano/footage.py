"""Real motion: clips without masks, in which a teacher says what is a person, a dog, a car.

``python -m training.nano.footage --clips FOLDER --teacher FILE.tflite --out FOLDER`` adds recordings to those
of made-up clips, others with another ``--seed``. The teacher is a small network for 21 classes, asked twice,
the second time in the mirror; where it contradicts itself, and along the contours, which it draws coarsely,
nothing is known, and the engine is taken to be right. Of its classes only this is used: what belongs
together. It runs with ``ai-edge-litert``; nothing of it becomes part of the network that is trained.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

import vos
from vos.arrays import Bools, Image
from vos.backbones.classical.backbone import GraphCutBackbone
from vos.backbones.nano.backbone import build_nano
from vos.ops.iou import mask_iou
from vos.prompts import Prompt

from .clips import Clip
from .recordings import ENGINE, UNKNOWN, record, save

Classes = NDArray[np.uint8]

BACKGROUND = 0


@dataclass(frozen=True)
class FootageSettings:
    """What is taken from a video."""

    pixels: int = 160_000
    """Frames are brought to at most about this many."""
    every: int = 2
    """Frames from one that the teacher segments to the next."""
    strides: tuple[int, int] = (1, 3)
    """Least and greatest step between the frames of a clip, in frames that the teacher has segmented."""
    frames: int = 8
    least: int = 4
    """Shorter clips are left out."""
    area: tuple[float, float] = (0.006, 0.3)
    """Least and greatest part of the image that an object covers."""
    band: float = 0.06
    """Half the width of the contour of which nothing is known, in object sizes (square root of area)."""
    steady: float = 0.35
    """Least IoU of an object in two frames of a clip that follow each other."""
    growth: float = 1.6
    """Largest factor between its areas there."""
    agreed: float = 0.8
    """Least IoU of the teacher's object with what the built-in backbone makes of it."""


class Teacher:
    """A quantised network in TensorFlow Lite's format that labels every pixel with a class."""

    def __init__(self, path: Path) -> None:
        from ai_edge_litert.interpreter import Interpreter

        self._interpreter = Interpreter(str(path), num_threads=1)
        self._interpreter.allocate_tensors()
        self._input = self._interpreter.get_input_details()[0]
        self._output = self._interpreter.get_output_details()[0]

    def __call__(self, image: Image) -> Classes:
        """(H, W) uint8 classes of an (H, W, 3) uint8 RGB image."""
        _, height, width, _ = self._input["shape"]
        shown = cv2.resize(image, (int(width), int(height)), interpolation=cv2.INTER_AREA)
        self._interpreter.set_tensor(self._input["index"], shown[None])
        self._interpreter.invoke()
        classes = self._interpreter.get_tensor(self._output["index"])[0].astype(np.uint8)
        result: Classes = cv2.resize(classes, image.shape[1::-1], interpolation=cv2.INTER_NEAREST)
        return result


def asked_twice(teacher: Callable[[Image], Classes], image: Image) -> Classes:
    """(H, W) uint8 classes; ``UNKNOWN`` where the mirror image gets another answer."""
    seen = teacher(image)
    mirrored = teacher(np.ascontiguousarray(image[:, ::-1]))[:, ::-1]
    return np.where(seen == mirrored, seen, UNKNOWN).astype(np.uint8)


def objects(classes: Classes, area: tuple[float, float]) -> list[tuple[int, Bools]]:
    """Class and (H, W) bool mask of every connected region of fitting size."""
    found = []
    for number in np.unique(classes[(classes != BACKGROUND) & (classes != UNKNOWN)]):
        for mask in _regions(classes == number):
            if area[0] * mask.size <= mask.sum() <= area[1] * mask.size:
                found.append((int(number), mask))
    return found


def follow(
    first: Bools, number: int, later: Sequence[Classes], settings: FootageSettings
) -> list[tuple[Bools, Classes]]:
    """The object of the teacher's class in the frames that follow, until it is no longer certain which."""
    found: list[tuple[Bools, Classes]] = []
    last = first
    for classes in later:
        regions = _regions(classes == number)
        overlaps = [mask_iou(region, last) for region in regions]
        if not overlaps or max(overlaps) < settings.steady:
            break
        mask = regions[int(np.argmax(overlaps))]
        ratio = mask.sum() / last.sum()
        if not 1 / settings.growth <= ratio <= settings.growth:
            break
        found.append((mask, classes))
        last = mask
    return found


def labels_of(mask: Bools, classes: Classes, band: float) -> NDArray[np.uint8]:
    """(H, W) uint8: 1 on the object, 0 off it, ``UNKNOWN`` along its contour and where the teacher wavers."""
    half = max(2, round(band * float(np.sqrt(mask.sum()))))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * half + 1, 2 * half + 1))
    core = cv2.erode(mask.astype(np.uint8), kernel, borderValue=1)
    reach = cv2.dilate(mask.astype(np.uint8), kernel)
    labels = np.where(core, 1, np.where(reach, UNKNOWN, 0))
    labels[(classes == UNKNOWN) & ~mask] = UNKNOWN
    return labels.astype(np.uint8)


def clips_of(
    frames: Sequence[Image],
    maps: Sequence[Classes],
    count: int,
    rng: np.random.Generator,
    settings: FootageSettings,
) -> Iterator[Clip]:
    """At most ``count`` clips of one video; ``maps`` are :func:`asked_twice` of its frames."""
    backbone = GraphCutBackbone()
    for _ in range(count):
        stride = int(rng.integers(settings.strides[0], settings.strides[1] + 1))
        start = int(rng.integers(max(1, len(frames) - stride * settings.frames)))
        found = objects(maps[start], settings.area)
        if not found:
            continue
        number, rough = found[int(rng.integers(len(found)))]
        times = range(start, len(frames), stride)[: settings.frames]
        shown = follow(rough, number, [maps[t] for t in times[1:]], settings)
        if len(shown) + 1 < settings.least:
            continue
        first = backbone.decode(backbone.encode(frames[start]), [Prompt(mask=rough)], multimask=False)
        mask = first.logits[0, 0].numpy() > 0
        if mask_iou(mask, rough) < settings.agreed:
            continue
        labels = [labels_of(m, c, settings.band) for m, c in shown]
        images = tuple(frames[t] for t in times[: len(labels) + 1])
        yield Clip(images, (mask.astype(np.uint8), *labels))


def _regions(mask: Bools) -> list[Bools]:
    count, which = cv2.connectedComponents(mask.astype(np.uint8))
    return [which == k for k in range(1, count)]


def _read(path: Path, settings: FootageSettings) -> list[Image]:
    """Every so manieth frame of a video, made smaller."""
    frames = []
    with vos.open_video(path) as video:
        for frame in video:
            if frame.index % settings.every:
                continue
            image = frame.image
            scale = min(1.0, float(np.sqrt(settings.pixels / (image.shape[0] * image.shape[1]))))
            size = round(image.shape[1] * scale), round(image.shape[0] * scale)
            frames.append(np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8))
    return frames


def main() -> None:
    """Record the clips of a folder of videos."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True, help="folder of videos")
    parser.add_argument("--teacher", type=Path, required=True, help="a .tflite file")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--each", type=int, default=30, help="clips tried for a video")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, help="refine masks with this network while recording")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    teacher, settings = Teacher(options.teacher), FootageSettings()
    refiner = build_nano(checkpoint=options.checkpoint) if options.checkpoint else None
    options.out.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(sorted(options.clips.glob("*.mp4"))):
        rng = np.random.default_rng((options.seed, number))
        frames = _read(path, settings)
        maps = [asked_twice(teacher, frame) for frame in frames]
        kept = 0
        for clip in clips_of(frames, maps, options.each, rng, settings):
            name = f"{path.stem}-{options.seed}-{kept:03d}.npz"
            save(record(clip, rng, ENGINE, refiner), options.out / name)
            kept += 1
        print(f"{path.name}: {kept} of {options.each}", flush=True)


if __name__ == "__main__":
    main()
