"""J&F and cost of the frames between key frames, with true masks in place of a strong tracker's.

Rows: the interval rule with the best and with the middle switch frame, with a warm and with a cold start at
each key frame, and forward only.

    python benchmarks/key_frames.py --sequences rhino,kite-walk --every 5,10 --frames 40
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from common import RESULTS, write_json
from corrections import Sequence, sequences

from vos.evaluation.boundary import contour_accuracies
from vos.evaluation.pair import pair_labels
from vos.evaluation.region import region_similarities
from vos.results import FrameResult
from vos.trackers.intervals import IntervalSettings, as_targets, fill_key_frames
from vos.trackers.registry import build_tracker
from vos.video import open_video

WAYS: dict[str, IntervalSettings | None] = {
    "best, warm": IntervalSettings("best", warm=True),
    "best, cold": IntervalSettings("best", warm=False),
    "middle, warm": IntervalSettings("middle", warm=True),
    "forward": None,
}


def keys(sequence: Sequence, every: int) -> list[FrameResult]:
    """The truth of every so many frames, and of the last."""
    last = len(sequence.truth) - 1
    indices = sorted({*range(0, last + 1, every), last})
    return [FrameResult(i, sequence.truth[i], dict.fromkeys(sequence.ids, 1.0)) for i in indices]


def forward_only(model: str, sequence: Sequence, known: list[FrameResult]) -> Iterator[FrameResult]:
    """Key frames as corrections of one forward pass."""
    tracker, by_index = build_tracker(model), {result.frame_index: result for result in known}
    with open_video(sequence.folder) as video:
        for frame in video:
            key = by_index.get(frame.index)
            targets = as_targets(key) if key else []
            yield tracker.step(frame, targets) if frame.index else tracker.start(frame, targets)


def measure(model: str, sequence: Sequence, every: int, way: str) -> dict[str, Any]:
    """One sequence."""
    known, settings = keys(sequence, every), WAYS[way]
    filled = len(sequence.truth) - len(known)
    js, fs = [], []
    began = time.process_time()
    with open_video(sequence.folder) as video:
        results = list(
            forward_only(model, sequence, known)
            if settings is None
            else fill_key_frames(build_tracker(model), video, known, settings)
        )
    seconds = time.process_time() - began
    pairs = np.array([(k, k) for k in sequence.ids])
    for result in results:
        if result.frame_index not in {key.frame_index for key in known}:
            labels = pair_labels(sequence.truth[result.frame_index], result.labels.astype(np.uint8))
            js.append(region_similarities(labels, pairs).mean())
            fs.append(contour_accuracies(labels, pairs).mean())
    return {
        "sequence": sequence.name,
        "every": every,
        "way": way,
        "j": round(100 * float(np.mean(js)), 2),
        "f": round(100 * float(np.mean(fs)), 2),
        "seconds_per_filled_frame": round(seconds / filled, 3),
    }


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sequences", default="", help="names, by commas; default: all")
    parser.add_argument("--every", default="2,3,5,10")
    parser.add_argument("--ways", default=";".join(WAYS), help="separated by semicolons")
    parser.add_argument("--model", default="classical")
    parser.add_argument("--frames", type=int, default=0, help="first so many frames; 0: all")
    parser.add_argument("--size", type=int, default=0, help="shorter side in pixels; 0: as it is")
    parser.add_argument("--json", default=str(RESULTS / "key_frames.json"))
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as name:
        wanted = [part for part in options.sequences.split(",") if part]
        for sequence in sequences(wanted, options.frames, options.size, Path(name)):
            for every in map(int, options.every.split(",")):
                for way in options.ways.split(";"):
                    rows.append(measure(options.model, sequence, every, way))
                    print(rows[-1], flush=True)
                    write_json(options.json, "key_frames", vars(options), rows)


if __name__ == "__main__":
    main()
