"""What reading a language model's attention costs: all probabilities kept, against what the flow needs.

Measured on a scaled-down Llama with random weights, each way in a process of its own: peak memory above
what the same pass takes without any capture, and time. Computed for the shape of a 7B model.

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
SEVEN_B = {"layers": 32, "heads": 32, "tokens": 1024, "image": 576, "probability_bytes": 2}
"""LLaVA-1.5-7B in half precision: 576 image tokens, the rest question and answer."""
WAYS = ("none", "kept", "layers", "stream")


def run(way: str) -> dict[str, Any]:
    """One pass in this process: peak memory in MiB, seconds, and a checksum of the flow."""
    import torch
    from transformers import LlamaConfig, LlamaModel

    from vos.language.flow import FlowStream, aggregate_heads, flow_rows
    from vos.language.flow_capture import LayerStore, capturing

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


def computed(layers: int, heads: int, tokens: int, image: int, probability_bytes: int) -> dict[str, float]:
    """What each way keeps or needs at once, beside the plain pass, for a model of that shape.

    The last entry is the stream's own arithmetic as a share of the model's (6.7e9 parameters).
    """
    from vos.language.flow_capture import _BLOCK

    square = tokens**2
    # Scores, masked scores and probabilities of one group of heads, in float32.
    group = 3 * max(1, _BLOCK // square) * square * 4
    return {
        "kept_mib": layers * heads * square * probability_bytes / 2**20,
        "layers_mib": (layers * square * 4 + group) / 2**20,
        "stream_mib": (square * 4 + tokens * image * 4 + group) / 2**20,
        "extra_flops_share_of_stream": 2 * square * image * layers / (2 * 6.7e9 * tokens),
    }


def main() -> None:
    """Measure each way in a fresh process, and write the numbers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--out", default=str(common.RESULTS / "attention_capture.json"))
    arguments = parser.parse_args()
    if arguments.way:
        print(json.dumps(run(arguments.way)))
        return
    rows = []
    for way in WAYS:
        command = [sys.executable, __file__, "--way", way]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        rows.append(json.loads(done.stdout.splitlines()[-1]))
        rows[-1]["above_plain_pass_mib"] = rows[-1]["peak_mib"] - rows[0]["peak_mib"]
        print(rows[-1])
    seven = computed(**SEVEN_B)
    print("7B shape, computed:", seven)
    settings = {"model": MODEL, "tokens": TOKENS, "image_tokens": IMAGE, "threads": 1}
    shape = {"way": "computed for 7B", **SEVEN_B, **seven}
    common.write_json(arguments.out, "attention capture", settings, [*rows, shape])


if __name__ == "__main__":
    main()
