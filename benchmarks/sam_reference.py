"""SAM ViT-B here and in the package segment-anything, with the same weights: processor seconds and memory.

    python benchmarks/sam_reference.py -o benchmarks/results/sam-reference.json
    python benchmarks/sam_reference.py --table docs/parity.md

Both sides take turns in one process with one thread, and the least of the repetitions counts; the peak of
memory above the loaded network is that of a process of its own. Weights are pseudo-random.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import gc
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from common import RESULTS, write_between, write_json
from segment_anything import sam_model_registry
from torch import Tensor

from vos.backbones.sam.network import SamConfig, build_network
from vos.testing.tiny_sam import random_sam_state

OBJECTS = (1, 5)
BEGIN, END = "<!-- written by benchmarks/sam_reference.py -->\n", "<!-- end of sam_reference -->"
Side = dict[str, Callable[[], Any]]


def pixels() -> Tensor:
    """A normalised input of the encoder."""
    return torch.randn(1, 3, 1024, 1024, generator=torch.Generator().manual_seed(0))


def ours() -> Side:
    """Encoding and decoding with the networks of this package."""
    network = build_network(random_sam_state(SamConfig()), "here")
    features = torch.randn(1, 256, 64, 64, generator=torch.Generator().manual_seed(1))
    positions = network.prompt_encoder.dense_positions()
    side: Side = {"encode": lambda: network.image_encoder(pixels())}
    for count in OBJECTS:
        points, labels = _points(count)

        def decode(points: Tensor = points, labels: Tensor = labels) -> Tensor:
            tokens = network.prompt_encoder.embed_points(points, labels, pad=True)
            dense = network.prompt_encoder.no_mask_embed.weight.reshape(1, -1, 1, 1)
            masks: Tensor = network.mask_decoder(features + dense, positions, tokens, outputs=slice(1, None))[
                0
            ]
            return masks

        side[f"decode {count}"] = decode
    return side


def theirs() -> Side:
    """The same with segment-anything."""
    sam = sam_model_registry["vit_b"]().eval()
    sam.load_state_dict(random_sam_state(SamConfig()))
    features = torch.randn(1, 256, 64, 64, generator=torch.Generator().manual_seed(1))
    side: Side = {"encode": lambda: sam.image_encoder(pixels())}
    for count in OBJECTS:
        given = _points(count)

        def decode(given: tuple[Tensor, Tensor] = given) -> Tensor:
            sparse, dense = sam.prompt_encoder(given, None, None)
            positions = sam.prompt_encoder.get_dense_pe()
            masks: Tensor = sam.mask_decoder(features, positions, sparse, dense, True)[0]
            return masks

        side[f"decode {count}"] = decode
    return side


SIDES = {"vos": ours, "segment-anything": theirs}


def _points(count: int) -> tuple[Tensor, Tensor]:
    points = torch.rand(count, 1, 2, generator=torch.Generator().manual_seed(2)) * 1024
    return points, torch.ones(count, 1, dtype=torch.int64)


def resident(field: str) -> float:
    """MiB of a line of /proc/self/status."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].split()[0]) / 1024


def memory(name: str) -> float:
    """MiB at the peak of encoding one image above the loaded network, in this process."""
    encode = SIDES[name]()["encode"]
    gc.collect()
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)  # what building the network has left is given back first
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    encode()
    return resident("VmHWM") - before


def measure(repeats: int) -> list[dict[str, Any]]:
    """Rows of both sides; what they compute is compared on the way."""
    sides = {name: make() for name, make in SIDES.items()}
    seconds: dict[tuple[str, str], list[float]] = {}
    differences: dict[str, float] = {}
    for what in sides["vos"]:
        outputs = [side[what]() for side in sides.values()]
        differences[what] = float((outputs[0] - outputs[1]).abs().max())
        for _ in range(repeats if what == "encode" else 10 * repeats):
            for name, side in sides.items():
                start = time.process_time()
                side[what]()
                seconds.setdefault((name, what), []).append(time.process_time() - start)
    rows = []
    for name in sides:
        command = [sys.executable, __file__, "--memory", name]
        peak = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        times = {what: round(min(found), 4) for (side, what), found in seconds.items() if side == name}
        rows.append({"network": name, "cpu_seconds": times, "encode_peak_mib": round(peak)})
    return [*rows, {"largest_differences": differences}]


def table(found: dict[str, Any]) -> str:
    """The rows in Markdown."""
    rows = [row for row in found["rows"] if "network" in row]
    lines = [
        "| ViT-B, one thread | encode | peak of encoding | decode 1 object | decode 5 objects |",
        "|---|--:|--:|--:|--:|",
    ]
    for row in rows:
        times = row["cpu_seconds"]
        lines.append(
            f"| {row['network']} | {times['encode']:.1f} s | {row['encode_peak_mib']:,} MiB "
            f"| {1000 * times['decode 1']:.0f} ms | {1000 * times['decode 5']:.0f} ms |"
        )
    return "\n".join(lines) + "\n"


@torch.inference_mode()
def main() -> None:
    """Measure and write the JSON, or write the table of the JSON into a page."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", default=str(RESULTS / "sam-reference.json"))
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--table", type=Path, help="write the table of the results into this page, and stop")
    parser.add_argument("--memory", help=argparse.SUPPRESS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.memory:
        print(memory(options.memory))
    elif options.table:
        made = table(json.loads(Path(options.output).read_text()))
        write_between(options.table, BEGIN, END, "\n" + made + "\n")
    else:
        rows = measure(options.repeats)
        write_json(options.output, "SAM beside segment-anything", {"repeats": options.repeats}, rows)


if __name__ == "__main__":
    main()
