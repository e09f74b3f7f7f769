"""Seconds per frame of trackers with a memory here and in transformers' own session, in the same run.

    python benchmarks/memory_trackers.py --models mini sam2.1-tiny edgetam --objects 1 5 --dtypes float32

Weights are pseudo-random, which costs as much as trained ones. Memories are filled up (7 frames, 16 pointers)
by copies of one tracked frame, and single steps are timed, masks at the size of the frame included: processor
seconds, the least of the repetitions, for machines are rarely idle. ``--page FILE`` writes the table of
``docs/memory-trackers.md`` from such a JSON, and measures nothing.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, ROOT, write_between, write_json
from torch.nn import functional as F
from transformers import (
    EdgeTamVideoInferenceSession,
    EdgeTamVideoModel,
    Sam2VideoInferenceSession,
    Sam2VideoModel,
    Sam3TrackerVideoConfig,
    Sam3TrackerVideoInferenceSession,
    Sam3TrackerVideoModel,
)

from vos.frame import Frame
from vos.prompts import Prompt, Target
from vos.trackers.memory.configurations import HIERA, PLAIN, edgetam_config, efficienttam_config, hiera_config
from vos.trackers.memory.efficienttam import EfficientTamVideoModel
from vos.trackers.memory.network import MemoryNetwork
from vos.trackers.memory.tracker import MemorySettings, MemoryTracker

PAGE = ROOT / "docs" / "memory-trackers.md"
BEGIN, END = "<!-- speed: written by benchmarks/memory_trackers.py -->\n", "<!-- end of speed -->"
SIZE = (480, 854)
MINI = {
    "memory_attention_hidden_size": 128,
    "memory_attention_num_layers": 2,
    "memory_attention_feed_forward_hidden_size": 128,
    "memory_encoder_hidden_size": 128,
    "mask_downsampler_embed_dim": 128,
    "memory_fuser_embed_dim": 128,
    "memory_fuser_intermediate_dim": 512,
}


def _sam2(size: str, changes: dict[str, int] | None = None) -> Any:
    trunk = next(hiera for hiera in HIERA if hiera.name == size)
    return Sam2VideoModel(hiera_config(trunk, changes or {}))


def _edgetam() -> Any:
    sizes = {"perceiver_resampler_num_latents": 256, "perceiver_resampler_num_latents_2d": 256}
    return EdgeTamVideoModel(edgetam_config(sizes | {"memory_attention_num_layers": 2}, 1024))


def _efficienttam(size: str, pooling: str | None = None) -> Any:
    plain = next(trunk for trunk in PLAIN if trunk.name == size)
    switches = ("enable_occlusion_spatial_embedding", "enable_temporal_pos_encoding_for_object_pointers")
    config = efficienttam_config(dict.fromkeys(switches, False), plain.image_size)
    return EfficientTamVideoModel(config, plain, pooling)


MODELS: dict[str, Callable[[], Any]] = {
    "mini": lambda: _sam2("mini", MINI),
    "sam2.1-tiny": lambda: _sam2("tiny"),
    "sam2.1-small": lambda: _sam2("small"),
    "sam2.1-base-plus": lambda: _sam2("base-plus"),
    "sam2.1-large": lambda: _sam2("large"),
    "edgetam": _edgetam,
    "efficienttam-s": lambda: _efficienttam("s"),
    "efficienttam-s-1": lambda: _efficienttam("s", "logits"),
    "efficienttam-ti": lambda: _efficienttam("ti"),
    "sam3": lambda: Sam3TrackerVideoModel(Sam3TrackerVideoConfig()),
}
"""Models in full size, and a small one."""
SESSIONS = {
    "Sam2VideoModel": Sam2VideoInferenceSession,
    "EdgeTamVideoModel": EdgeTamVideoInferenceSession,
    "Sam3TrackerVideoModel": Sam3TrackerVideoInferenceSession,
}
"""Sessions of transformers by model; it has none for EfficientTAM."""


def random_model(name: str) -> Any:
    """A model with transformers' initial weights."""
    torch.manual_seed(0)
    return MODELS[name]().eval().requires_grad_(False)


def images(count: int) -> list[np.ndarray]:
    """Noise of SIZE."""
    generator = np.random.default_rng(0)
    return [generator.integers(0, 256, (*SIZE, 3), dtype=np.uint8) for _ in range(count)]


class Ours:
    """Tracks through the seam."""

    def __init__(self, network: MemoryNetwork, objects: int, max_batch: int | None = None) -> None:
        self.tracker = MemoryTracker(network, MemorySettings(max_batch=max_batch))
        self.objects, self.t = objects, 0

    def start(self, image: np.ndarray) -> None:
        points = [np.array([[100.0 + 50 * k, 200]], np.float32) for k in range(self.objects)]
        targets = [Target(k + 1, Prompt(xy, np.array([1]))) for k, xy in enumerate(points)]
        self.tracker.start(Frame(0, image, "0"), targets)

    def step(self, image: np.ndarray) -> None:
        self.t += 1
        self.tracker.step(Frame(self.t, image, str(self.t)))

    def fill(self) -> None:
        """Memories as after 15 more frames."""
        state = self.tracker._state
        assert state is not None
        for track in state.session.tracks.values():
            entry = track.bank.tracked[1]
            track.bank.tracked = {t: entry for t in range(2, 17)}
        self.tracker._state = dataclasses.replace(state, t=16)


class Session:
    """transformers' streaming session."""

    def __init__(self, model: Any, dtype: torch.dtype, objects: int, device: str = "cpu") -> None:
        self.model = model.to(device, dtype)
        self.dtype, self.objects, self.t, self.device = dtype, objects, 0, device
        self.session = SESSIONS[type(model).__name__](
            video_height=SIZE[0],
            video_width=SIZE[1],
            dtype=dtype,
            inference_device=device,
            inference_state_device=device,
            video_storage_device=device,
        )

    def _pixels(self, image: np.ndarray) -> torch.Tensor:
        from vos.trackers.memory.preprocess import IMAGENET_MEAN, IMAGENET_STD, to_input

        return to_input(image, self.model.image_size, IMAGENET_MEAN, IMAGENET_STD).to(self.device, self.dtype)

    def start(self, image: np.ndarray) -> None:
        side = self.model.image_size
        for k in range(self.objects):
            row = self.session.obj_id_to_idx(k + 1)
            place = (100 + 50 * k) * side / SIZE[1], 200 * side / SIZE[0]
            point = torch.tensor([[[place]]], dtype=self.dtype, device=self.device)
            labels = torch.ones(1, 1, 1, dtype=torch.int32, device=self.device)
            inputs = {"point_coords": point, "point_labels": labels}
            self.session.add_point_inputs(row, 0, inputs)
        self.session.obj_with_new_inputs = list(range(1, self.objects + 1))
        self.model(self.session, frame=self._pixels(image))

    def step(self, image: np.ndarray) -> None:
        self.t += 1
        found = self.model(self.session, frame=self._pixels(image), frame_idx=self.t)
        (F.interpolate(found.pred_masks.float(), SIZE, mode="bilinear") > 0).cpu().numpy()

    def fill(self) -> None:
        """Memories as after 15 more frames."""
        for outputs in self.session.output_dict_per_obj.values():
            known = outputs["non_cond_frame_outputs"]
            known.update({t: known[1] for t in range(2, 17)})
        self.t = 16


def seconds(build: Callable[[], Any], frames: list[np.ndarray], repetitions: int) -> float:
    """Processor seconds of a step with full memories: the least of the repetitions."""
    runner = build()
    runner.start(frames[0])
    runner.step(frames[1])
    runner.fill()
    taken = []
    for n in range(repetitions):
        before = time.process_time()
        runner.step(frames[n % 2])
        taken.append(time.process_time() - before)
    return min(taken)


def table(rows: Iterable[Mapping[str, Any]]) -> str:
    """Markdown of the rows: a line per model and dtype, one and five objects side by side."""
    cells: dict[tuple[str, str], dict[int, str]] = {}
    for row in rows:
        ours = f"{row['vos_s']:.1f}"
        theirs = (
            f", {row['transformers_s']:.1f} | {row['times_faster']:.2f}" if "times_faster" in row else " |"
        )
        cells.setdefault((row["model"], row["dtype"]), {})[row["objects"]] = ours + theirs
    lines = [
        "| model | dtype | 1 object: here, session | times faster | 5: here, session | times faster |",
        "|---|---|--:|--:|--:|--:|",
    ]
    for (model, dtype), by_objects in cells.items():
        lines.append(f"| `{model}` | {dtype} | {' | '.join(by_objects.get(n, ' |') for n in (1, 5))} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["mini"], choices=list(MODELS))
    parser.add_argument("--objects", nargs="+", type=int, default=[1, 5])
    parser.add_argument(
        "--dtypes", nargs="+", default=["float32"], choices=["float32", "bfloat16", "float16"]
    )
    parser.add_argument("--max-batch", type=int, default=None)
    parser.add_argument("--repetitions", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", default=str(RESULTS / "memory-trackers.json"))
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table of these results only")
    wanted = parser.parse_args()
    if wanted.page:
        rows = json.loads(wanted.page.read_text())["rows"]
        write_between(PAGE, BEGIN, END, f"\n{table(rows)}\n\n")
        return
    torch.set_num_threads(wanted.threads)
    frames = images(2)
    rows = []
    for name in wanted.models:
        for dtype_name in wanted.dtypes:
            dtype = getattr(torch, dtype_name)
            for objects in wanted.objects:
                row: dict[str, Any] = {"model": name, "dtype": dtype_name, "objects": objects}
                model = random_model(name)
                ours_seconds = seconds(
                    lambda m=model, d=dtype, n=objects: Ours(
                        MemoryNetwork(m, "sam2.1-tiny", dtype=d), n, wanted.max_batch
                    ),
                    frames,
                    wanted.repetitions,
                )
                row["vos_s"] = round(ours_seconds, 3)
                if type(model).__name__ in SESSIONS:
                    untouched = random_model(name)  # ours has faster linear layers now
                    theirs_seconds = seconds(
                        lambda m=untouched, d=dtype, n=objects: Session(m, d, n), frames, wanted.repetitions
                    )
                    row["transformers_s"] = round(theirs_seconds, 3)
                    row["times_faster"] = round(theirs_seconds / ours_seconds, 2)
                print(row, flush=True)
                rows.append(row)
                write_json(wanted.json, "memory trackers beside transformers' session", vars(wanted), rows)


if __name__ == "__main__":
    main()
