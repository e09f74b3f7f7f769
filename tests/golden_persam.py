"""The recorded PerSAM runs: deterministic weights, inputs, comparison within their tolerances."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from vos.backbones.base import FrameFeatures
from vos.backbones.sam.backbone import SamBackbone
from vos.backbones.sam.network import SamConfig, SamNetwork, build_network
from vos.backbones.sam.tiny_vit import TinyViTConfig

CONFIGS = {"vit_t": SamConfig(encoder=TinyViTConfig()), "vit_b": SamConfig()}

TOLERANCE = {
    "exact": 0.0,
    "features": 2e-4,
    "prior": 2e-5,
    "logits": 2e-4,
    "scores": 5e-5,
    "fit": 1e-5,
}
"""Largest absolute difference from the recorded runs that is allowed, by kind of quantity."""
PIXELS = 2e-4
"""Share of the pixels of a mask that may differ."""


def golden_weights(shapes: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The pseudo-random weights of the recorded runs, for entries of these names and shapes."""
    return {name: torch.from_numpy(_weight(name, tensor)) for name, tensor in shapes.items()}


def _weight(name: str, tensor: torch.Tensor) -> NDArray[np.float32]:
    shape = tuple(tensor.shape)
    if not tensor.is_floating_point():
        return np.zeros(shape, dtype=np.int64)
    g = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
    if name.endswith("running_var"):
        return np.exp(np.float32(0.1) * g)
    if name.endswith("running_mean"):
        return np.float32(0.1) * g
    if name.endswith("positional_encoding_gaussian_matrix"):
        return g
    if len(shape) >= 2:
        return g / np.float32(np.sqrt(np.prod(shape[1:])))
    if name.endswith(".weight"):
        return np.float32(1) + np.float32(0.1) * g
    return np.float32(0.1) * g


@lru_cache(maxsize=1)
def golden_state(model: str) -> dict[str, torch.Tensor]:
    """A checkpoint in the original format with the recorded runs' weights."""
    with torch.device("meta"):
        return golden_weights(SamNetwork(CONFIGS[model]).state_dict())


@lru_cache(maxsize=2)
def backbone(model: str) -> SamBackbone:
    """The recorded runs' model, built once."""
    return SamBackbone(build_network(golden_state(model), model))


def read_image(path: Path) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB."""
    return np.array(Image.open(path).convert("RGB"))


@lru_cache(maxsize=16)
def encoded(model: str, path: Path) -> FrameFeatures:
    """Features of an input image; each image is encoded once in a test run."""
    return backbone(model).encode(read_image(path))


def synthetic(key: str, shape: tuple[int, ...]) -> torch.Tensor:
    """The synthetic inputs of ``decoder_vit_t.npz``."""
    values = np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape)
    return torch.from_numpy(values.astype(np.float32))


def stats(tensor: torch.Tensor) -> NDArray[np.float64]:
    """Mean, standard deviation, min, max, sum of magnitudes."""
    x = tensor.detach().numpy().astype(np.float64)
    return np.array([x.mean(), x.std(), x.min(), x.max(), np.abs(x).sum()])


class Comparison:
    """Compares arrays with a recorded file and remembers the largest difference of each kind."""

    def __init__(self, path: Path) -> None:
        self.name = path.stem
        self.recorded = np.load(path)
        self.seen: set[str] = set()
        self.largest: dict[str, float] = {}

    def __getitem__(self, key: str) -> NDArray[np.generic]:
        self.seen.add(key)
        array: NDArray[np.generic] = self.recorded[key]
        return array

    def __contains__(self, key: str) -> bool:
        return key in self.recorded.files

    def close(self, key: str, found: object, kind: str) -> None:
        """Assert that ``found`` matches the recorded array within the tolerance of its kind."""
        wanted = np.asarray(self[key], dtype=np.float64)
        got = np.asarray(found.numpy() if isinstance(found, torch.Tensor) else found, dtype=np.float64)
        assert got.shape == wanted.shape, f"{self.name} {key}: shape {got.shape}, recorded {wanted.shape}"
        assert np.array_equal(np.isnan(got), np.isnan(wanted)), f"{self.name} {key}: NaN in other places"
        difference = float(np.nanmax(np.abs(got - wanted), initial=0.0))
        self.largest[kind] = max(self.largest.get(kind, 0.0), difference)
        assert difference <= TOLERANCE[kind], f"{self.name} {key}: differs by {difference:.3g}"

    def close_stats(self, key: str, found: torch.Tensor, kind: str) -> None:
        """Assert recorded ``*_stats`` (means and extremes to the tolerance, the sum relative to it)."""
        wanted = np.asarray(self[key], dtype=np.float64).reshape(-1, 5)
        rows = found.reshape(len(wanted), -1)
        for recorded, row in zip(wanted, rows, strict=True):
            difference = np.abs(stats(row) - recorded)
            difference[4] /= row.numel()
            allowed = max(TOLERANCE[kind], 1e-6)
            assert difference.max() <= allowed, f"{self.name} {key}: differs by {difference.max():.3g}"

    def same_mask(self, key: str, found: object) -> None:
        """Assert a mask or label map up to 0.02 % of its pixels."""
        wanted = np.asarray(self[key])
        got = np.asarray(found.numpy() if isinstance(found, torch.Tensor) else found)
        assert got.shape == wanted.shape
        share = float((got.astype(np.int64) != wanted.astype(np.int64)).mean())
        self.largest["pixels"] = max(self.largest.get("pixels", 0.0), share)
        assert share <= PIXELS, f"{self.name} {key}: {share:.3%} of the pixels differ"

    def all_seen(self) -> None:
        """Assert that no recorded array was left out."""
        assert self.seen >= set(self.recorded.files), sorted(set(self.recorded.files) - self.seen)[:20]


def check_features(recorded: Comparison, prefix: str, features: FrameFeatures) -> None:
    """The recorded features of one image, whichever of them the file holds; ``prefix`` of their names."""
    whole = features.context.features[0]
    if f"{prefix}features_sub" in recorded:
        recorded.close(f"{prefix}features_sub", whole[:, ::7, ::7], "features")
    recorded.close_stats(f"{prefix}features_stats", whole, "features")
    recorded.close(f"{prefix}features_ch_mean", whole.mean(dim=(1, 2)), "features")
    recorded.close(f"{prefix}features_ch_std", whole.flatten(1).std(dim=1, correction=0), "features")
    recorded.close(f"{prefix}input_size", features.context.input_size, "exact")
    recorded.close(f"{prefix}original_size", features.image_size, "exact")
