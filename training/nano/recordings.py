"""Results of the classical tracker on synthetic clips beside the truth: the network's main training data.

``python -m training.nano.recordings --data TRAIN --out FOLDER --clips N`` writes one file a clip. Clip i is
the same whatever was made before it, and files that are there are kept: the command can be stopped and
started again, and run several times side by side on different ranges.

In a clip of eight frames the engine has no time to drift as it does in eighty. So its labels are disturbed
on the way: pieces are removed or added, and it continues from there.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from vos.arrays import Floats
from vos.backbones.nano.backbone import NanoBackbone, build_nano
from vos.frame import Frame
from vos.prompts import mask_targets
from vos.results import object_ids
from vos.trackers.classical.appearance import AppearanceSettings
from vos.trackers.classical.frame_context import FrameContext
from vos.trackers.classical.tracker import ClassicalSettings, ClassicalTracker
from vos.trackers.nano.cues import engine_cues
from vos.trackers.nano.tracker import NanoRefiner, NanoSettings

from .clips import Clip, ClipSettings, make_clip
from .photographs import SETS, Photographs

ENGINE = ClassicalSettings(
    pixels=45_000, appearance=AppearanceSettings(views=6, samples=3000, iterations=250, batch=1024)
)
"""The engine on small images, learning less from the first frame: it errs a little more."""
UNKNOWN = 255
"""Label of pixels whose truth is unknown, in any frame but the first: there the engine is taken to
be right."""
DISTURBED = 0.4
"""Share of the frames after which the labels are disturbed."""


@dataclass(frozen=True, eq=False)
class Recorded:
    """One frame of a clip, in the engine's crop."""

    image: NDArray[np.uint8]
    """(h, w, 3) RGB."""
    cues: NDArray[np.int8]
    """(K, 3, h, w): see :func:`vos.trackers.nano.cues.engine_cues`, times 127."""
    truth: NDArray[np.uint8]
    """(h, w): 0, or the object's label."""


@dataclass(frozen=True, eq=False)
class Recording:
    """The engine's crops of a clip."""

    ids: tuple[int, ...]
    reference: NDArray[np.uint8]
    """(h, w, 3) RGB: the reference frame, at the scale of the engine's crop."""
    reference_labels: NDArray[np.uint8]
    frames: tuple[Recorded, ...]


def record(
    clip: Clip,
    rng: np.random.Generator,
    settings: ClassicalSettings = ENGINE,
    backbone: NanoBackbone | None = None,
) -> Recording:
    """Follow the targets through a clip from the truth of its first frame.

    With a ``backbone`` the engine continues from the masks that this network refines, as it will when the
    network is used: the network can then learn from the consequences of its own errors (DAgger, Ross et al.,
    2011). What is recorded is the engine's result before the refinement.
    """
    contexts: list[FrameContext] = []

    def observe(context: FrameContext) -> Floats:
        contexts.append(context)
        probabilities = context.probabilities if refiner is None else refiner(context)
        return disturbed(probabilities, rng) if rng.random() < DISTURBED else probabilities

    settings = replace(settings, appearance=replace(settings.appearance, seed=int(rng.integers(1 << 30))))
    refiner = None if backbone is None else NanoRefiner(backbone, NanoSettings(classical=settings))
    tracker = ClassicalTracker(settings, refiner=observe)
    ids = object_ids(clip.labels[0])
    tracker.start(Frame(0, clip.images[0], "0"), mask_targets(clip.labels[0], ids))
    frames = []
    for t, image in enumerate(clip.images[1:], start=1):
        tracker.step(Frame(t, image, str(t)))
        context = contexts.pop()
        cues = np.round(engine_cues(context) * 127).astype(np.int8)
        shown = [context.crop.cut((clip.labels[t] == k).astype(np.float32)) for k in ids]
        truth = np.zeros(context.cropped.shape[:2], np.uint8)
        for object_id, part in zip(ids, shown, strict=True):
            truth[part >= 0.5] = object_id
        unknown = context.crop.cut((clip.labels[t] == UNKNOWN).astype(np.float32)) >= 0.5
        predicted = np.array([0, *ids], np.uint8)[context.probabilities.argmax(axis=0)]
        truth[unknown] = predicted[unknown]
        frames.append(Recorded(context.cropped, cues, truth))
    reference = context.references[0]
    size = (
        max(1, round(reference.image.shape[1] * reference.scale)),
        max(1, round(reference.image.shape[0] * reference.scale)),
    )
    return Recording(
        tuple(int(k) for k in ids),
        cv2.resize(reference.image, size, interpolation=cv2.INTER_AREA),
        cv2.resize(reference.labels, size, interpolation=cv2.INTER_NEAREST),
        tuple(frames),
    )


def disturbed(probabilities: Floats, rng: np.random.Generator) -> Floats:
    """(1 + K, h, w) probabilities in which a blob at an outline is moved to the object or away from it."""
    labels = probabilities.argmax(axis=0)
    k = int(rng.integers(1, len(probabilities)))
    rows, columns = np.nonzero(
        cv2.morphologyEx((labels == k).astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3)))
    )
    if not len(rows):
        return probabilities
    size = float(np.sqrt((labels == k).sum()))
    at = int(rng.integers(len(rows)))
    axes = tuple(max(2, int(size * rng.uniform(0.08, 0.35))) for _ in range(2))
    blob = np.zeros(labels.shape, np.uint8)
    centre = int(columns[at]), int(rows[at])
    cv2.ellipse(blob, centre, axes, float(rng.uniform(0, 180)), 0, 360, 1, -1)
    weight = 0.9 * cv2.GaussianBlur(blob.astype(np.float32), (0, 0), 1.5)
    to = np.zeros((len(probabilities), 1, 1), np.float32)
    to[0 if rng.random() < 0.5 else k] = 1
    result: Floats = (1 - weight) * probabilities + weight * to
    return result


def save(recording: Recording, path: Path) -> None:
    """Write a recording, all of it or nothing."""
    arrays = {
        "ids": np.array(recording.ids),
        "reference": recording.reference,
        "labels": recording.reference_labels,
    }
    for t, frame in enumerate(recording.frames):
        arrays |= {f"picture{t}": frame.image, f"cues{t}": frame.cues, f"truth{t}": frame.truth}
    unfinished = path.with_suffix(".part")
    with unfinished.open("wb") as file:
        np.savez(file, **arrays)
    os.replace(unfinished, path)


def main() -> None:
    """Record a range of clips."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder with the training sets")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="which of them")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--clips", type=int, default=1000)
    parser.add_argument("--first", type=int, default=0, help="number of the first clip")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint", type=Path, help="refine masks with this network while recording")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    photographs = Photographs(options.data, options.sets)
    backbone = build_nano(checkpoint=options.checkpoint) if options.checkpoint else None
    options.out.mkdir(parents=True, exist_ok=True)
    for number in range(options.first, options.first + options.clips):
        path = options.out / f"{number:06d}.npz"
        if not path.exists():
            rng = np.random.default_rng((options.seed, number))
            save(record(make_clip(photographs, rng, ClipSettings()), rng, ENGINE, backbone), path)


if __name__ == "__main__":
    main()
