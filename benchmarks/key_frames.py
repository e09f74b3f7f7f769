"""J&F and cost of the frames between key frames, with true masks in place of a strong tracker's.

Rows: masks carried from both key frames along optical flow (what ``vos.trackers.intervals.fill_key_frames``
does), a tracker from both sides joined at the best frame, a tracker forward only with key frames as
corrections, and masks morphed in a straight line, by their signed distances.

    python benchmarks/key_frames.py --sequences rhino,kite-walk --every 5,10 --frames 40
    python benchmarks/key_frames.py --ways flow,linear --jobs 16
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from common import RESULTS, write_json
from sequences import Sequence, names_of, read_sequence

from vos.evaluation.boundary import contour_accuracies
from vos.evaluation.pair import pair_labels
from vos.evaluation.region import region_similarities
from vos.ops.overlap import paint_by
from vos.ops.rle import unpack_mask
from vos.results import FrameResult
from vos.trackers.intervals import TrackerPasses, as_targets, fill_key_frames, track_interval
from vos.trackers.registry import build_tracker
from vos.video import open_video

MODEL = "classical"
Filling = Callable[[Sequence, list[FrameResult]], Iterator[FrameResult]]


def keys(sequence: Sequence, every: int) -> list[FrameResult]:
    """The truth of every this many frames, and of the last."""
    last = len(sequence.truth) - 1
    indices = sorted({*range(0, last + 1, every), last})
    return [FrameResult(i, sequence.truth[i], dict.fromkeys(sequence.ids, 1.0)) for i in indices]


def by_flow(sequence: Sequence, known: list[FrameResult]) -> Iterator[FrameResult]:
    """From both sides along optical flow."""
    with open_video(sequence.folder) as video:
        yield from fill_key_frames(video, known)


def tracked(sequence: Sequence, known: list[FrameResult]) -> Iterator[FrameResult]:
    """By the interval rule."""
    tracker, ids = build_tracker(MODEL), list(sequence.ids)
    with open_video(sequence.folder) as video:
        for p, q in pairwise(known):
            first, last = p.frame_index + 1, q.frame_index - 1
            if first > last:
                continue
            size = p.labels.shape[0], p.labels.shape[1]
            ends = {"before": as_targets(p), "after": as_targets(q)}
            joined = track_interval(TrackerPasses(tracker, video), first, last, ids, size=size, **ends)
            for row in range(last - first + 1):
                packed = [joined[k].masks[row] for k in ids]
                masks = [unpack_mask(mask.rle, size) for mask in packed]
                order = [(-mask.confidence, k) for mask, k in zip(packed, ids, strict=True)]
                yield FrameResult(first + row, paint_by(masks, ids, order), dict.fromkeys(ids, 1.0))


def forward_only(sequence: Sequence, known: list[FrameResult]) -> Iterator[FrameResult]:
    """Key frames as corrections of one forward pass."""
    tracker, by_index = build_tracker(MODEL), {result.frame_index: result for result in known}
    with open_video(sequence.folder) as video:
        for frame in video:
            key = by_index.get(frame.index)
            targets = as_targets(key) if key else []
            yield tracker.step(frame, targets) if frame.index else tracker.start(frame, targets)


def linear(sequence: Sequence, known: list[FrameResult]) -> Iterator[FrameResult]:
    """Between the signed distances of both masks."""
    for p, q in pairwise(known):
        ends = [[signed_distance(r.mask(k)) for k in sequence.ids] for r in (p, q)]
        for frame in range(p.frame_index + 1, q.frame_index):
            t = np.float32((frame - p.frame_index) / (q.frame_index - p.frame_index))
            between = [(1 - t) * a + t * b for a, b in zip(*ends, strict=True)]
            masks = [distance > 0 for distance in between]
            order = [(int(mask.sum()), k) for mask, k in zip(masks, sequence.ids, strict=True)]
            labels = paint_by(masks, list(sequence.ids), order)
            yield FrameResult(frame, labels, dict.fromkeys(sequence.ids, 1.0))


def signed_distance(mask: np.ndarray) -> np.ndarray:
    """(H, W) float32, positive inside."""
    inside, outside = (cv2.distanceTransform(m.astype(np.uint8), cv2.DIST_L2, 5) for m in (mask, ~mask))
    return inside - outside


WAYS: dict[str, Filling] = {
    "flow": by_flow,
    "tracked": tracked,
    "forward": forward_only,
    "linear": linear,
}


def measure(name: str, every: int, way: str, frames: int, size: int) -> dict[str, Any]:
    """One sequence."""
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        sequence = read_sequence(name, frames, size, Path(folder))
        known = keys(sequence, every)
        began = time.process_time()
        results = list(WAYS[way](sequence, known))
        seconds = time.process_time() - began
    given = {key.frame_index for key in known}
    js, fs = [], []
    pairs = np.array([(k, k) for k in sequence.ids])
    for result in results:
        if result.frame_index not in given:
            labels = pair_labels(sequence.truth[result.frame_index], result.labels.astype(np.uint8))
            js.append(region_similarities(labels, pairs).mean())
            fs.append(contour_accuracies(labels, pairs).mean())
    return {
        "sequence": name,
        "every": every,
        "way": way,
        "filled": len(js),
        "j": round(100 * float(np.mean(js)), 2),
        "f": round(100 * float(np.mean(fs)), 2),
        "seconds_per_filled_frame": round(seconds / len(js), 3),
    }


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sequences", default="", help="names, by commas; default: all")
    parser.add_argument("--every", default="2,3,5,10")
    parser.add_argument("--ways", default=",".join(WAYS))
    parser.add_argument("--frames", type=int, default=0, help="first this many frames; 0: all")
    parser.add_argument("--size", type=int, default=0, help="shorter side in pixels; 0: as it is")
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--json", default=str(RESULTS / "key_frames.json"))
    options = parser.parse_args()
    tasks = [
        (name, every, way, options.frames, options.size)
        for name in names_of(options.sequences)
        for every in map(int, options.every.split(","))
        for way in options.ways.split(",")
    ]
    rows = []
    with ProcessPoolExecutor(options.jobs) as pool:
        for row in pool.map(measure, *zip(*tasks, strict=True)):
            rows.append(row)
            print(row, flush=True)
            write_json(options.json, "key_frames", {**vars(options), "means": means(rows)}, rows)
    print(means(rows))


def means(rows: list[dict[str, Any]]) -> dict[str, dict[str, float]]:
    """Over sequences, by way and distance of key frames."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault(f"{row['way']}, every {row['every']}", []).append(row)
    return {
        group: {
            key: round(float(np.mean([row[key] for row in found])), 3)
            for key in ("j", "f", "seconds_per_filled_frame")
        }
        for group, found in groups.items()
    }


if __name__ == "__main__":
    main()
