"""The golden data's tiny pseudo-random BLIP, rebuilt from its weight rule."""

from __future__ import annotations

import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vos.detectors.attention.blip import BlipMatcher, EncodedPrompts
from vos.detectors.attention.text_prompts import PromptSet

_NORMS = ("layernorm.weight", "layer_norm1.weight", "layer_norm2.weight")
_CROSS = ("crossattention.self.query.weight", "crossattention.self.key.weight")


def ruled_weight(name: str, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """The weight of that name: a generator seeded by the name, scaled by the kind of tensor."""
    rng = np.random.default_rng(zlib.crc32(name.encode()) + seed)
    g = rng.standard_normal(shape).astype(np.float32)
    fan_in = float(np.prod(shape[1:]))
    if name.lower().endswith(_NORMS):
        return np.float32(1) + np.float32(0.1) * g
    if name.endswith("word_embeddings.weight"):
        return g
    if name.endswith("position_embeddings.weight"):
        return np.float32(0.3) * g
    if name.endswith(("class_embedding", "position_embedding")):
        return np.float32(0.5) * g
    if len(shape) == 1:
        return np.float32(0.1) * g
    if name.endswith(_CROSS):
        return np.float32(1.4 / np.sqrt(fan_in)) * g
    if name.endswith("itm_head.weight"):
        return np.float32(-2 / np.sqrt(fan_in)) * g
    return np.float32(1 / np.sqrt(fan_in)) * g


def build_model(description: dict[str, Any]) -> Any:
    """``BlipForImageTextRetrieval`` of ``model.json`` with the ruled weights."""
    from transformers import BlipConfig, BlipForImageTextRetrieval

    config = BlipConfig(
        text_config=description["text_config"],
        vision_config=description["vision_config"],
        image_text_hidden_size=description["image_text_hidden_size"],
    )
    model = BlipForImageTextRetrieval(config)
    state = {
        name: torch.from_numpy(np.asarray(ruled_weight(name, tuple(tensor.shape), description["seed"])))
        for name, tensor in model.state_dict().items()
    }
    model.load_state_dict(state)
    return model.eval()


class Golden:
    """The folder of golden arrays, and the model they were made with."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.description = json.loads((folder / "model.json").read_text())
        self.layers = tuple(self.description["layers"])
        self.all_layers = tuple(range(self.description["text_config"]["num_hidden_layers"]))

    def arrays(self, name: str) -> dict[str, np.ndarray]:
        with np.load(self.folder / f"{name}.npz") as stored:
            return dict(stored)

    def matcher(self) -> BlipMatcher:
        return BlipMatcher(build_model(self.description), canvas=self.description["image_size"])

    def encoded(self, mode: str) -> EncodedPrompts:
        stored = self.arrays(f"maps_{mode}")
        texts = json.loads((self.folder / "prompts.json").read_text())[mode]
        names = [entry["name"] for entry in json.loads((self.folder / "inputs/classes.json").read_text())]
        prompts = PromptSet(
            tuple(texts),
            tuple((int(a), int(b)) for a, b in stored["spans"]),
            ("background", *names[1:]),
        )
        return EncodedPrompts(
            prompts,
            torch.from_numpy(stored["input_ids"]).long(),
            torch.from_numpy(stored["attention_mask"]).long(),
        )

    def image(self, index: int) -> np.ndarray:
        from PIL import Image

        return np.array(Image.open(self.folder / f"inputs/img/{index:02d}.png").convert("RGB"))

    def labels(self, index: int) -> np.ndarray:
        from PIL import Image

        return np.array(Image.open(self.folder / f"inputs/lab/{index:02d}.png"))
