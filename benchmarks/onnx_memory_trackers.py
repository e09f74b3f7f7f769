"""The five networks of a step of SAM 2.1 in ONNX Runtime and in torch, in the same run, on a processor.

    pip install onnx onnxruntime onnxscript
    python benchmarks/onnx_memory_trackers.py --model sam2.1-tiny

Image encoder, prompt encoder, memory attention (7 frames, 16 pointers), mask decoder and memory encoder are
exported with pseudo-random weights, run in float32 and, with weights in int8 (dynamic quantisation), once
more, and compared with torch in float32 and bfloat16: processor seconds, the least of the repetitions, and
the largest difference from torch in float32 relative to the largest value.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from common import RESULTS, write_json
from memory_trackers import random_model
from torch import Tensor, nn

from vos.trackers.memory.network import Attended, MemoryFrame, MemoryNetwork, MemoryPointer


class Wrapped(nn.Module):
    """A function of tensors over parts of a model, as a module."""

    def __init__(self, model: nn.Module, call: Callable[..., Any]) -> None:
        super().__init__()
        self.model, self.call = model, call

    def forward(self, *inputs: Tensor) -> Any:
        return self.call(self.model, *inputs)


def parts(network: MemoryNetwork) -> dict[str, tuple[Callable[..., Any], tuple[Tensor, ...]]]:
    """Name -> function of the model and of example inputs, and those inputs."""
    grid, dim, side = network.grid, network.dim, network.image_size
    generator = torch.Generator().manual_seed(0)

    def random(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator)

    frames = [MemoryFrame(random(grid**2, network.memory_dim), row) for row in (6, *range(6))]
    pointers = [MemoryPointer(random(dim), float(k)) for k in range(16)]
    memory, encoding = network.keys(Attended(frames, pointers))
    position = network.encode_pixels(torch.zeros(1, 3, side, side)).position

    def encode(model: Any, pixels: Tensor) -> Any:
        return model.get_image_features(pixels, return_dict=True).fpn_hidden_states

    def attend(model: Any, features: Tensor, positions: Tensor, keys: Tensor, encodings: Tensor) -> Any:
        return model.memory_attention(
            current_vision_features=features,
            current_vision_position_embeddings=positions,
            memory=keys,
            memory_posision_embeddings=encodings,
            num_object_pointer_tokens=16 * network.tokens_per_pointer,
        )

    def prompt(model: Any, points: Tensor, labels: Tensor) -> Any:
        return model.prompt_encoder(points, labels, None, None)

    def decode(
        model: Any, fused: Tensor, positions: Tensor, sparse: Tensor, dense: Tensor, *fine: Tensor
    ) -> Any:
        return model.mask_decoder(
            image_embeddings=fused,
            image_positional_embeddings=positions,
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
            high_resolution_features=list(fine),
        )

    def remember(model: Any, features: Tensor, masks: Tensor) -> Any:
        return model.memory_encoder(features, masks)

    fine = random(1, dim // 8, 4 * grid, 4 * grid), random(1, dim // 4, 2 * grid, 2 * grid)
    tokens = random(grid**2, 1, dim), position.transpose(0, 1).contiguous()
    decoder = (
        random(1, dim, grid, grid),
        network._positions(),
        random(1, 1, 2, dim),
        random(1, dim, grid, grid),
    )
    click = torch.full((1, 1, 1, 2), side / 3), torch.ones(1, 1, 1, dtype=torch.int32)
    return {
        "image encoder": (encode, (random(1, 3, side, side),)),
        "memory attention": (attend, (*tokens, memory[:, None].contiguous(), encoding[:, None].contiguous())),
        "prompt encoder": (prompt, click),
        "mask decoder": (decode, (*decoder, *fine)),
        "memory encoder": (remember, (random(1, dim, grid, grid), random(1, 1, side, side))),
    }


def least(function: Callable[[], Any], repetitions: int) -> tuple[float, Any]:
    """Processor seconds, and the result."""
    taken = []
    for _ in range(repetitions):
        before = time.process_time()
        result = function()
        taken.append(time.process_time() - before)
    return round(min(taken), 4), result


def flat(result: Any) -> list[np.ndarray]:
    """All floating-point arrays of a result."""
    if isinstance(result, (Tensor, np.ndarray)):
        array = result.float().numpy() if isinstance(result, Tensor) else result
        return [array.astype(np.float32)]
    return [array for part in result if part is not None for array in flat(part)]


def difference(found: Any, wanted: Any) -> float:
    """Largest of all outputs, relative to the largest value of each."""
    pairs = zip(flat(found), flat(wanted), strict=True)
    return float(f"{max(np.abs(a - b).max() / max(1e-9, np.abs(b).max()) for a, b in pairs):.2g}")


def measure(
    name: str, call: Callable[..., Any], inputs: tuple[Tensor, ...], model: Any, folder: Path, n: int
) -> dict[str, Any]:
    """One network in all forms."""
    import onnxruntime
    from onnxruntime.quantization import QuantType, quantize_dynamic

    wrapped, row = Wrapped(model, call).eval(), {"network": name}
    with torch.inference_mode():
        row["torch_float32_s"], wanted = least(lambda: wrapped(*inputs), n)
    plain, small = folder / f"{name}.onnx", folder / f"{name}.int8.onnx"
    with torch.no_grad():
        torch.onnx.export(wrapped, inputs, plain, dynamo=True, verbose=False)
    quantize_dynamic(plain, small, weight_type=QuantType.QUInt8)
    for label, file in (("float32", plain), ("int8", small)):
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = torch.get_num_threads()
        options.inter_op_num_threads = 1
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        feed = {one.name: tensor.numpy() for one, tensor in zip(session.get_inputs(), inputs, strict=True)}
        session.run(None, feed)
        row[f"onnx_{label}_s"], found = least(lambda: session.run(None, feed), n)  # noqa: B023
        row[f"onnx_{label}_difference"] = difference(found, wanted)
    halves = [x.bfloat16() if x.is_floating_point() else x for x in inputs]
    half = Wrapped(model.bfloat16(), call)
    with torch.inference_mode():
        try:
            row["torch_bfloat16_s"], found = least(lambda: half(*halves), n)
            row["torch_bfloat16_difference"] = difference(found, wanted)
        except RuntimeError as error:
            row["torch_bfloat16_error"] = str(error)[:100]
    model.float()
    return row


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="sam2.1-tiny")
    parser.add_argument("--parts", nargs="+")
    parser.add_argument("--repetitions", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", default=str(RESULTS / "memory-trackers-onnx.json"))
    wanted = parser.parse_args()
    torch.set_num_threads(wanted.threads)
    network, rows = MemoryNetwork(random_model(wanted.model), "sam2.1-tiny"), []
    with tempfile.TemporaryDirectory() as folder:
        for name, (call, inputs) in parts(network).items():
            if wanted.parts and name not in wanted.parts:
                continue
            try:
                row = measure(name, call, inputs, network.model, Path(folder), wanted.repetitions)
            except Exception as error:
                row = {"network": name, "error": f"{type(error).__name__}: {str(error)[:300]}"}
            rows.append(row)
            print(row, flush=True)
            write_json(wanted.json, "networks of SAM 2.1 in ONNX Runtime", vars(wanted), rows)


if __name__ == "__main__":
    main()
