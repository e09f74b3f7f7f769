"""Float32 matrix products on processors where oneDNN is faster than the library that torch uses.

torch multiplies float32 matrices with MKL, whose AVX-512 kernels run on Intel's processors only. On others
with AVX-512, oneDNN, which comes with torch as well, takes half the time.
"""

from __future__ import annotations

import platform
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

FEW_ROWS = 512
"""Products of fewer rows are left to torch, and layers of fewer multiplications than :data:`FEW`: nothing
is gained by them."""
FEW = 2**25
CPU_INFO = Path("/proc/cpuinfo")
"""Where Linux says whose processor it is."""


def matmul(a: Tensor, b: Tensor) -> Tensor:
    """(M, N) product of (M, K) ``a`` and (K, N) ``b``.

    With float32 it is fastest if ``b`` is the transpose of contiguous rows.
    """
    if _is_slow(a) and len(a) >= FEW_ROWS:
        return _by_onednn(a.contiguous(), b.mT.contiguous(), None)
    return a @ b


class Linear(nn.Linear):
    """A linear layer whose float32 product is as fast as the processor allows."""

    def forward(self, input: Tensor) -> Tensor:
        """(..., out) of (..., in)."""
        rows = input.numel() // self.in_features
        is_small = rows < FEW_ROWS or rows * self.weight.numel() < FEW
        if torch.is_grad_enabled() or is_small or not _is_slow(input):
            return F.linear(input, self.weight, self.bias)
        return _by_onednn(input.contiguous(), self.weight, self.bias)


def speed_up(module: nn.Module) -> None:
    """Make every ``nn.Linear`` in a module a :class:`Linear`, in place."""
    for layer in module.modules():
        if type(layer) is nn.Linear:
            layer.__class__ = Linear


def _is_slow(matrix: Tensor) -> bool:
    """Whether oneDNN is the faster one for products of such a matrix."""
    on_processor = matrix.device.type == "cpu" and matrix.dtype == torch.float32
    return on_processor and not torch.compiler.is_compiling() and onednn_is_faster()


@cache
def onednn_is_faster() -> bool:
    """Whether this processor has AVX-512 but MKL does not use it, and this torch can call oneDNN."""
    if torch.backends.cpu.get_cpu_capability() != "AVX512" or _is_intel():
        return False
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def _is_intel() -> bool:
    try:
        return "GenuineIntel" in CPU_INFO.read_text()
    except OSError:
        return "Intel" in platform.processor()


def _by_onednn(rows: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """(..., out) of (..., in) rows and an (out, in) weight, both contiguous: else it takes ages."""
    product: Tensor = torch.ops.mkldnn._linear_pointwise(rows, weight, bias, "none", [], "")
    return product
