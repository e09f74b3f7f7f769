"""Rendered scenes in which a small part of an object is seen at first, with and without emergence.

    python benchmarks/hidden_objects.py [--scenes 14] [--json benchmarks/results/hidden-objects.json]

``behind``: object 2 comes out from behind object 1. ``before`` and ``moving``: object 2 is small and lies
before object 1, and moves with it or by itself: nothing is hidden, so these are what could suffer. Forms,
sizes, colours, motions and cameras are drawn at random, with the number of the scene as seed.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from common import RESULTS, write_json
from numpy.typing import NDArray

from vos.evaluation.region import region_similarity
from vos.testing import Scene, Shape, line, scene
from vos.trackers.classical.emergence import EmergenceSettings
from vos.trackers.classical.tracker import ClassicalSettings, ClassicalTracker

KINDS = ("behind", "before", "moving")
FORMS = ("box", "disc", "blob", "star")
FRAMES = 30
COLUMNS = ("J", "last J", "confidence", "confidence error")


def hidden_scene(kind: str, number: int) -> Scene:
    """One of the scenes."""
    rng = np.random.default_rng((KINDS.index(kind), number))
    camera = line((0, 0), tuple(rng.uniform(-1.2, 1.2, 2)))
    centre, angle = rng.uniform((220, 130), (420, 230)), rng.uniform(0, 2 * np.pi)
    direction = np.array([np.cos(angle), np.sin(angle)])
    large_form, small_form = rng.choice(FORMS, 2)
    colours = [tuple(int(v) for v in rng.integers(40, 220, 3)) for _ in range(2)]
    large, away = rng.uniform(38, 60), rng.uniform(0, 1)

    def render(place: Any, motions: tuple[Any, Any], size: float, frames: int) -> Scene:
        shapes = [
            Shape(
                1,
                line(tuple(centre), tuple(motions[0])),
                large,
                large_form,
                colour=colours[0],
                texture_seed=1,
            ),
            Shape(
                2, line(tuple(place), tuple(motions[1])), size, small_form, colour=colours[1], texture_seed=2
            ),
        ]
        in_order = shapes[::-1] if kind == "behind" else shapes
        return scene(in_order, num_frames=frames, size=(360, 640), camera=camera, noise=3, seed=number)

    if kind != "behind":
        motion = rng.uniform(-2, 2, 2)
        own = motion if kind == "before" else motion + rng.uniform(-1, 1, 2)
        return render(centre + 0.7 * away * large * direction, (motion, own), rng.uniform(3, 7), FRAMES)
    motions, size = (-2.5 * away * direction, rng.uniform(1.5, 3) * direction), rng.uniform(22, 44)
    least, distance = int(rng.integers(20, 220)), 0.0
    while np.count_nonzero(render(centre + distance * direction, motions, size, 1).labels[0] == 2) < least:
        distance += 1
    return render(centre + distance * direction, motions, size, FRAMES)


def follow(clip: Scene, settings: ClassicalSettings) -> NDArray[np.float64]:
    """(N, 2) J and confidence of object 2 in every frame after the first."""
    tracker = ClassicalTracker(settings)
    tracker.start(clip.frames[0], clip.targets(0))
    rows = []
    for frame, truth in zip(clip.frames[1:], clip.labels[1:], strict=True):
        result = tracker.step(frame)
        rows.append((region_similarity(result.labels == 2, truth == 2), result.confidence[2]))
    return np.array(rows)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--scenes", type=int, default=14, help="of each kind")
    parser.add_argument("--json", type=Path, default=RESULTS / "hidden-objects.json")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with_it = ClassicalSettings()
    without = replace(with_it, emergence=EmergenceSettings(max_area=0))
    rows = []
    for kind in KINDS:
        for number in range(options.scenes):
            clip = hidden_scene(kind, number)
            areas = [int(np.count_nonzero(clip.labels[k] == 2)) for k in (0, -1)]
            for name, settings in (("with", with_it), ("without", without)):
                found = follow(clip, settings)
                rows.append(
                    {
                        "kind": kind,
                        "scene": number,
                        "emergence": name,
                        "first area": areas[0],
                        "last area": areas[1],
                        "J": round(float(found[:, 0].mean()), 3),
                        "last J": round(float(found[-1, 0]), 3),
                        "confidence": round(float(found[:, 1].mean()), 3),
                        "confidence error": round(float(np.abs(found[:, 0] - found[:, 1]).mean()), 3),
                    }
                )
                print(rows[-1], flush=True)
        for name in ("with", "without"):
            mine = [row for row in rows if (row["kind"], row["emergence"]) == (kind, name)]
            print(kind, name, *(round(float(np.mean([row[k] for row in mine])), 3) for k in COLUMNS))
    write_json(options.json, "hidden-objects", {"scenes": options.scenes}, rows)


if __name__ == "__main__":
    main()
