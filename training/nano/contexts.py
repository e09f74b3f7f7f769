"""A quick score: networks refine the same results of the classical tracker, on real video, open loop.

``python -m training.nano.contexts FOLDER --davis ROOT CHECKPOINT...`` tracks DAVIS sequences once with the
classical tracker alone, stores the context of every eighth frame in FOLDER, and scores every checkpoint on
these: seconds each, where closed loop (:mod:`training.nano.curve`) takes minutes. What it leaves out is how
the refined masks add up from frame to frame.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from vos.arrays import Floats
from vos.backbones.nano.backbone import NanoBackbone, build_nano
from vos.errors import VosError
from vos.evaluation import region_similarity
from vos.evaluation.davis_layout import DavisSequence, read_davis_set
from vos.evaluation.label_png import read_label_png
from vos.ops.crop import Crop
from vos.prompts import mask_targets
from vos.trackers.classical.appearance import ReferenceFrame
from vos.trackers.classical.frame_context import FrameContext
from vos.trackers.classical.tracker import ClassicalSettings, ClassicalTracker
from vos.trackers.flow_warping import Correspondence, WarpedMasks
from vos.trackers.nano.tracker import NanoRefiner, NanoSettings
from vos.video import open_video

EVERY = 8


@dataclass(frozen=True, eq=False)
class StoredContext:
    """One frame of one sequence."""

    context: FrameContext
    truth: NDArray[np.bool_]
    """(H, W): the object."""


def store_contexts(
    davis: Path,
    sequence: DavisSequence,
    folder: Path,
    every: int = EVERY,
    settings: ClassicalSettings | None = None,
) -> None:
    """Track what is not background in a sequence, and write the context of every few frames."""
    contexts: list[FrameContext] = []

    def observe(context: FrameContext) -> Floats:
        contexts.append(context)
        return context.probabilities

    tracker = ClassicalTracker(settings, refiner=observe)
    folder.mkdir(parents=True, exist_ok=True)
    with open_video(davis / "JPEGImages" / "480p" / sequence.name) as video:
        for frame, annotation in zip(video, sequence.annotations, strict=True):
            labels = (read_label_png(annotation) > 0).astype(np.uint8)
            if frame.index == 0:
                tracker.start(frame, mask_targets(labels, (1,), 0))
                np.savez(folder / "reference.npz", image=frame.image, labels=labels)
                continue
            tracker.step(frame)
            context = contexts.pop()
            if frame.index % every == 0:
                np.savez(folder / f"{frame.index:05d}.npz", truth=labels > 0, **_arrays(context))


def stored_contexts(folder: Path) -> list[StoredContext]:
    """What :func:`store_contexts` wrote, in order."""
    with np.load(folder / "reference.npz") as file:
        image, labels = file["image"], file["labels"]
    references: tuple[ReferenceFrame, ...] = ()
    frames = []
    for path in sorted(folder.glob("[0-9]*.npz")):
        with np.load(path) as file:
            arrays = dict(file)
        # The same object in all contexts: a refiner that is tuned is tuned to it once.
        references = references or (ReferenceFrame(image, labels, float(arrays["scale"])),)
        frames.append(StoredContext(_context(arrays, references), arrays["truth"]))
    return frames


def score(backbone: NanoBackbone | None, frames: list[StoredContext], settings: NanoSettings) -> float:
    """Mean J in percent over the frames of a sequence; of the classical tracker where there is no network."""
    refiner = None if backbone is None else NanoRefiner(backbone, settings)
    results = []
    for frame in frames:
        context = frame.context
        probabilities = context.probabilities if refiner is None else refiner(context)
        crop, found = context.crop, np.zeros_like(frame.truth)
        found[crop.y0 : crop.y1, crop.x0 : crop.x1] = crop.enlarge(probabilities).argmax(axis=0) > 0
        results.append(float(region_similarity(found, frame.truth)))
    return 100 * float(np.mean(results))


def _arrays(context: FrameContext) -> dict[str, NDArray]:
    """What a refiner uses of the context of one object, small."""
    crop, warped = context.crop, context.warped
    return {
        "crop": np.array([crop.y0, crop.x0, crop.y1, crop.x1, crop.height, crop.width]),
        "image": context.image,
        "probabilities": context.probabilities,
        "mask": warped.masks[0].astype(np.float16),
        "consistency": warped.consistencies[0].astype(np.float16),
        "quality": np.array(warped.qualities[0]),
        "appearance_log_prob": context.appearance_log_prob.astype(np.float16),
        "scale": np.array(context.references[0].scale),
    }


def _context(arrays: dict[str, NDArray], references: tuple[ReferenceFrame, ...]) -> FrameContext:
    consistency = arrays["consistency"].astype(np.float32)
    rows, columns = np.mgrid[: consistency.shape[0], : consistency.shape[1]].astype(np.float32)
    masks = arrays["mask"].astype(np.float32)[None]
    warped = WarpedMasks(
        masks, (consistency,), (float(arrays["quality"]),), Correspondence(columns, rows, consistency)
    )
    crop = Crop(*(int(v) for v in arrays["crop"]))
    return FrameContext(
        arrays["image"],
        crop,
        crop.cut(arrays["image"]),
        (1,),
        arrays["probabilities"],
        warped,
        arrays["appearance_log_prob"].astype(np.float32),
        references,
    )


def main() -> None:
    """Store what is not stored yet, and score checkpoints."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("checkpoints", type=Path, nargs="*")
    parser.add_argument("--davis", type=Path, required=True)
    parser.add_argument("--set", dest="subset", default="2016/dev")
    parser.add_argument("--tune", action="store_true")
    options = parser.parse_intermixed_args()
    torch.set_num_threads(1)
    try:
        sequences = read_davis_set(options.davis, options.subset, "semi-supervised", "480p").sequences
        for sequence in sequences:
            if not (options.folder / sequence.name).exists():
                store_contexts(options.davis, sequence, options.folder / sequence.name)
        frames = {sequence.name: stored_contexts(options.folder / sequence.name) for sequence in sequences}
        settings = NanoSettings(tune=options.tune)
        for path in (None, *options.checkpoints):
            backbone = None if path is None else build_nano(checkpoint=path)
            rows = {name: score(backbone, some, settings) for name, some in frames.items()}
            each = " ".join(f"{name} {value:.1f}" for name, value in rows.items())
            print(f"{path or 'classical'}: J {np.mean(list(rows.values())):.2f}  {each}", flush=True)
    except VosError as error:
        raise SystemExit(str(error)) from error


if __name__ == "__main__":
    main()
