"""What each saving in the memory attention of SAM 2 is worth, beside the plain form in the same run.

    python benchmarks/memory_attention.py --objects 1 5

Full size (4,096 queries, 7 memories of 4,096 tokens and 16 pointers), pseudo-random weights, processor
seconds, the least of the repetitions. The plain form is transformers' module, once per object. The savings
are exact: largest differences from the plain form stand beside the times. ``keys`` is what it takes to
project and rotate the keys of all memories, which is the most that keeping them could save.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

import torch
from common import RESULTS, write_json
from torch import Tensor
from transformers import Sam2VideoConfig, Sam2VideoModel

from vos.trackers.memory import attention as ours

FRAMES, POINTERS, GRID, DIM, WIDTH = 7, 64, 64, 256, 64


def module(layers: int) -> Any:
    """Memory attention with that many layers."""
    torch.manual_seed(0)
    config = Sam2VideoConfig(memory_attention_num_layers=layers)
    kind = type(Sam2VideoModel(Sam2VideoConfig(memory_attention_num_layers=1)).memory_attention)
    config._attn_implementation = "sdpa"
    return kind(config).eval().requires_grad_(False)


def least(function: Callable[[], Tensor], repetitions: int) -> tuple[float, Tensor]:
    """Processor seconds, and the result."""
    taken = []
    for _ in range(repetitions):
        before = time.process_time()
        result = function()
        taken.append(time.process_time() - before)
    return round(min(taken), 3), result


def plain(network: Any, features: Tensor, position: Tensor, memory: Tensor, encoding: Tensor) -> Tensor:
    """(N, L, C) by transformers' module, object by object."""
    fused = [
        network(
            current_vision_features=features.transpose(0, 1),
            current_vision_position_embeddings=position.transpose(0, 1),
            memory=keys[:, None],
            memory_posision_embeddings=added[:, None],
            num_object_pointer_tokens=POINTERS,
        )
        for keys, added in zip(memory, encoding, strict=True)
    ]
    return torch.stack([one.reshape(-1, DIM) for one in fused])


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--objects", nargs="+", type=int, default=[1, 5])
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", default=str(RESULTS / "memory-attention.json"))
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    network, rows = module(wanted.layers), []
    generator = torch.Generator().manual_seed(0)
    for objects in wanted.objects:
        tokens = FRAMES * GRID**2 + POINTERS
        features, position = (torch.randn(1, GRID**2, DIM, generator=generator) for _ in range(2))
        memory, encoding = (torch.randn(objects, tokens, WIDTH, generator=generator) for _ in range(2))
        given = features, position, memory, encoding

        def run(fast: Any, given: tuple[Tensor, ...] = given) -> Tensor:
            found: Tensor = fast(*given, FRAMES, POINTERS)
            return found

        def keys(fast: Any, memory: Tensor = memory, encoding: Tensor = encoding) -> Tensor:
            table = fast._rotary_tables(features)[1]  # noqa: B023
            for layer in network.layers:
                projected = layer.cross_attn_image.k_proj(memory + encoding)
                made = ours._rotate_frames(projected, table, FRAMES, POINTERS)
            return made

        with torch.inference_mode():
            base_s, base = least(lambda: plain(network, *given), wanted.repetitions)  # noqa: B023
            row: dict[str, Any] = {"objects": objects, "plain_s": base_s}
            for name, late in (("values_first", False), ("values_last", True)):
                fast = ours.MemoryAttention(network, late_values=late)
                row[f"{name}_s"], found = least(lambda: run(fast), wanted.repetitions)  # noqa: B023
                row[f"{name}_difference"] = float(f"{(found - base).abs().max():.2g}")
            row["keys_s"] = least(lambda: keys(fast), wanted.repetitions)[0]  # noqa: B023
        row["times_faster"] = round(row["plain_s"] / row["values_last_s"], 2)
        rows.append(row)
        print(row, flush=True)
        write_json(wanted.json, "memory attention of SAM 2", vars(wanted), rows)


if __name__ == "__main__":
    main()
