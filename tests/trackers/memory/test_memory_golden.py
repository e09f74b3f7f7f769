"""Every recorded number of the reference programme of SAM 2 and of EdgeTAM's modules, within tolerance."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from golden_sam2 import TIGHT, Replay, Tolerance, assert_close, scenario, stats, synthetic, weights
from torch import Tensor
from torch.nn import functional as F

from vos.prompts import Prompt
from vos.trackers.memory.loading import load_network
from vos.trackers.memory.network import MemoryNetwork
from vos.trackers.memory.policy import Sam2Policy
from vos.trackers.memory.preprocess import to_points
from vos.trackers.memory.session import Session

pytestmark = pytest.mark.usefixtures("one_thread")

PUBLISHED = {"keep_first": False, "bounded": False, "clear_around": False, "max_conditioning": None}
"""What the reference programme does: it keeps everything, in one bank for both directions."""
POINTERS = 10
"""The recorded clip has 10 frames, fewer than the 16 pointers attended at most."""

Load = Callable[..., MemoryNetwork]


@pytest.fixture(scope="module")
def folder(golden: Path) -> Path:
    """The recorded runs."""
    return golden / "sam2"


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    """(model, seed, naming) -> the network, read from a checkpoint file."""
    place = tmp_path_factory.mktemp("golden")

    def one(model: str, seed: int, naming: str = "original", memory_dtype: str = "bfloat16") -> MemoryNetwork:
        from safetensors.torch import save_file

        from vos.trackers.memory.names import to_transformers

        path = place / f"{model}-{seed}.{'pt' if naming == 'original' else 'safetensors'}"
        if not path.exists():
            state = weights(model, seed)
            if naming == "original":
                torch.save({"model": state}, path)
            else:
                save_file({k: v.contiguous().clone() for k, v in to_transformers(state).items()}, path)
        name = "edgetam" if model == "edgetam" else "sam2.1-tiny"
        return load_network(name, path, memory_dtype=memory_dtype)

    return one


RUNS = [
    pytest.param("mini_s1_sticky_fp32", "mini", 1, "full", {}, "original"),
    pytest.param("mini_s1_sticky", "mini", 1, "full", {}, "transformers"),
    pytest.param("mini_s1_default", "mini", 1, "full", {"sticky": False}, "original", marks=pytest.mark.slow),
    pytest.param(
        "mini_s2_sticky_cond2", "mini", 2, "full", {"max_conditioning": 2}, "original", marks=pytest.mark.slow
    ),
    pytest.param("mini_s3_absent", "mini", 3, "short", {"sticky": False}, "original"),
    pytest.param("tiny_s0_sticky", "tiny", 0, "short", {}, "original", marks=pytest.mark.slow),
    pytest.param("tiny_s0_sticky", "tiny", 0, "short", {}, "transformers", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("file", "model", "seed", "scene", "settings", "naming"), RUNS)
def test_recorded_runs(
    file: str,
    model: str,
    seed: int,
    scene: str,
    settings: dict[str, object],
    naming: str,
    folder: Path,
    load: Load,
) -> None:
    """Prompts, corrections, both directions, a late object, a box and a removal, step by step."""
    tight = file.endswith("fp32")
    network = load(model, seed, naming, "float32" if tight else "bfloat16")
    session = Session(network, Sam2Policy(max_pointers=POINTERS), **(PUBLISHED | settings))  # type: ignore[arg-type]
    replay = Replay(folder, scenario(folder, scene), network, session)
    with np.load(folder / f"{file}.npz") as recorded:
        assert replay.check(recorded, model, TIGHT if tight else Tolerance()) > 100


@pytest.mark.parametrize("naming", ["original", "transformers"])
def test_features(naming: str, folder: Path, load: Load) -> None:
    """Network input, feature maps and position encoding of a frame."""
    network = load("mini", 1, naming)
    replay = Replay(folder, scenario(folder, "full"), network, Session(network))
    features = replay.features(3)
    from vos.trackers.memory.preprocess import to_input

    pixels = to_input(replay.images[3], network.image_size, network.mean, network.std)
    position = features.position[0].T.unflatten(1, (network.grid, network.grid))
    with np.load(folder / "mini_s1_sticky.npz") as recorded:
        assert_close("input", pixels[..., ::7, ::7], recorded["input_sub"], 1e-5)
        maps = (*features.fine, features.coarse)
        for level, (found, step) in enumerate(zip(maps, (16, 8, 4), strict=True)):
            assert_close(f"feat{level}", found[..., ::step, ::step], recorded[f"feat{level}_sub"], 1e-5)
        assert_close("position", stats(position), recorded["pos2_stats"], None)
        wanted = recorded["pos2_sub"]
        assert_close("position", position[::7, :: _step(wanted, -2), :: _step(wanted, -1)], wanted, 1e-5)


def _step(wanted: np.ndarray, axis: int) -> int:
    """Stride in a map of 16 by which this many entries were recorded."""
    return next(step for step in range(1, 17) if len(range(0, 16, step)) == wanted.shape[axis])


@pytest.mark.slow
@pytest.mark.parametrize("naming", ["original", "transformers"])
def test_edgetam_modules(naming: str, folder: Path, load: Load) -> None:
    """EdgeTAM's image encoder, memory encoder with perceiver, attention, decoder and box prompt."""
    pytest.importorskip("timm")
    network = load("edgetam", 0, naming, "float32")
    with np.load(folder / "edgetam_modules.npz") as recorded:
        features = network.encode_pixels(synthetic("synthetic.image", (1, 3, 1024, 1024)))
        for level, (found, step) in enumerate(
            zip((*features.fine, features.coarse), (36, 18, 9), strict=True)
        ):
            assert_close(f"feat{level}", found[..., ::step, ::step], recorded[f"feat{level}_sub"], 2e-4)
        mask = 6 * synthetic("synthetic.mask", (1, 1, 64, 64))
        low_res = F.interpolate(mask, (1024, 1024), mode="bilinear", align_corners=False)[0]
        for name, score, prompted in (("tracked", 2, False), ("clicked", 2, True), ("absent", -2, False)):
            memory = network.encode_memory(features, low_res, torch.tensor([float(score)]), prompted=prompted)
            assert_close(f"mem_{name}", memory[0, ::8], recorded[f"mem_{name}"], 2e-4)
            assert_close("mempos", network.memory_position[::8], recorded[f"mempos_{name}"], 2e-4)
        fused = _fused_edgetam(network, features.coarse, features.position)
        assert_close("fused", fused[0].flatten(1).T[::523, ::5], recorded["fused_sub"], 2e-4)
        decoded = network.decode(features, fused)
        assert_close("multi", decoded.low_res[0, :, ::9, ::9], recorded["multi_sub"], 2e-4)
        assert_close("ious", decoded.quality[0], recorded["ious"], 2e-4)
        assert_close("score", decoded.score, recorded["score"], 2e-4)
        best = decoded.quality[0].argmax()
        pointer = network.pointers(decoded.tokens[0, best][None], decoded.present)
        assert_close("ptr", pointer[0], recorded["ptr"], 2e-4)
        box = Prompt(box=np.array([500, 300, 700, 620], np.float32))
        xy, labels = to_points(box, (1024, 1024), 1024)
        fused = network.without_memory(features)
        one = network.decode(features, fused, points=xy[None], labels=labels[None], multimask=False)
        assert_close("box", one.low_res[0, 0, ::9, ::9], recorded["box_low_sub"], 2e-4)
        assert_close("box_iou", one.quality[0], recorded["box_iou"], 2e-4)
        assert_close("box_score", one.score, recorded["box_score"], 2e-4)
        pointer = network.pointers(one.tokens[0, :1], one.present)
        assert_close("box_ptr", pointer[0], recorded["box_ptr"], 2e-4)


def _fused_edgetam(network: MemoryNetwork, coarse: Tensor, position: Tensor) -> Tensor:
    """Features fused with three made-up memories and five made-up pointers, whose encoding is zero."""
    memories = [synthetic(f"synthetic.mem{k}", (1, 512, 64))[0] for k in range(3)]
    pointers = synthetic("synthetic.ptr", (5, 1, 256)).reshape(20, 64)
    rows = network.model.memory_temporal_positional_encoding.flatten(1)
    encoding = torch.cat([network.memory_position + rows[k] for k in range(3)] + [torch.zeros(20, 64)])
    memory = torch.cat([*memories, pointers])
    tokens = coarse.flatten(2).transpose(1, 2)
    fused = network.attention(tokens, position, memory[None], encoding[None], 3, 20)
    return fused.transpose(1, 2).unflatten(2, (64, 64))
