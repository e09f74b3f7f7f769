"""What SAM and PerSAM cost here: encoding, decoding, the PerSAM-F fit, and the error of fewer bits.

Weights are pseudo-random (speed does not depend on them, errors do somewhat). Seconds are wall clock and,
because machines are shared, processor time of all threads as well::

    python benchmarks/sam.py --models mobile-sam sam-vit-b -o benchmarks/results/sam.json
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from common import write_json
from torch import Tensor, nn

from vos.backbones.base import FrameFeatures, Guidance
from vos.backbones.sam.backbone import SamBackbone
from vos.backbones.sam.network import SamConfig, build_network
from vos.backbones.sam.tiny_vit import TinyViTConfig
from vos.backbones.scale_weights import fit_scale_weights
from vos.prompts import Prompt
from vos.testing.tiny_sam import random_sam_state

CONFIGS = {"mobile-sam": SamConfig(encoder=TinyViTConfig()), "sam-vit-b": SamConfig()}
SIZE = (480, 854)


def timed(work: Callable[[], object], repeats: int) -> dict[str, float]:
    """Best of ``repeats`` after one run to warm up: wall and processor seconds."""
    work()
    runs = []
    for _ in range(repeats):
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        runs.append((time.perf_counter() - wall, time.process_time() - cpu))
    return {"wall_s": round(min(r[0] for r in runs), 4), "cpu_s": round(min(r[1] for r in runs), 4)}


def prompts(count: int, low_res: bool) -> list[Prompt]:
    """What a pass of the cascade asks: a point, and from the second pass on a box and logits."""
    rng = np.random.default_rng(0)
    made = []
    for _ in range(count):
        x, y = rng.integers(100, 400, 2)
        logits = rng.standard_normal((256, 256)).astype(np.float32) if low_res else None
        box = np.array([x - 80, y - 80, x + 80, y + 60], dtype=np.float32) if low_res else None
        point = np.array([[x, y]], dtype=np.float32)
        made.append(Prompt(point, np.array([1], dtype=np.int64), box, low_res=logits))
    return made


def decoding(sam: SamBackbone, features: FrameFeatures, repeats: int) -> dict[str, Any]:
    """One pass for 1, 2 and 5 objects in one batch, and 5 one after the other."""
    result: dict[str, Any] = {}
    for count in (1, 2, 5):
        asked = prompts(count, low_res=True)
        result[f"{count}_objects"] = timed(lambda asked=asked: sam.decode(features, asked).best(), repeats)
    five = prompts(5, low_res=True)
    result["5_objects_one_by_one"] = timed(
        lambda: [sam.decode(features, [prompt]).best() for prompt in five], repeats
    )
    return result


def fitting(sam: SamBackbone, features: FrameFeatures, naive_steps: int) -> dict[str, Any]:
    """The fit of 1,000 steps, and for a few steps the reference's way: a decoder pass and autograd each."""
    target = torch.zeros(SIZE, dtype=torch.bool, device=sam.device)
    target[100:300, 200:500] = True
    asked = prompts(1, low_res=False)
    logits = sam.decode(features, asked).logits[0].clone()
    fit = timed(lambda: fit_scale_weights(logits, target), 1)

    def naive() -> None:
        w = nn.Parameter(torch.full((2,), 1 / 3, device=sam.device))
        optimiser = torch.optim.AdamW([w], lr=1e-3, eps=1e-4)
        y = target.float()
        for _ in range(naive_steps):
            maps = sam.decode(features, asked).logits[0].clone()
            z = (1 - w.sum()) * maps[0] + w[0] * maps[1] + w[1] * maps[2]
            p = torch.sigmoid(z)
            dice = 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)
            entropy = nn.functional.binary_cross_entropy_with_logits(z, y, reduction="none")
            p_t = p * y + (1 - p) * (1 - y)
            focal = ((0.25 * y + 0.75 * (1 - y)) * (1 - p_t) ** 2 * entropy).mean()
            optimiser.zero_grad()
            (dice + focal).backward()
            optimiser.step()

    per_step = timed(naive, 1)
    scaled = {key: round(value * 1000 / naive_steps, 2) for key, value in per_step.items()}
    ratio = round(scaled["cpu_s"] / fit["cpu_s"], 1)
    return {
        "fit_1000_steps": fit,
        "decoder_per_step_1000_steps": scaled,
        "measured_steps": naive_steps,
        "cpu_ratio": ratio,
    }


def difference(found: Tensor, wanted: Tensor) -> dict[str, float]:
    """Largest and root mean square difference, and the latter relative to what is wanted."""
    error = (found.float() - wanted.float()).flatten()
    rms = float(error.square().mean().sqrt())
    return {
        "max": float(f"{float(error.abs().max()):.3g}"),
        "rms": float(f"{rms:.3g}"),
        "relative_rms": float(f"{rms / float(wanted.float().square().mean().sqrt()):.3g}"),
    }


def outputs(sam: SamBackbone, features: FrameFeatures) -> dict[str, Tensor]:
    """The arrays whose error is reported."""
    points, refined = prompts(2, low_res=False), prompts(2, low_res=True)
    embedding = features.columns.mean(dim=(1, 2))
    guided = Guidance(features.grid[0], embedding)
    first, second = sam.decode(features, points), sam.decode(features, refined)
    third = sam.decode(features, points, guidance=[guided, guided], multimask=False)
    return {
        "features": features.columns,
        "points.low_res": first.low_res,
        "points.scores": first.scores,
        "box_and_mask.low_res": second.low_res,
        "box_and_mask.scores": second.scores,
        "guided.low_res": third.low_res,
        "points.masks_that_differ": (first.logits > 0).float(),
    }


def measure(model: str, arguments: argparse.Namespace) -> list[dict[str, Any]]:
    """Everything for one model: a row for each dtype."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    state = random_sam_state(CONFIGS[model])
    rows: list[dict[str, Any]] = []
    wanted: dict[str, Tensor] = {}
    for dtype in arguments.dtypes:
        sam = SamBackbone(build_network(state, model), device=arguments.device, dtype=dtype)
        features = sam.encode(coarse)
        entry: dict[str, Any] = {"model": model, "dtype": dtype}
        entry["encode"] = timed(lambda sam=sam: sam.encode(coarse), arguments.repeats)
        entry["decode"] = decoding(sam, features, arguments.repeats)
        found = outputs(sam, features)
        if dtype == "float32":
            wanted = found
            entry["fit"] = fitting(sam, features, arguments.naive_steps)
        elif wanted:
            entry["error"] = {key: difference(found[key], wanted[key]) for key in wanted}
        rows.append(entry)
        print(entry, flush=True)
    return rows


def main() -> None:
    """Measure and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--models", nargs="+", choices=CONFIGS, default=["mobile-sam"])
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16", "float16"])
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--naive-steps", type=int, default=20)
    parser.add_argument("-o", "--output", required=True)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    settings = {key: value for key, value in vars(arguments).items() if key != "output"}
    rows = [row for model in arguments.models for row in measure(model, arguments)]
    what = "SAM: encoding, decoding, fitting PerSAM-F, and the error of fewer bits"
    write_json(arguments.output, what, {**settings, "image": SIZE}, rows)


if __name__ == "__main__":
    main()
