"""Trackers with a memory on a CUDA card: the recorded numbers, and frames per second.

    python benchmarks/cuda_memory_trackers.py --json memory-trackers-cuda.json --seconds 140

First the runs recorded of the reference programme are repeated on the card in float32 without TF32, and
compared as in the tests; in 16 bits, the share of pixels is counted that float32 gives another label. Then
one model is timed with ``compile``, and all are without, in full size with pseudo-random weights, 480p frames
and full memories, with 1, 5 and 20 objects. No case is begun after ``--seconds``; the file is written
after every case.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import ROOT, data_root, write_json
from memory_trackers import MODELS as ALL
from memory_trackers import SIZE, Ours, images

from vos.trackers.memory.loading import load_network
from vos.trackers.memory.network import MemoryNetwork
from vos.trackers.memory.policy import Sam2Policy
from vos.trackers.memory.session import Session

GOLDEN = (
    ("mini_s1_sticky_fp32", "mini", 1, "full", {}),
    ("mini_s1_sticky", "mini", 1, "full", {}),
    ("mini_s1_default", "mini", 1, "full", {"sticky": False}),
    ("mini_s2_sticky_cond2", "mini", 2, "full", {"max_conditioning": 2}),
    ("mini_s3_absent", "mini", 3, "short", {"sticky": False}),
    ("tiny_s0_sticky", "tiny", 0, "short", {}),
)
"""Recorded file, model, seed of its weights, scenario, settings of the session."""
PUBLISHED = {"keep_first": False, "bounded": False, "clear_around": False, "max_conditioning": None}
STEPS = 8
"""Timed per case."""
MODELS = {name: build for name, build in ALL.items() if name != "mini"}


def golden(folder: Path) -> Iterator[dict[str, Any]]:
    """Every recorded run within tolerance, on the card."""
    sys.path.insert(0, str(ROOT / "tests"))
    from golden_sam2 import TIGHT, Replay, Tolerance, scenario, weights

    for file, model, seed, scene, settings in GOLDEN:
        tight = file.endswith("fp32")
        with tempfile.TemporaryDirectory() as place:
            path = Path(place) / "weights.pt"
            torch.save({"model": weights(model, seed)}, path)
            memory_dtype = "float32" if tight else "bfloat16"
            network = load_network("sam2.1-tiny", path, device="cuda", memory_dtype=memory_dtype)
            halves = {
                dtype: load_network("sam2.1-tiny", path, device="cuda", dtype=dtype)
                for dtype in ("bfloat16", "float16")
            }
        chosen: dict[str, Any] = PUBLISHED | settings
        row: dict[str, Any] = {"what": "recorded run", "file": file, "card": True}
        replay = Replay(
            folder, scenario(folder, scene), network, Session(network, Sam2Policy(max_pointers=10), **chosen)
        )
        with np.load(folder / f"{file}.npz") as recorded:
            try:
                row |= {
                    "equal": True,
                    "compared": replay.check(recorded, model, TIGHT if tight else Tolerance()),
                }
            except AssertionError as error:
                row |= {"equal": False, "error": str(error)}
        if not tight:
            row |= {f"other_pixels_{name}": _other_pixels(replay, network, n) for name, n in halves.items()}
        yield row


def _other_pixels(replay: Any, network: MemoryNetwork, half: MemoryNetwork) -> float:
    """Largest share of pixels of a frame that have another sign in 16 bits, tracking from a click."""
    answers = []
    for one in (network, half):
        session, masks = Session(one, Sam2Policy(max_pointers=10)), []
        side = one.image_size
        for t, image in enumerate(replay.images):
            features = one.encode_image(image)
            if t == 0:
                middle, on = torch.tensor([[side / 2, side / 2]]), torch.tensor([1])
                session.prompt_points(0, features, 1, middle, on)
                session.commit(0, features)
            else:
                masks.append(session.track(t, features, 1)[1].entry.low_res > 0)  # type: ignore[operator]
        answers.append(torch.stack(masks))
    return round(float((answers[0] != answers[1]).flatten(1).float().mean(1).max()), 5)


def speed(network: MemoryNetwork, objects: int) -> dict[str, Any]:
    """Frames per second with full memories."""
    tracks = Ours(network, objects)
    frames = images(2)
    torch.cuda.reset_peak_memory_stats()
    tracks.start(frames[0])
    tracks.step(frames[1])
    tracks.fill()
    for n in range(2):
        tracks.step(frames[n])
    torch.cuda.synchronize()
    began = time.perf_counter()
    for n in range(STEPS):
        tracks.step(frames[n % 2])
    torch.cuda.synchronize()
    seconds = (time.perf_counter() - began) / STEPS
    return {"fps": round(1 / seconds, 2), "peak_mib": round(torch.cuda.max_memory_allocated() / 2**20)}


def measure(wanted: argparse.Namespace, late: Callable[[], bool]) -> Iterator[dict[str, Any]]:
    """All cases."""
    if wanted.golden.is_dir():
        yield from golden(wanted.golden)
    else:
        yield {"what": "recorded run", "error": f"{wanted.golden} is not there"}
    network = _network(wanted.compile, "bfloat16")
    network.compile()
    for objects in wanted.objects[:2]:
        if late():
            return
        began = time.perf_counter()
        row = {"what": "speed", "model": wanted.compile, "dtype": "bfloat16", "objects": objects}
        found = _tried(network, objects)
        yield row | found | {"compiled": True, "seconds_in_all": round(time.perf_counter() - began, 1)}
    for dtype in wanted.dtypes:
        for name in wanted.models:
            if late():
                return
            network = _network(name, dtype)
            for objects in wanted.objects:
                yield {"what": "speed", "model": name, "dtype": dtype, "objects": objects} | _tried(
                    network, objects
                )


def _network(name: str, dtype: str) -> MemoryNetwork:
    """With random weights, on the card."""
    torch.cuda.empty_cache()
    torch.manual_seed(0)
    with torch.device("cuda"):
        model = MODELS[name]()
    return MemoryNetwork(model, name, device="cuda", dtype=getattr(torch, dtype))


def _tried(network: MemoryNetwork, objects: int) -> dict[str, Any]:
    try:
        return speed(network, objects)
    except Exception as error:  # one failing case must not cost the others
        return {"error": f"{type(error).__name__}: {str(error)[:300]}"}


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--dtypes", nargs="+", default=["bfloat16", "float16"])
    parser.add_argument("--objects", nargs="+", type=int, default=[1, 5, 20])
    parser.add_argument("--compile", default="sam2.1-tiny", choices=list(MODELS))
    parser.add_argument("--golden", type=Path, default=data_root().parent / "golden" / "sam2")
    parser.add_argument("--seconds", type=float, default=140, help="begin no case later than this")
    parser.add_argument("--json", required=True)
    wanted = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    began = time.perf_counter()
    settings = {name: str(value) for name, value in vars(wanted).items()}
    settings |= {"card": torch.cuda.get_device_name(), "size": SIZE, "steps": STEPS}
    rows: list[dict[str, Any]] = []
    for row in measure(wanted, lambda: time.perf_counter() - began > wanted.seconds):
        rows.append(row | {"at_s": round(time.perf_counter() - began, 1)})
        print(rows[-1], flush=True)
        write_json(wanted.json, "trackers with memory on a card", settings, rows)


if __name__ == "__main__":
    main()
