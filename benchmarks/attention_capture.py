"""What reading a language model's attention costs: all probabilities kept, against what the flow needs.

Measured on a scaled-down Llama with random weights, each way in processes of its own, the best of two:
peak memory above what the same pass takes without any capture, and time. Computed for the shape of a 7B
model: memory from the sizes of what is kept, time from the rates measured on the small one.

* ``kept``: the library's eager attention with every layer's probabilities returned, then aggregated.
* ``layers``: ours, every layer's head-aggregated S' (N x N) kept, for the row recursion.
* ``stream``: ours, as ``vos`` uses it: the flow to the image's columns built up layer by layer.

    python benchmarks/attention_capture.py
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from typing import Any

import common

MODEL = {"hidden_size": 512, "intermediate_size": 1024, "num_hidden_layers": 16, "num_attention_heads": 16}
TOKENS, IMAGE = 768, 576
SEVEN_B = {
    "hidden_size": 4096,
    "intermediate_size": 11008,
    "num_hidden_layers": 32,
    "num_attention_heads": 32,
}
SEVEN_B_TOKENS = 1024
"""LLaVA-1.5-7B: 576 image tokens, the rest question and answer."""
HALF = 2
"""Bytes of a number in half precision, which a model of that size is run in."""
REPEATS = 2
WAYS = ("none", "kept", "layers", "stream")


def run(way: str) -> dict[str, Any]:
    """One pass in this process: peak memory in MiB, seconds, and a checksum of the flow."""
    import torch
    from transformers import LlamaConfig, LlamaModel

    from vos.detectors.vl_sam.attention_capture import LayerStore, capturing
    from vos.detectors.vl_sam.attention_flow import FlowStream, aggregate_heads, flow_rows

    torch.set_num_threads(1)
    torch.manual_seed(0)
    how = "eager" if way == "kept" else "sdpa"
    model = LlamaModel(LlamaConfig(**MODEL, vocab_size=100, attn_implementation=how)).eval()
    ids = torch.randint(0, 100, (1, TOKENS))
    span, row = (1, 1 + IMAGE), TOKENS - 1
    before = time.perf_counter()
    flow = None
    with torch.no_grad():
        if way == "none":
            model(ids, use_cache=False)
        elif way == "kept":
            kept = model(ids, use_cache=False, output_attentions=True).attentions
            flow = flow_rows([aggregate_heads(layer[0]) for layer in kept], [row])[:, slice(*span)]
        elif way == "layers":
            store = LayerStore()
            with capturing(model, store):
                model(ids, use_cache=False)
            flow = flow_rows(store.layers, [row])[:, slice(*span)]
        else:
            stream = FlowStream(span)
            with capturing(model, stream):
                model(ids, use_cache=False)
            flow = stream.rows([row])
    return {
        "way": way,
        "seconds": time.perf_counter() - before,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "flow_sum": None if flow is None else float(flow.double().sum()),
    }


def operations(model: dict[str, int], tokens: int) -> float:
    """Floating-point operations of a plain pass: weights, and attention."""
    hidden, layers = model["hidden_size"], model["num_hidden_layers"]
    weights = layers * (4 * hidden**2 + 3 * hidden * model["intermediate_size"])
    return 2 * weights * tokens + 4 * layers * hidden * tokens**2


def probabilities(model: dict[str, int], tokens: int) -> int:
    """How many there are in all layers and heads."""
    return model["num_hidden_layers"] * model["num_attention_heads"] * tokens**2


def computed_memory() -> dict[str, float]:
    """MiB that each way keeps or needs at once, beside the plain pass, for the shape of a 7B model."""
    from vos.detectors.vl_sam.attention_capture import _BLOCK

    square = SEVEN_B_TOKENS**2
    # Scores, masked scores and probabilities of one group of heads, in float32.
    group = 3 * max(1, _BLOCK // square) * square * 4
    kept = probabilities(SEVEN_B, SEVEN_B_TOKENS) * HALF
    layers = SEVEN_B["num_hidden_layers"] * square * 4 + group
    stream = square * 4 + SEVEN_B_TOKENS * IMAGE * 4 + group
    return {"kept": kept / 2**20, "layers": layers / 2**20, "stream": stream / 2**20}


def computed_seconds(measured: dict[str, float]) -> dict[str, float]:
    """Seconds of each way for the shape of a 7B model on the machine that took ``measured`` seconds here.

    The plain pass goes by its operations, what a way takes beyond it by the number of probabilities.
    """
    plain = measured["none"] * operations(SEVEN_B, SEVEN_B_TOKENS) / operations(MODEL, TOKENS)
    more = probabilities(SEVEN_B, SEVEN_B_TOKENS) / probabilities(MODEL, TOKENS)
    return {way: plain + (seconds - measured["none"]) * more for way, seconds in measured.items()}


def stream_share() -> float:
    """The stream's own arithmetic as a share of the model's, for the shape of a 7B model."""
    own = 2 * SEVEN_B_TOKENS**2 * IMAGE * SEVEN_B["num_hidden_layers"]
    return own / operations(SEVEN_B, SEVEN_B_TOKENS)


def measure(way: str) -> dict[str, Any]:
    """The best of some processes; their results are the same."""
    command = [sys.executable, __file__, "--way", way]
    runs = []
    for _ in range(REPEATS):
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        runs.append(json.loads(done.stdout.splitlines()[-1]))
    return {**runs[0], **{key: min(run[key] for run in runs) for key in ("seconds", "peak_mib")}}


def main() -> None:
    """Measure each way in fresh processes, and write the numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--out", default=str(common.RESULTS / "attention_capture.json"))
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(run(arguments.way)))
        return
    rows: list[dict[str, Any]] = []
    for way in WAYS:
        rows.append(measure(way))
        rows[-1]["above_plain_pass_mib"] = rows[-1]["peak_mib"] - rows[0]["peak_mib"]
        print(rows[-1])
    shape = {
        "way": "computed for 7B",
        "model": SEVEN_B,
        "tokens": SEVEN_B_TOKENS,
        "image_tokens": IMAGE,
        "mib": computed_memory(),
        "seconds": computed_seconds({row["way"]: row["seconds"] for row in rows}),
        "stream_arithmetic_share": stream_share(),
    }
    print(shape)
    settings = {
        "model": MODEL,
        "tokens": TOKENS,
        "image_tokens": IMAGE,
        "threads": 1,
        "repeats": REPEATS,
    }
    common.write_json(arguments.out, "attention capture", settings, [*rows, shape])


if __name__ == "__main__":
    main()
