"""J and F of trackers on videos with masks, many at once: the network in the loop.

``python -m training.nano.loop FOLDER TRACKER... --json FILE`` follows what the first mask of every
``FOLDER/<sequence>.mp4`` shows (masks in ``FOLDER/<sequence>/*.png``). A TRACKER is ``engine``, the built-in
engine alone, ``nano``, or the file of a network; settings of :class:`vos.trackers.nano.tracker.NanoSettings`
follow after commas: ``best.safetensors,looks=1,collapse=0.25``. As in DAVIS, first and last frame do not
count. Results that are in the file already stay: the command can be stopped and started again.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from vos.backbones.nano.backbone import build_nano
from vos.evaluation.boundary import contour_accuracy
from vos.evaluation.region import region_similarity
from vos.files import write_text_atomic
from vos.frame import Frame
from vos.prompts import Prompt, Target
from vos.trackers.classical.tracker import ClassicalTracker
from vos.trackers.nano.tracker import NanoSettings, NanoTracker


def tracker_of(name: str) -> ClassicalTracker:
    """The tracker that a TRACKER names."""
    path, *pairs = name.split(",")
    if path == "engine":
        return ClassicalTracker()
    settings = NanoSettings()
    for pair in pairs:
        key, value = pair.split("=")
        settings = replace(settings, **{key: type(getattr(settings, key))(float(value))})
    return NanoTracker(build_nano(checkpoint=None if path == "nano" else path), settings)


def score(name: str, video: Path, frames: int | None = None) -> dict[str, object]:
    """Mean J and F in percent, and seconds per frame."""
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    truths = sorted((video.parent / video.stem).glob("*.png"))[:frames]
    reader = cv2.VideoCapture(str(video))
    tracker = tracker_of(name)
    overlaps, contours = [], []
    began = time.perf_counter()
    for index, path in enumerate(truths):
        found, image = reader.read()
        if not found:
            raise ValueError(f"{video} has fewer frames than masks: {index} of {len(truths)}")
        frame = Frame(index, np.ascontiguousarray(image[..., ::-1]), str(index))
        truth = _mask(path)
        if index == 0:
            tracker.start(frame, [Target(1, Prompt(mask=truth))])
            continue
        labels = tracker.step(frame).labels > 0
        if index < len(truths) - 1:
            overlaps.append(region_similarity(truth, labels))
            contours.append(contour_accuracy(truth, labels))
    seconds = (time.perf_counter() - began) / len(truths)
    quarter = max(1, len(overlaps) // 4)
    return {
        "tracker": name,
        "sequence": video.stem,
        "J": round(100 * float(np.mean(overlaps)), 2),
        "F": round(100 * float(np.mean(contours)), 2),
        "J decay": round(100 * float(np.mean(overlaps[:quarter]) - np.mean(overlaps[-quarter:])), 2),
        "seconds per frame": round(seconds, 3),
    }


def run(
    folder: Path, names: list[str], target: Path, processes: int, frames: int | None = None
) -> list[dict[str, object]]:
    """Score what is not in ``target``, and write it after every sequence."""
    rows: list[dict[str, object]] = json.loads(target.read_text()) if target.exists() else []
    done = {(row["tracker"], row["sequence"]) for row in rows}
    videos = sorted(folder.glob("*.mp4"), key=lambda path: -len(list((folder / path.stem).glob("*.png"))))
    jobs = [(name, video) for name in names for video in videos if (name, video.stem) not in done]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context) as executor:
        for future in as_completed([executor.submit(score, *job, frames) for job in jobs]):
            rows.append(future.result())
            write_text_atomic(target, json.dumps(rows, indent=1))
    return rows


def table(rows: list[dict[str, object]]) -> str:
    """Mean J&F of every tracker, and J&F by sequence."""
    by: dict[str, dict[str, float]] = {}
    for row in rows:
        value = (float(str(row["J"])) + float(str(row["F"]))) / 2
        by.setdefault(str(row["tracker"]), {})[str(row["sequence"])] = value
    lines = []
    for name, scores in by.items():
        each = " ".join(f"{sequence} {value:.1f}" for sequence, value in sorted(scores.items()))
        lines.append(f"{name}: J&F {np.mean(list(scores.values())):.2f} of {len(scores)}\n  {each}")
    return "\n".join(lines)


def _mask(path: Path) -> NDArray[np.bool_]:
    pixels = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    mask: NDArray[np.bool_] = np.asarray(pixels) > 0
    return mask


def main() -> None:
    """Score from the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("trackers", nargs="+")
    parser.add_argument("--json", type=Path, required=True)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--frames", type=int, help="of each video, at most")
    options = parser.parse_args()
    rows = run(options.folder, options.trackers, options.json, options.processes, options.frames)
    print(table(rows))


if __name__ == "__main__":
    main()
