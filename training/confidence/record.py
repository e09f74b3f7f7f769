"""Run trackers and backbones on annotated sequences, and record what confidence is predicted from beside J.

    python -m training.confidence.record decoding interactive --out records
    python -m training.confidence.record tracking classical --start click --frames 20 --out records

Sequences are DAVIS 2016/dev and DAVIS-2016-train under the folder of ``benchmarks/common.py``. Each sequence
becomes one file of JSON lines as soon as it is finished; those that are there already are left out, so a
recording can be stopped and gone on with.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from benchmarks.common import data_root
from vos.arrays import Mask
from vos.backbones.base import Backbone
from vos.backbones.classical.backbone import GraphCutBackbone
from vos.backbones.expected_quality import decoding_signals
from vos.backbones.feature_cache import FeatureCache
from vos.backbones.in_video import encode_frame
from vos.backbones.interactive.backbone import build_interactive
from vos.backbones.nano.backbone import build_nano
from vos.evaluation import region_similarity
from vos.files import make_folder, write_text_atomic
from vos.frame import Frame
from vos.ops.boxes import tight_box
from vos.prompting.decoding import decode_prompts
from vos.prompts import Prompt, Target
from vos.trackers.classical.confidence import Signals
from vos.trackers.classical.tracker import ClassicalTracker
from vos.trackers.nano.tracker import NanoTracker
from vos.video import open_video

Row = dict[str, Any]

BACKBONES = {"graph_cut": GraphCutBackbone, "interactive": build_interactive, "nano": build_nano}
TRACKERS = {
    "classical": lambda confidence: ClassicalTracker(confidence=confidence),
    "nano": lambda confidence: NanoTracker(build_nano(), confidence=confidence),
}
STARTS = ("mask", "box", "click")
CLICKS = 3


@dataclass(frozen=True)
class Annotated:
    """A sequence with one object."""

    name: str
    video: Path
    annotations: Path

    @cached_property
    def truth(self) -> list[Mask]:
        """(H, W) bool of every frame."""
        paths = sorted(self.annotations.glob("*.png"))
        return [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) > 0 for path in paths]

    def frames(self) -> Iterator[Frame]:
        """All frames that are annotated, in order."""
        for frame, _ in zip(open_video(self.video), self.truth, strict=False):
            yield frame


def sequences(root: Path) -> list[Annotated]:
    """The ten of DAVIS 2016/dev and the thirty of DAVIS-2016-train."""
    dev, train = root / "DAVIS", root / "DAVIS-2016-train"
    names = sorted(Path(line).name for line in (dev / "ImageSets" / "2016" / "dev.txt").read_text().split())
    found = [
        Annotated(name, dev / "JPEGImages" / "480p" / name, dev / "Annotations" / "480p" / name)
        for name in names
    ]
    return found + [Annotated(path.stem, path, train / path.stem) for path in sorted(train.glob("*.mp4"))]


def record_decoding(backbone: Backbone, sequence: Annotated) -> list[Row]:
    """Rows for a box, one, two and three clicks in the first frame, as a frame of its video and by itself.

    The first click is at the object's deepest point, each next one at the deepest point of the largest error.
    """
    frame, truth = next(iter(sequence.frames())), sequence.truth[0]
    backbone = FeatureCache(backbone)
    rows = [row | {"motion": True} for row in _decoding_rows(backbone, frame, truth)]
    still = Frame(frame.index, frame.image.copy())
    return rows + [row | {"motion": False} for row in _decoding_rows(backbone, still, truth)]


def _decoding_rows(backbone: Backbone, frame: Frame, truth: Mask) -> list[Row]:
    rows = [_decoded(backbone, frame, box_prompt(truth), truth)]
    points, labels = [deepest(truth)], [1]
    for _ in range(CLICKS):
        prompt = Prompt(points=np.array(points, np.float32), labels=np.array(labels))
        rows.append(_decoded(backbone, frame, prompt, truth))
        missed, wrong = truth & ~rows[-1]["mask"], rows[-1]["mask"] & ~truth
        largest = max((_largest(missed), 1), (_largest(wrong), 0), key=lambda error: int(error[0].sum()))
        if not largest[0].any():
            break
        points.append(deepest(largest[0]))
        labels.append(largest[1])
    return [{k: v for k, v in row.items() if k != "mask"} for row in rows]


def _decoded(backbone: Backbone, frame: Frame, prompt: Prompt, truth: Mask) -> Row:
    mask = _decoded_target(frame, prompt, backbone).prompt.mask
    assert mask is not None
    candidates = backbone.decode(encode_frame(backbone, frame), [prompt])
    scores, low_res = candidates.scores[0].cpu().numpy(), candidates.low_res[0].cpu().numpy() > 0
    count = 0 if prompt.points is None else len(prompt.points)
    return {
        "prompt": "box" if prompt.box is not None else f"{count} click{'s' if count > 1 else ''}",
        "j": region_similarity(mask, truth),
        "signals": decoding_signals(prompt, scores, low_res, mask, frame.image),
        "mask": mask,
    }


def record_tracking(tracker: str, sequence: Annotated, start: str, frames: int) -> list[Row]:
    """Rows for the frames after the first, at most ``frames``, in which the tracker found the object."""
    seen: list[Signals] = []

    def remember(signals: Signals) -> float:
        seen.append(signals)
        return 0.0

    engine = TRACKERS[tracker](remember)
    rows: list[Row] = []
    for frame, truth in zip(sequence.frames(), sequence.truth, strict=False):
        if frame.index == 0:
            engine.start(frame, [_first_target(frame, truth, start)])
            continue
        if len(rows) == frames:
            break
        seen.clear()
        result = engine.step(frame)
        if seen:
            j = region_similarity(result.mask(1), truth)
            rows.append({"frame": frame.index, "j": j, "signals": asdict(seen[0])})
    return rows


def _first_target(frame: Frame, truth: Mask, start: str) -> Target:
    """The true mask, or what the backbone that answers points and boxes by default decodes, with its
    confidence."""
    if start == "mask":
        return Target(1, Prompt(mask=truth))
    if start == "box":
        prompt = box_prompt(truth)
    else:
        prompt = Prompt(points=np.array([deepest(truth)], np.float32), labels=np.array([1]))
    return _decoded_target(frame, prompt, build_interactive())


def _decoded_target(frame: Frame, prompt: Prompt, backbone: Backbone) -> Target:
    return decode_prompts(frame, [Target(1, prompt, frame.index)], backbone)[0]


def box_prompt(truth: Mask) -> Prompt:
    """The tight box of a mask that is not empty."""
    return Prompt(box=np.asarray(tight_box(truth), np.float32))


def deepest(region: Mask) -> tuple[float, float]:
    """(x, y) of the pixel of a region farthest from its contour and from the image border."""
    distance = cv2.distanceTransform(np.pad(region.astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    row, column = np.unravel_index(int(distance.argmax()), distance.shape)
    return float(column), float(row)


def _largest(mask: Mask) -> Mask:
    """The largest connected part."""
    count, parts, sizes, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8), connectivity=8)
    return parts == 1 + int(sizes[1:, cv2.CC_STAT_AREA].argmax()) if count > 1 else mask


def write_rows(path: Path, rows: Sequence[Row]) -> None:
    """One JSON line per row."""
    make_folder(path.parent)
    write_text_atomic(path, "".join(json.dumps(row) + "\n" for row in rows))


def main() -> None:
    """Record and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("decoding", "tracking"))
    parser.add_argument("name", choices=sorted({*BACKBONES, *TRACKERS}))
    parser.add_argument("--start", choices=STARTS, default="mask")
    parser.add_argument("--frames", type=int, default=1000, help="frames per sequence after the first")
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    kind = f"-{arguments.start}" if arguments.what == "tracking" else ""
    folder = arguments.out / f"{arguments.what}-{arguments.name}{kind}"
    backbone = BACKBONES[arguments.name]() if arguments.what == "decoding" else None
    for sequence in sequences(data_root()):
        path = folder / f"{sequence.name}.jsonl"
        if path.exists():
            continue
        if backbone is not None:
            rows = record_decoding(backbone, sequence)
        else:
            rows = record_tracking(arguments.name, sequence, arguments.start, arguments.frames)
        write_rows(path, rows)
        print(f"{sequence.name}: {len(rows)} rows, mean J {np.mean([row['j'] for row in rows]):.3f}")


if __name__ == "__main__":
    main()
