"""Several objects at once: J&F of each, and how often they swap identities.

    python benchmarks/objects.py [--model nano] [--clips demo,schoolgirls] [--set components.known=0.3]
        [--frames N] [--pictures FOLDER] [--json benchmarks/results/objects.json]

Clips whose data is not there are left out. ``--set`` overrides a setting of the tracker: an ablation.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
import yaml
from common import data_root, write_json
from numpy.typing import NDArray

from vos.evaluation.boundary import contour_accuracies
from vos.evaluation.identity import identities
from vos.evaluation.label_png import read_label_png
from vos.evaluation.pair import pair_labels
from vos.evaluation.region import region_similarities
from vos.formats.drawing import draw_overlay
from vos.frame import Frame
from vos.prompts import mask_targets
from vos.results import VOID, FrameResult
from vos.runs.demo import demo_clip
from vos.testing import Scene, Shape, line, loop, scene, shuttle
from vos.trackers.registry import build_tracker
from vos.video import open_video

Labels = NDArray[np.uint8]
SIZE = (360, 640)


@dataclass
class Clip:
    """Frames, and the truth of those frames that have it."""

    frames: Iterator[Frame]
    truth: dict[int, Labels]
    """Frame index -> (H, W) label map."""


@dataclass
class Scores:
    """What was measured on one clip."""

    objects: dict[int, tuple[float, float]]
    """Object id -> J and F."""
    swaps: dict[int, int]
    on_others: dict[int, int]
    seconds: float
    frames: int

    @property
    def j_and_f(self) -> float:
        """Mean over the objects."""
        return float(np.mean([sum(pair) / 2 for pair in self.objects.values()]))


def from_files(video: Path, masks: Path) -> Clip:
    """A video and a folder of index PNG."""
    truth = {int(path.stem): read_label_png(path) for path in sorted(masks.glob("*.png"))}
    return Clip(iter(list(open_video(video))), truth)


def from_scene(clip: Scene) -> Clip:
    """A rendered clip."""
    return Clip(iter(clip.frames), dict(enumerate(clip.labels)))


def demo() -> Clip:
    """The clip that comes with the library."""
    with demo_clip() as clip:
        return from_files(clip.video, clip.truth / clip.about.annotations)


def schoolgirls() -> Clip:
    """Seven people who pass each other."""
    root = data_root() / "DAVIS-2017-240p"
    return from_files(*(root / kind / "480p" / "schoolgirls" for kind in ("JPEGImages", "Annotations")))


def multi_object(name: str) -> Clip:
    """One of ``multi_object``."""
    root = data_root() / "multi_object"
    return from_files(root / f"{name}.mp4", root / name)


def twins() -> Clip:
    """Two look-alikes change places three times, one wholly behind the other; a third is not tracked."""
    blue, twin = (58, 92, 190), 5
    shapes = [
        Shape(0, line((560, 300), (-0.5, 0)), 34, "blob", colour=blue, texture_seed=twin),
        Shape(3, loop((330, 250), (120, 40), 90, 0.3), 26, "star", spin=0.05, colour=(214, 178, 60)),
        Shape(1, shuttle((120, 160), (480, 170), 80), 36, "blob", colour=blue, texture_seed=twin),
        Shape(2, shuttle((500, 165), (140, 160), 64), 44, "blob", spin=0.02, colour=blue, texture_seed=twin),
    ]
    return from_scene(scene(shapes, num_frames=72, size=SIZE, camera=line((0, 0), (1.2, 0.2)), noise=3))


def crossings() -> Clip:
    """Four objects pass behind a post and behind each other; one is nearly hidden when it is given."""
    shapes = [
        Shape(1, line((70, 130), (7, 0.5)), 30, "disc", spin=0.04, colour=(196, 70, 56), texture_seed=2),
        Shape(4, line((196, 262), (-2.6, 0.2)), 40, "blob", colour=(220, 220, 214), texture_seed=9),
        Shape(2, shuttle((210, 250), (500, 240), 110), 46, "box", colour=(140, 70, 168), texture_seed=3),
        Shape(3, line((600, 170), (-6.5, 1.1)), 34, "blob", wobble=0.1, colour=(196, 90, 60), texture_seed=4),
        Shape(0, line((330, 180), (0.2, 0)), 44, "box", stretch=(1, 6), colour=(96, 98, 104), texture_seed=6),
    ]
    return from_scene(scene(shapes, num_frames=72, size=SIZE, camera=line((40, 0), (0.8, 0)), noise=3))


CLIPS: dict[str, Callable[[], Clip]] = {
    "demo": demo,
    "schoolgirls": schoolgirls,
    "caps": lambda: multi_object("caps"),
    "kite-walk": lambda: multi_object("kite-walk"),
    "twins": twins,
    "crossings": crossings,
}


def overrides(assignments: list[str]) -> dict[str, Any]:
    """``a.b=1`` as nested mappings."""
    settings: dict[str, Any] = {}
    for assignment in assignments:
        path, value = assignment.split("=", 1)
        inner = settings
        *groups, name = path.split(".")
        for group in groups:
            inner = inner.setdefault(group, {})
        inner[name] = yaml.safe_load(value)
    return settings


def follow(clip: Clip, model: str, settings: Mapping[str, Any], frames: int, pictures: Path | None) -> Scores:
    """Track each object from the first frame that has its truth, and score all later frames with truth."""
    tracker = build_tracker(model, settings=settings)
    ids = sorted({int(k) for truth in clip.truth.values() for k in np.unique(truth)} - {0, VOID})
    both = np.array([[k, k] for k in ids])
    results, scored, spent, count = [], [], 0.0, 0
    known: set[int] = set()
    for frame in clip.frames:
        if frames and frame.index >= frames:
            break
        truth = clip.truth.get(frame.index)
        new = [k for k in ids if k not in known and truth is not None and (truth == k).any()]
        targets = mask_targets(truth, new, frame.index) if truth is not None and new else []
        start = time.process_time()
        if frame.index == 0:
            labels = tracker.start(frame, targets).labels
        else:
            labels = tracker.step(frame, targets).labels
            if not targets:
                spent += time.process_time() - start
                count += 1
        if pictures is not None and frame.index % 4 == 0:
            save_picture(pictures / f"{frame.index:05d}.png", frame.image, labels, truth)
        if truth is not None:
            results.append((truth, labels))
            if frame.index:
                pair = pair_labels(truth, labels).without_void()
                values = np.array([region_similarities(pair, both), contour_accuracies(pair, both)])
                # The frames before an object is given, and the one in which it is, are not scored.
                values[:, [k not in known for k in ids]] = np.nan
                scored.append(values)
        known.update(new)
    mean = 100 * np.nanmean(np.array(scored), axis=0)
    found = identities(results, ids)
    return Scores(
        {k: (float(mean[0, i]), float(mean[1, i])) for i, k in enumerate(ids)},
        {k: found[k].swaps for k in ids},
        {k: found[k].frames_on_others for k in ids},
        spent,
        count,
    )


def save_picture(path: Path, image: NDArray[np.uint8], labels: Labels, truth: Labels | None) -> None:
    """Result, and truth below it where there is one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shown = [draw_overlay(image, FrameResult(0, maps, {})) for maps in (labels, truth) if maps is not None]
    cv2.imwrite(str(path), np.concatenate(shown)[..., ::-1])


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--clips", default=",".join(CLIPS))
    parser.add_argument("--model", default="classical")
    parser.add_argument("--set", action="append", default=[], metavar="SETTING=VALUE")
    parser.add_argument("--frames", type=int, default=0, help="only this many; 0: all")
    parser.add_argument("--pictures", type=Path, help="overlays of every fourth frame")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    settings = overrides(options.set)
    rows, total = [], []
    for name in options.clips.split(","):
        try:
            clip = CLIPS[name]()
        except OSError as error:
            print(f"{name}: left out, {error}")
            continue
        pictures = options.pictures / name if options.pictures else None
        found = follow(clip, options.model, settings, options.frames, pictures)
        total.append(found.j_and_f)
        print(
            f"{name:12s} {found.j_and_f:5.1f}  swaps {sum(found.swaps.values())}  "
            f"on others {sum(found.on_others.values())}  {found.seconds / max(1, found.frames):.3f} s/frame  "
            + "  ".join(f"{k}: {sum(v) / 2:.1f} ({found.swaps[k]})" for k, v in found.objects.items()),
            flush=True,
        )
        for k, (j, f) in found.objects.items():
            rows.append(
                {
                    "clip": name,
                    "object": k,
                    "J": round(j, 1),
                    "F": round(f, 1),
                    "swaps": found.swaps[k],
                    "frames on others": found.on_others[k],
                }
            )
    print(f"mean {np.nanmean(total):.2f}")
    if options.json:
        write_json(
            options.json, "objects", {k: getattr(options, k) for k in ("model", "set", "frames")}, rows
        )


if __name__ == "__main__":
    main()
