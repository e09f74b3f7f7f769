"""Seconds per frame of the built-in engine at 854x480, by stage, for one and for seven objects.

Beside it, in the same run: labels warped by DIS flow and cut by GrabCut in a band, which is what an afternoon
would give.

    python benchmarks/engine.py [--frames 12] [--threads 2] [--json benchmarks/results/engine.json]
"""

from __future__ import annotations

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import cv2
import numpy as np
import torch
from common import RESULTS, write_json

from vos.testing import scene
from vos.trackers.classical import step as classical_step
from vos.trackers.classical.tracker import ClassicalSettings, ClassicalTracker
from vos.trackers.flow_warping import dense_flow

SIZE = (480, 854)
STAGES = {
    "warp_masks": "flow and warping",
    "describe": "descriptors",
    "log_probabilities": "classifier",
    "motion_scores": "motion",
    "local_colours": "local colours",
    "mean_field": "mean field",
    "filter_components": "components",
    "update_online": "online update",
}


def timed(function: Callable[..., Any], spent: dict[str, float], name: str) -> Callable[..., Any]:
    """The function, with its time added up under ``name``."""

    def call(*args: Any, **options: Any) -> Any:
        start = time.perf_counter()
        try:
            return function(*args, **options)
        finally:
            spent[name] += time.perf_counter() - start

    return call


def run(what: str, frames: int) -> dict[str, Any]:
    """Track one scene."""
    clip = scene(what, num_frames=frames + 1, size=SIZE, noise=3)
    spent: dict[str, float] = defaultdict(float)
    originals = {name: getattr(classical_step, name) for name in STAGES}
    for name, label in STAGES.items():
        setattr(classical_step, name, timed(originals[name], spent, label))
    try:
        tracker = ClassicalTracker()
        start = time.perf_counter()
        tracker.start(clip.frames[0], clip.targets(0))
        begin = time.perf_counter() - start
        start = time.perf_counter()
        for frame in clip.frames[1:]:
            tracker.step(frame)
        step = (time.perf_counter() - start) / frames
    finally:
        for name, function in originals.items():
            setattr(classical_step, name, function)
    stages = {label: round(spent[label] / frames, 4) for label in STAGES.values()}
    stages["rest"] = round(step - sum(stages.values()), 4)
    return {
        "objects": len(clip.ids),
        "seconds_begin": round(begin, 3),
        "seconds_per_frame": round(step, 4),
        "stages": stages,
    }


def grabcut(frames: int) -> float:
    """Seconds per frame of DIS flow and GrabCut in a band of 10 pixels around the warped mask."""
    clip = scene("moving", num_frames=frames + 1, size=SIZE, noise=3)
    mask = (clip.labels[0] > 0).astype(np.uint8)
    grey = [cv2.cvtColor(frame.image, cv2.COLOR_RGB2GRAY) for frame in clip.frames]
    rows, columns = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(np.float32)
    kernel = np.ones((21, 21), np.uint8)
    start = time.perf_counter()
    for index in range(1, frames + 1):
        flow = dense_flow(grey[index], grey[index - 1])
        mask = cv2.remap(mask, columns + flow[..., 0], rows + flow[..., 1], cv2.INTER_NEAREST)
        cut = np.where(mask > 0, cv2.GC_PR_FGD, cv2.GC_PR_BGD).astype(np.uint8)
        cut[cv2.erode(mask, kernel) > 0] = cv2.GC_FGD
        cut[cv2.dilate(mask, kernel) == 0] = cv2.GC_BGD
        cv2.grabCut(
            clip.frames[index].image,
            cut,
            None,
            np.zeros((1, 65)),
            np.zeros((1, 65)),
            1,
            cv2.GC_INIT_WITH_MASK,
        )
        mask = np.isin(cut, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
    return (time.perf_counter() - start) / frames


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2, help="of torch and of OpenCV")
    parser.add_argument("--json", default=str(RESULTS / "engine.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    run("moving", 1)  # warm up
    rows = [
        {"what": "one object", **run("moving", arguments.frames)},
        {"what": "seven objects", **run("crowd", arguments.frames)},
        {"what": "DIS and GrabCut in a band", "seconds_per_frame": round(grabcut(arguments.frames), 4)},
    ]
    for row in rows:
        print(f"{row['what']:28} {row['seconds_per_frame']:.3f} s/frame  {row.get('stages', '')}")
    settings = {
        "size": SIZE,
        "frames": arguments.frames,
        "threads": {"torch": torch.get_num_threads(), "opencv": cv2.getNumThreads()},
        "engine": asdict(ClassicalSettings()),
    }
    write_json(arguments.json, "engine", settings, rows)


if __name__ == "__main__":
    main()
