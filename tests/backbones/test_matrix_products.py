"""Products by oneDNN are torch's products, and only those that gain by it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from vos.backbones import matrix_products as products


@pytest.fixture
def by_onednn(monkeypatch: pytest.MonkeyPatch) -> list[torch.Size]:
    """Shapes of what goes to oneDNN, which is said to be faster."""
    if not hasattr(torch.ops.mkldnn, "_linear_pointwise"):
        pytest.skip("this torch was built without oneDNN")
    called: list[torch.Size] = []
    kernel = products._by_onednn

    def watched(rows: torch.Tensor, *rest: Any) -> torch.Tensor:
        assert rows.is_contiguous()
        assert rest[0].is_contiguous()
        called.append(rows.shape)
        return kernel(rows, *rest)

    monkeypatch.setattr(products, "onednn_is_faster", lambda: True)
    monkeypatch.setattr(products, "FEW_ROWS", 64)
    monkeypatch.setattr(products, "FEW", 64 * 4 * 16)
    monkeypatch.setattr(products, "_by_onednn", watched)
    return called


def random(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


def test_products_are_equal(by_onednn: list[torch.Size]) -> None:
    """Of transposed and of plain matrices, contiguous or not."""
    a, b = random(100, 24), random(24, 40)
    assert torch.allclose(products.matmul(a, b), a @ b, atol=1e-5)
    assert torch.allclose(
        products.matmul(random(24, 100).mT, random(40, 24).mT),
        random(24, 100).mT @ random(40, 24).mT,
        atol=1e-5,
    )
    assert by_onednn == [(100, 24), (100, 24)]


def test_a_module_is_sped_up_in_place(by_onednn: list[torch.Size]) -> None:
    """Same weights, same entries, same results; with batches and without bias."""
    torch.manual_seed(0)
    module = nn.Sequential(nn.Linear(8, 16), nn.GELU(), nn.Linear(16, 4, bias=False))
    rows = random(8, 50, 2).permute(2, 1, 0)
    with torch.inference_mode():
        wanted, entries = module(rows), list(module.state_dict())
        products.speed_up(module)
        assert torch.allclose(module(rows), wanted, atol=1e-6)
    assert list(module.state_dict()) == entries
    assert by_onednn == [(2, 50, 8), (2, 50, 16)]


def test_what_is_left_to_torch(by_onednn: list[torch.Size]) -> None:
    """Few rows, small layers, 16 bits, and whatever needs a gradient."""
    layer = products.Linear(8, 16)
    layer(random(100, 8)).sum().backward()
    assert layer.weight.grad is not None
    with torch.inference_mode():
        layer(random(products.FEW_ROWS - 1, 8))
        products.Linear(4, 4)(random(100, 4))
        layer.bfloat16()(random(100, 8).bfloat16())
    products.matmul(random(products.FEW_ROWS - 1, 8), random(8, 8))
    assert by_onednn == []


@pytest.mark.parametrize(
    ("capability", "vendor", "faster"),
    [("AVX512", "AuthenticAMD", True), ("AVX512", "GenuineIntel", False), ("AVX2", "AuthenticAMD", False)],
)
def test_where_it_is_faster(
    capability: str, vendor: str, faster: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On processors with AVX-512 that are not Intel's."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: capability)
    said = tmp_path / "cpuinfo"
    said.write_text(f"vendor_id\t: {vendor}\n")
    monkeypatch.setattr(products, "CPU_INFO", said)
    assert products.onednn_is_faster.__wrapped__() is (faster and torch.backends.mkldnn.is_available())
