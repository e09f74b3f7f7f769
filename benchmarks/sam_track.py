"""Seconds per frame of ``vos track --model mobile-sam``, by stage, for one and for five objects.

Weights are pseudo-random, on which speed does not depend. Beside our tracker runs the published recipe, which
has no motion and no memory. Flow, memory and the choice of prompts are *match*::

    python benchmarks/sam_track.py --models mobile-sam --dtypes float32 bfloat16
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import torch
from common import RESULTS, write_json
from sam import CONFIGS

from vos.backbones.base import Candidates, FrameFeatures
from vos.backbones.sam.backbone import SamBackbone
from vos.backbones.sam.network import build_network
from vos.prompting.parsing import load_prompts
from vos.runs import TrackSettings, track_video
from vos.testing import scene, write_images, write_labels
from vos.testing.tiny_sam import random_sam_state
from vos.trackers.base import Tracker
from vos.trackers.persam.as_published import PublishedPersamTracker
from vos.trackers.persam.tracker import PersamTracker
from vos.video import open_video

SIZE = (480, 854)


class TimedSam(SamBackbone):
    """Counts the time spent encoding and decoding; masks at image size are decoding too."""

    seconds: dict[str, float]

    def encode(self, image: Any) -> FrameFeatures:
        """As ever."""
        return self._timed("encode", super().encode, image)

    def decode(self, features: FrameFeatures, prompts: Sequence[Any], **options: Any) -> Candidates:
        """As ever."""
        return self._timed("decode", super().decode, features, prompts, **options)

    def upscale(self, *arguments: Any, **options: Any) -> torch.Tensor:
        """As ever."""
        return self._timed("decode", super().upscale, *arguments, **options)

    def _timed(self, stage: str, work: Any, *arguments: Any, **options: Any) -> Any:
        start = time.perf_counter()
        result = work(*arguments, **options)
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        self.seconds[stage] += time.perf_counter() - start
        return result


def measure(folder: Path, sam: TimedSam, method: str, objects: int) -> dict[str, Any]:
    """One run over the clip in ``folder``; the first frame is left out, it has no decoding."""
    tracker: Tracker = PersamTracker(sam) if method == "target" else PublishedPersamTracker(sam)
    with open_video(folder / "images") as video:
        targets = load_prompts(masks=[folder / "masks" / "00000.png"], video=video)[:objects]
        sam.seconds = {"encode": 0.0, "decode": 0.0}
        settings = TrackSettings(outputs=("masks", "overlay", "coco"))
        summary = track_video(video, targets, folder / "out", settings, tracker=tracker, overwrite=True)
    seconds = {**summary.seconds, **sam.seconds}
    stages = {
        "read": seconds["read"],
        "encode": seconds["encode"],
        "match": seconds["track"] - seconds["encode"] - seconds["decode"],
        "decode": seconds["decode"],
        "write": seconds["write"],
    }
    per_frame = {name: round(value / summary.frames, 4) for name, value in stages.items()}
    return {"total": round(seconds["total"] / summary.frames, 4), **per_frame}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", choices=CONFIGS, default=["mobile-sam"])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--frames", type=int, default=8)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--json", type=Path, default=RESULTS / "sam-track.json")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        clip = scene("crowd", num_frames=options.frames, size=SIZE, seed=1)
        write_images(clip, folder / "images")
        write_labels(clip, folder / "masks")
        for model in options.models:
            state = random_sam_state(CONFIGS[model])
            for dtype in options.dtypes:
                sam = TimedSam(build_network(state, model), device=options.device, dtype=dtype)
                for method in ("target", "parity"):
                    for objects in (1, 5):
                        found = measure(folder, sam, method, objects)
                        row = {"model": model, "dtype": dtype, "method": method, "objects": objects, **found}
                        print(row, flush=True)
                        rows.append(row)
    settings = {k: v for k, v in vars(options).items() if k != "json"}
    write_json(options.json, "seconds per frame of vos track with SAM", {**settings, "image": SIZE}, rows)


if __name__ == "__main__":
    main()
