"""Seconds per frame of ``--model nano`` at 854x480, beside the built-in engine in the same run, and tuning.

The first two frames count as start: what is learned from the given frame, tuning included, is learned when
the second one is judged.

    python benchmarks/nano.py [--frames 12] [--threads 2] [--json benchmarks/results/nano.json]
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import cv2
import torch
from common import RESULTS, write_json

from vos.backbones.nano.backbone import build_nano
from vos.testing import scene
from vos.trackers.base import Tracker
from vos.trackers.classical.tracker import ClassicalTracker
from vos.trackers.nano.tracker import NanoSettings, NanoTracker

SIZE = (480, 854)
SCENES = {"one object": "moving", "seven objects": "crowd"}


def run(make: Callable[[], Tracker], what: str, frames: int) -> dict[str, Any]:
    """Track one scene."""
    clip = scene(what, num_frames=frames + 2, size=SIZE, noise=3)
    tracker = make()
    start = time.perf_counter()
    tracker.start(clip.frames[0], clip.targets(0))
    tracker.step(clip.frames[1])
    begun = time.perf_counter()
    for frame in clip.frames[2:]:
        tracker.step(frame)
    step = (time.perf_counter() - begun) / frames
    return {"seconds_start": round(begun - start, 2), "seconds_per_frame": round(step, 4)}


def main() -> None:
    """Run and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--frames", type=int, default=12)
    parser.add_argument("--threads", type=int, default=2, help="of torch and of OpenCV")
    parser.add_argument("--json", default=str(RESULTS / "nano.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    cv2.setNumThreads(arguments.threads)
    network = build_nano()
    engines: dict[str, Callable[[], Tracker]] = {
        "classical": ClassicalTracker,
        "nano": lambda: NanoTracker(network),
        "nano --tune": lambda: NanoTracker(network, NanoSettings(tune=True)),
    }
    for make in engines.values():
        run(make, "moving", 1)  # warm up
    rows = []
    for label, what in SCENES.items():
        for name, make in engines.items():
            row = {"engine": name, "what": label, **run(make, what, arguments.frames)}
            rows.append(row)
            start, step = row["seconds_start"], row["seconds_per_frame"]
            print(f"{label:14} {name:12} start {start:5.2f} s, {step:.3f} s/frame")
    settings = {"size": SIZE, "frames": arguments.frames, "threads": arguments.threads}
    write_json(arguments.json, "nano beside the built-in engine", settings, rows)


if __name__ == "__main__":
    main()
