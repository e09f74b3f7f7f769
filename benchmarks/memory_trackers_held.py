"""What SAM 2.1 holds over a long video, here and in transformers' own session.

    python benchmarks/memory_trackers_held.py --models mini --objects 1 10 --frames 2000
    python benchmarks/memory_trackers_held.py --models sam2.1-tiny --objects 1 --frames 300 --stand-ins
    python benchmarks/memory_trackers_held.py --models mini sam2.1-tiny --objects 1 --device cuda --workers 4

Frames are made one by one. Every case is a process of its own; at ten points on the way it notes the bytes
of live tensors and the peak of the resident size. transformers' session keeps everything, so it ends where
its tensors reach ``--limit`` MiB. Weights are pseudo-random. With ``--stand-ins`` the image encoder and the
memory attention, which keep nothing, are replaced by copies of their first result: full sizes in reasonable
time.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import resource
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, write_json
from memory_trackers import SIZE, Ours, Session, random_model

from vos.trackers.memory.network import MemoryNetwork

POINTS = 10
"""Times that a run is looked at."""
KINDS = ("vos", "transformers")


def live_mib() -> float:
    """Of all tensors alive; storages that several share count once."""
    gc.collect()
    tensors = (thing for thing in gc.get_objects() if type(thing) in (torch.Tensor, torch.nn.Parameter))
    storages = {
        t.untyped_storage().data_ptr(): t.untyped_storage().nbytes() for t in tensors if not t.is_meta
    }
    return sum(storages.values()) / 2**20


def peak_mib() -> float:
    """Largest resident size of this process so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


class Remembered:
    """Calls a function once, and gives copies of its result from then on."""

    def __init__(self, function: Any) -> None:
        self.function, self.result = function, None

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self.result is None:
            self.result = self.function(*args, **kwargs)
        return _copied(self.result)


def _copied(result: Any) -> Any:
    if isinstance(result, torch.Tensor):
        return result.clone()
    if isinstance(result, (tuple, list)):
        return type(result)(map(_copied, result))
    return type(result)(**{name: _copied(value) for name, value in result.items()})


class FirstArgument(torch.nn.Module):
    """In place of the memory attention of transformers."""

    def forward(self, current_vision_features: torch.Tensor, **_: Any) -> torch.Tensor:
        return current_vision_features.transpose(0, 1)[None]


def runner(kind: str, name: str, objects: int, stand_ins: bool, device: str) -> Any:
    """What tracks."""
    model = random_model(name)
    if stand_ins:
        model.get_image_features = Remembered(model.get_image_features)
    if kind == "vos":
        ours = Ours(MemoryNetwork(model, "sam2.1-tiny", device=device), objects)
        if stand_ins:
            network = ours.tracker.network
            network.fuse = lambda features, some: features.coarse.repeat(len(some), 1, 1, 1)
        return ours
    if stand_ins:
        model.memory_attention = FirstArgument()
    return Session(model, torch.float32, objects, device)


def held(kind: str, name: str, objects: int, wanted: argparse.Namespace) -> list[dict]:
    """MiB by number of frames."""
    generator, frames = np.random.default_rng(0), wanted.frames
    tracks = runner(kind, name, objects, wanted.stand_ins, wanted.device)
    found, began = [], time.process_time()
    for index in range(frames):
        image = generator.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
        if index == 0:
            tracks.start(image)
        else:
            tracks.step(image)
        if index == 40 or (index + 1) % max(1, frames // POINTS) == 0:
            live = round(live_mib(), 3)
            found.append({"frames": index + 1, "live_mib": live, "peak_mib": round(peak_mib(), 1)})
            found[-1]["processor_s"] = round(time.process_time() - began, 1)
            if live > wanted.limit:
                break
    return found


def in_a_process(wanted: argparse.Namespace, kind: str, name: str, objects: int) -> list[dict]:
    """One case by itself, with an allocator that gives back what is freed."""
    command = [sys.executable, __file__, "--only", kind, "--models", name, "--objects", str(objects)]
    command += ["--frames", str(wanted.frames), "--limit", str(wanted.limit)]
    command += ["--threads", str(wanted.threads), "--device", wanted.device]
    command += ["--stand-ins"] * wanted.stand_ins
    environment = os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        return [{"error": done.stderr[-500:]}]
    rows: list[dict] = json.loads(done.stdout)
    return rows


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=["mini"])
    parser.add_argument("--objects", nargs="+", type=int, default=[1, 10])
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--stand-ins", action="store_true")
    parser.add_argument("--limit", type=float, default=1500, help="MiB of tensors at which a run ends")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1, help="cases at the same time")
    parser.add_argument("--only", choices=KINDS, help="one case in this process; its rows go to stdout")
    parser.add_argument("--json", default=str(RESULTS / "memory-trackers-held.json"))
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    if wanted.only:
        print(json.dumps(held(wanted.only, wanted.models[0], wanted.objects[0], wanted)))
        return
    cases = [(kind, name, n) for name in wanted.models for n in wanted.objects for kind in KINDS]
    rows: list[dict[str, Any]] = []
    with ThreadPoolExecutor(wanted.workers) as pool:
        for case, points in zip(cases, pool.map(lambda one: in_a_process(wanted, *one), cases), strict=True):
            rows.append({**dict(zip(("program", "model", "objects"), case, strict=True)), "points": points})
            print(rows[-1], flush=True)
            write_json(Path(wanted.json), "what trackers with memory hold", vars(wanted), rows)


if __name__ == "__main__":
    main()
