"""Settings for speed: another input size, compiled networks, 16 bits where they are native."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vos.backbones.sam import backbone
from vos.errors import ModelError
from vos.frame import Frame
from vos.prompts import Prompt, Target
from vos.testing import tiny_edgetam_folder, tiny_sam3_folder
from vos.trackers.memory.builder import build, settings_of
from vos.trackers.memory.loading import load_network
from vos.trackers.memory.network import COMPILED
from vos.trackers.registry import dtype_of

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("family", ["sam2.1-tiny", "edgetam"])
def test_another_input_size(family: str, checkpoint: Path, tmp_path: Path) -> None:
    """The same weights on a smaller square: all grids follow, and frames are tracked."""
    if family == "edgetam":
        pytest.importorskip("timm")
    path = checkpoint if family != "edgetam" else tiny_edgetam_folder(tmp_path)
    tracker = build(
        name=family, settings=settings_of({"model_size": 128}), device="cpu", dtype="float32", checkpoint=path
    )
    network = tracker.network
    assert (network.image_size, network.grid, network.low_res_size) == (128, 8, 32)
    images = np.random.default_rng(0).integers(0, 256, (2, 40, 60, 3), dtype=np.uint8)
    click = Target(1, Prompt(np.array([[20, 20]], np.float32), np.array([1])))
    tracker.start(Frame(0, images[0], "0"), [click])
    assert tracker.step(Frame(1, images[1], "1")).probabilities.shape == (1, 40, 60)


@pytest.mark.parametrize("side", [100, 96, 512])
def test_sizes_that_are_refused(side: int, checkpoint: Path) -> None:
    """No multiple of the stride, too small, or larger than the network was trained at."""
    with pytest.raises(ModelError, match=f"multiple of 32 from 128 to 256.*got {side}"):
        load_network("sam2.1-tiny", checkpoint, image_size=side)


def test_a_network_of_one_size(tmp_path: Path) -> None:
    """SAM 3 has position encodings for its own size only."""
    with pytest.raises(ModelError, match="leave out --model-size"):
        load_network("sam3", tiny_sam3_folder(tmp_path), image_size=96)


def test_compiled_parts(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those with fixed shapes are handed to the compiler, and nothing is unless asked for; on a card the
    image encoder becomes a CUDA graph."""
    compiled: list[torch.nn.Module] = []
    modes: list[str | None] = []
    monkeypatch.setattr(
        torch.nn.Module, "compile", lambda self, mode: (compiled.append(self), modes.append(mode))
    )
    common = {"name": "sam2.1-tiny", "device": "cpu", "dtype": "float32", "checkpoint": checkpoint}
    build(settings=settings_of({}), **common)  # type: ignore[arg-type]
    assert compiled == []
    network = build(settings=settings_of({"compile": True}), **common).network  # type: ignore[arg-type]
    assert compiled == [getattr(network.model, part) for part in COMPILED]
    assert modes == [None] * len(COMPILED)
    network.device = torch.device("cuda")
    network.compile()
    assert modes[len(COMPILED) :] == ["reduce-overhead", None, None]


def test_features_outlive_the_next_image(checkpoint: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A CUDA graph writes every result to the same place; what was read from it before must not change."""
    network = load_network("sam2.1-tiny", checkpoint)
    encode = network.model.get_image_features
    place = encode(torch.zeros(1, 3, network.image_size, network.image_size))

    def replay(*arguments: Any, **options: Any) -> Any:
        for old, new in zip(
            place.fpn_hidden_states, encode(*arguments, **options).fpn_hidden_states, strict=True
        ):
            old.copy_(new)
        return place

    monkeypatch.setattr(network.model, "get_image_features", replay)
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, mode: None)
    network.device = torch.device("cuda")
    network.compile()
    network.device = torch.device("cpu")
    first = network.encode_image(np.zeros((48, 64, 3), np.uint8))
    kept = first.coarse.clone(), first.fine[0].clone()
    network.encode_image(np.full((48, 64, 3), 200, np.uint8))
    assert torch.equal(first.coarse, kept[0])
    assert torch.equal(first.fine[0], kept[1])


@pytest.mark.parametrize("native", [True, False])
def test_native_16_bits(native: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """``auto`` is bfloat16 on a processor that computes in it, for models that may."""
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: native)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    wanted = "bfloat16" if native else "float32"
    assert backbone.auto_dtype("cpu") == wanted
    assert dtype_of("sam2.1-tiny") == dtype_of("mobile-sam") == wanted
    assert dtype_of("nano") == dtype_of("classical") == "float32"
    assert dtype_of("sam2.1-tiny", dtype="float16") == "float16"
