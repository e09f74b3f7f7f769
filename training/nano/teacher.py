"""The image teacher in PyTorch: MobileNetV2 (Sandler et al., 2018) with the weights of a quantised file.

``pack_teacher`` reads the weights of a TensorFlow Lite file as they are stored, 8-bit numbers with a scale
and a zero point per tensor; :class:`ImageTeacher` computes with them in floating point, on any device and for
images of any size. Its dense features are what an encoder is taught to predict; no weight of it becomes
part of the network that is trained.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

SIXTEENTH, LAST = 12, 16
"""Blocks whose outputs are the features at stride 16 (96 channels) and at stride 32 (320 channels)."""
CHANNELS = {SIXTEENTH: 96, LAST: 320}
STRIDES = {1: 2, 3: 2, 6: 2, 13: 2}
"""Blocks of stride 2; all others have stride 1."""


def pack_teacher(path: Path) -> dict[str, NDArray]:
    """Weights and biases of a MobileNetV2 file up to the last block, float16."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    details = interpreter.get_tensor_details()
    layers = [("Conv", "Conv2D_Fold")]
    for block in range(LAST + 1):
        name = f"expanded_conv_{block}" if block else "expanded_conv"
        layers += [(f"{name}/expand", "Conv2D_Fold")] if block else []
        layers += [(f"{name}/depthwise", "depthwise_Fold"), (f"{name}/project", "Conv2D_Fold")]
    arrays: dict[str, NDArray] = {}
    for number, (layer, _) in enumerate(layers):
        weight = [d for d in details if f"MobilenetV2/{layer}/weights_quant" in d["name"]]
        bias = [
            d
            for d in details
            if d["name"].endswith(f"MobilenetV2/{layer}/BatchNorm_Fold/bias") and len(d["shape"]) == 1
        ]
        for kind, found in (("weight", weight), ("bias", bias)):
            (detail,) = found
            scale, zero = detail["quantization"]
            values = (interpreter.get_tensor(detail["index"]).astype(np.float32) - zero) * scale
            arrays[f"{number:02d}.{kind}"] = values.astype(np.float32)
        kernel = arrays[f"{number:02d}.weight"]
        # (out, y, x, in), and (1, y, x, channels) for convolutions of each channel by itself
        order = (3, 0, 1, 2) if layer.endswith("depthwise") else (0, 3, 1, 2)
        arrays[f"{number:02d}.weight"] = np.ascontiguousarray(kernel.transpose(order))
    return arrays


class ImageTeacher(nn.Module):
    """Dense ImageNet features."""

    def __init__(self, arrays: dict[str, NDArray]) -> None:
        super().__init__()
        for name, values in arrays.items():
            self.register_buffer(name.replace(".", "_"), torch.from_numpy(values).float())

    @torch.no_grad()
    def forward(self, images: Tensor) -> dict[int, Tensor]:
        """Features (B, 96, h / 16, w / 16), (B, 320, h / 32, w / 32) by block, of (B, 3, h, w) in -1..1."""
        number = 0
        x = self._layer(images, number, 2, rectified=True)
        found = {}
        for block in range(LAST + 1):
            inner = x
            if block:
                number += 1
                inner = self._layer(inner, number, 1, rectified=True)
            number += 1
            stride = STRIDES.get(block, 1)
            inner = self._layer(inner, number, stride, rectified=True)
            number += 1
            inner = self._layer(inner, number, 1, rectified=False)
            x = x + inner if x.shape == inner.shape else inner
            if block in CHANNELS:
                found[block] = x
        return found

    def _layer(self, x: Tensor, number: int, stride: int, rectified: bool) -> Tensor:
        weight = getattr(self, f"{number:02d}_weight")
        bias = getattr(self, f"{number:02d}_bias")
        if weight.shape[-1] == 3:
            # As TensorFlow pads: strided convolutions of even images at the end alone.
            x = F.pad(x, (0, 1, 0, 1) if stride == 2 else (1, 1, 1, 1))
        groups = weight.shape[0] if weight.shape[1] == 1 else 1
        x = F.conv2d(x, weight, bias, stride, groups=groups)
        return x.clamp(0, 6) if rectified else x
