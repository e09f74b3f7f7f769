"""Following by name with nothing but the package: the synthetic world, its tiny BLIP, the built-in engine.

Two tables, on scenes the model was not trained on and nothing was chosen on:

- masks of single scenes, by what the backbone is told of a find: mean IoU of the best find of every shape,
  and the share of shapes with an IoU above one half;
- videos in which shapes come in later: J&F of every shape's own track (tracks go to shapes of their class by
  the assignment with the largest sum, over the frames from the one the shape appears in), with and without
  looking again, next to what the engine makes of true masks; shapes without a track, tracks without a shape.

    python benchmarks/class_names.py
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import common
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from vos.arrays import Masks
from vos.backbones.base import Backbone
from vos.backbones.refinement import keep_best, refine
from vos.backbones.registry import build_backbone
from vos.detectors.base import Detection
from vos.detectors.registry import build_detector
from vos.detectors.synthetic.world import CLASS_NAMES, WorldScene, world_scene
from vos.evaluation import contour_accuracy, region_similarity
from vos.ops.iou import mask_iou
from vos.prompting.association import assign
from vos.prompting.class_names import ClassNames, ClassSettings, logits_of, prompts_of
from vos.prompts import Prompt, Target
from vos.runs import TrackSettings, track_video
from vos.testing import write_images
from vos.video import open_video

SCENES = range(1_400_000, 1_400_040)
VIDEOS = range(1_500_000, 1_500_012)
"""Seeds; training uses 0 and up."""
SIZE = (120, 160)
FRAMES = 24
ENTER = (0, 0, 8)
DETECT_EVERY = 6


def names_of(seed: int) -> tuple[str, str, str]:
    """Two shapes of two classes and a second one of the first: the one that comes in later."""
    first, second = np.random.default_rng(seed).choice(CLASS_NAMES, 2, replace=False)
    return str(first), str(second), str(first)


def cascade(image: NDArray[np.uint8], prompts: Sequence[Prompt], backbone: Backbone) -> Masks:
    """(N, H, W) masks after three passes."""
    features = backbone.encode(image)
    kept = keep_best(backbone.decode(features, prompts))
    for use_box in (False, True):
        kept = refine(backbone, features, prompts, kept, use_box=use_box)
    return kept.masks


def masks_by_prompt(
    image: NDArray[np.uint8], found: Sequence[Detection], backbone: Backbone
) -> dict[str, Masks]:
    """(N, H, W) masks of the finds, by what the backbone is told."""
    told = [prompts_of(entry) for entry in found]
    return {
        "the region itself": np.stack([entry.values > 0 for entry in found if entry.values is not None]),
        "points": cascade(image, [pair for pair, _ in told], backbone),
        "points and box": cascade(image, [both for _, both in told], backbone),
        "both, the better one": logits_of(image, found, backbone) > 0,
    }


def score_prompts() -> list[dict[str, Any]]:
    """The first table."""
    detector, backbone = build_detector("synthetic"), build_backbone("classical")
    scores: dict[str, list[float]] = {}
    for seed in SCENES:
        first, second, _ = names_of(seed)
        world = world_scene(seed, size=SIZE, names=(first, second))
        found = detector.detect(world.image, [first, second])
        if not found:
            raise SystemExit(f"nothing found in scene {seed}: the table needs a row for it")
        for told, masks in masks_by_prompt(world.image, found, backbone).items():
            for label, name in enumerate(world.names, start=1):
                truth = world.scene.labels[0] == label
                rivals = [
                    mask_iou(truth, mask)
                    for entry, mask in zip(found, masks, strict=True)
                    if entry.name == name
                ]
                scores.setdefault(told, []).append(max(rivals, default=0.0))
    return [
        {
            "table": "masks",
            "told": told,
            "shapes": len(values),
            "mean_iou": round(float(np.mean(values)), 4),
            "above_half": round(float(np.mean(np.array(values) > 0.5)), 4),
        }
        for told, values in scores.items()
    ]


def score_tracks(world: WorldScene, labels: NDArray[np.uint8], names: Mapping[int, str]) -> dict[str, Any]:
    """J&F of every shape, and what has no counterpart.

    Args:
        world: the truth.
        labels: (T, H, W) uint8, the result.
        names: class of every track.
    """
    truth = world.scene.labels
    shapes = range(1, len(world.names) + 1)
    tracks = sorted(names)
    gains = np.zeros((len(shapes), len(tracks)))
    for row, shape in enumerate(shapes):
        begins = int(np.flatnonzero((truth == shape).any(axis=(1, 2)))[0])
        for column, track in enumerate(tracks):
            if names[track] == world.names[row]:
                pairs = [(truth[t] == shape, labels[t] == track) for t in range(begins, len(truth))]
                gains[row, column] = np.mean(
                    [(region_similarity(a, b) + contour_accuracy(a, b)) / 2 for a, b in pairs]
                )
    matched = {row: gains[row, column] for row, column in assign(gains) if gains[row, column] >= 0.1}
    return {
        "scores": [float(matched.get(row, 0.0)) for row in range(len(shapes))],
        "missed": len(shapes) - len(matched),
        "extra": len(tracks) - len(matched),
    }


def run(world: WorldScene, folder: Path, how: str) -> dict[str, Any]:
    """One video, one way."""
    settings = TrackSettings(
        outputs=("masks",),
        classes=ClassSettings(
            detector="synthetic", detect_every=DETECT_EVERY if how == "names, looking again" else None
        ),
    )
    who: Any = ClassNames(tuple(dict.fromkeys(world.names)))
    if how == "true masks":
        who = [
            Target(shape, Prompt(mask=world.scene.labels[t] == shape), t, world.names[shape - 1])
            for shape, t in enumerate(ENTER, start=1)
        ]
    with open_video(folder / "frames") as video:
        summary = track_video(video, who, folder / how, settings)
    labels = [np.array(Image.open(path)) for path in sorted((folder / how / "masks").iterdir())]
    return score_tracks(world, np.stack(labels), summary.names)


def score_videos() -> list[dict[str, Any]]:
    """The second table."""
    rows = []
    results: dict[str, list[dict[str, Any]]] = {}
    for seed in VIDEOS:
        world = world_scene(seed, size=SIZE, num_frames=FRAMES, names=names_of(seed), enter=ENTER)
        with tempfile.TemporaryDirectory() as folder:
            write_images(world.scene, Path(folder) / "frames")
            for how in ("names", "names, looking again", "true masks"):
                results.setdefault(how, []).append(run(world, Path(folder), how))
    for how, videos in results.items():
        scores = np.array([video["scores"] for video in videos])
        rows.append(
            {
                "table": "videos",
                "told": how,
                "shapes": scores.size,
                "j_and_f": round(float(scores.mean()), 4),
                "j_and_f_from_the_start": round(float(scores[:, :2].mean()), 4),
                "j_and_f_late": round(float(scores[:, 2].mean()), 4),
                "missed": sum(video["missed"] for video in videos),
                "extra": sum(video["extra"] for video in videos),
            }
        )
    return rows


def main() -> None:
    """Both tables, to ``benchmarks/results/class-names.json``."""
    rows = [*score_prompts(), *score_videos()]
    settings = {
        "scenes": len(SCENES),
        "videos": len(VIDEOS),
        "size": list(SIZE),
        "frames": FRAMES,
        "enter": list(ENTER),
        "detect_every": DETECT_EVERY,
    }
    common.write_json(common.RESULTS / "class-names.json", "class names", settings, rows)
    for row in rows:
        print(row)


if __name__ == "__main__":
    main()
