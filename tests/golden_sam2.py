"""Recorded runs of the reference programme of SAM 2: weights by rule, scenarios, comparison."""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from vos.prompts import Prompt
from vos.trackers.memory.configurations import HIERA, hiera_config
from vos.trackers.memory.names import to_original
from vos.trackers.memory.network import Features, MemoryNetwork
from vos.trackers.memory.preprocess import to_image, to_mask, to_points
from vos.trackers.memory.session import Prediction, Session

MINI = {
    "memory_attention_hidden_size": 128,
    "memory_attention_num_layers": 2,
    "memory_attention_feed_forward_hidden_size": 128,
    "memory_encoder_hidden_size": 128,
    "mask_downsampler_embed_dim": 128,
    "memory_fuser_embed_dim": 128,
    "memory_fuser_intermediate_dim": 512,
}
"""Sizes of the small network, where they are not those of the published ones."""
STEPS = {"mini": (3, 6, 2, 16, 5, 37), "tiny": (9, 18, 4, 8, 9, 523)}
"""Strides of what was recorded: low-res, candidates, pointers, memory channels and pixels, fused tokens."""


def shapes(model: str) -> dict[str, Tensor]:
    """Entry name in the original checkpoints -> empty tensor."""
    from transformers import EdgeTamVideoModel, Sam2VideoModel

    from vos.trackers.memory.configurations import edgetam_config

    if model == "edgetam":
        config, kind = edgetam_config({}, 1024), EdgeTamVideoModel
    else:
        trunk = next(h for h in HIERA if h.name == model)
        config, kind = hiera_config(trunk, MINI if model == "mini" else {}), Sam2VideoModel
    with torch.device("meta"):
        return to_original(kind(config).state_dict())


def weights(model: str, seed: int) -> dict[str, Tensor]:
    """The pseudo-random checkpoint that the reference ran with, in the original names."""
    return {name: _draw(name, entry, seed, model) for name, entry in shapes(model).items()}


def _draw(name: str, entry: Tensor, seed: int, model: str) -> Tensor:
    shape = tuple(entry.shape)
    if not entry.is_floating_point():
        return torch.zeros(shape, dtype=entry.dtype)
    generator = np.random.default_rng(zlib.crc32(name.encode()) + seed)
    g = np.asarray(generator.standard_normal(shape)).astype(np.float32)
    n = np.float32(np.sqrt(np.prod(shape[1:])))
    values: Any
    if name.endswith("running_var"):
        values = np.exp(np.float32(0.1) * g)
    elif name.endswith("running_mean"):
        values = np.float32(0.1) * g
    elif name.endswith("positional_encoding_gaussian_matrix") or name in (
        "maskmem_tpos_enc", "no_mem_embed", "no_obj_ptr", "no_obj_embed_spatial",
    ):  # fmt: skip
        values = g
    elif name in ("obj_ptr_proj.layers.2.weight", "obj_ptr_tpos_proj.weight"):
        values = 8 * g / n
    elif "cross_attn_image" in name and len(shape) == 2:
        factor = {"q_proj": 3, "k_proj": 3, "v_proj": 2, "out_proj": 4}
        values = np.float32(next((f for key, f in factor.items() if key in name), 1)) * g / n
    elif len(shape) >= 2:
        values = g / n
    elif len(shape) == 1 and name.endswith(".weight"):
        values = 1 + np.float32(0.1) * g
    else:
        values = np.float32(0.1) * g
    if model == "edgetam" and "image_encoder.trunk." in name and len(shape) == 1 and name.endswith(".weight"):
        values = values / 2
    return torch.from_numpy(np.asarray(values, dtype=np.float32))


def synthetic(key: str, shape: tuple[int, ...]) -> Tensor:
    """Made-up input of that name."""
    return torch.from_numpy(
        np.random.default_rng(zlib.crc32(key.encode())).standard_normal(shape).astype(np.float32)
    )


@dataclass
class Tolerance:
    """Largest differences allowed."""

    low_res: float = 1e-2
    score: float = 1e-3
    quality: float = 5e-4
    pointer: float = 2e-2
    memory: float = 6e-2


TIGHT = Tolerance(1e-4, 5e-5, 1e-5, 2e-4, 1e-4)
"""Where memories are kept in float32."""


class Replay:
    """Runs a scenario over a session, and compares every step with what was recorded."""

    def __init__(
        self, folder: Path, scenario: Mapping[str, Any], network: MemoryNetwork, session: Session
    ) -> None:
        self.network, self.session = network, session
        files = sorted((folder / scenario["clip"]).glob("*.png"))
        self.images = [np.asarray(Image.open(file).convert("RGB")) for file in files]
        self.labels = np.asarray(Image.open(folder / scenario["annotation"]))
        self.scenario = scenario
        self._features: dict[int, Features] = {}

    def features(self, t: int) -> Features:
        """Of frame ``t``, computed once."""
        if t not in self._features:
            self._features[t] = self.network.encode_image(self.images[t])
        return self._features[t]

    def check(self, recorded: Mapping[str, NDArray[Any]], model: str, tolerance: Tolerance) -> int:
        """How many values were compared, all of them equal within the tolerance."""
        compared = 0
        for number, op in enumerate(self.scenario["ops"]):
            for t, answers in self._run(op):
                for k, answer in answers.items():
                    prefix = f"op{number}.f{t:02d}.o{k}."
                    compared += self._compare(recorded, prefix, answer, model, tolerance)
                self._compare_video(recorded, f"op{number}.f{t:02d}.", answers, tolerance)
            self._compare_books(recorded, number)
        return compared

    def _run(self, op: Mapping[str, Any]):  # type: ignore[no-untyped-def]
        if op["op"] == "remove":
            self.session.remove(op["object"])
        elif op["op"] == "propagate":
            for t in sorted({t for track in self.session.tracks.values() for t in track.pending}):
                self.session.commit(t, self.features(t))
            direction = -1 if op.get("reverse") else 1
            last = len(self.images) - 1 if direction > 0 else 0
            if "max" in op:
                last = sorted((0, op["start"] + direction * op["max"], len(self.images) - 1))[1]
            for t in range(op["start"], last + direction, direction):
                yield t, self.session.track(t, self.features(t), direction)
        else:
            yield op["frame"], {op["object"]: self._prompt(op)}

    def _prompt(self, op: Mapping[str, Any]) -> Prediction:
        t, side = op["frame"], self.network.image_size
        if op["op"] == "mask":
            mask = to_mask(self.labels == op["label"], side)
            return self.session.prompt_mask(t, self.features(t), op["object"], mask)
        prompt = Prompt(
            points=np.array(op["points"], np.float32) if "points" in op else None,
            labels=np.array(op["labels"]) if "points" in op else None,
            box=np.array(op["box"], np.float32) if "box" in op else None,
        )
        size = self.labels.shape[:2]
        xy, labels = to_points(prompt, (size[0], size[1]), side)
        append = not op.get("clear_old_points", True)
        return self.session.prompt_points(t, self.features(t), op["object"], xy, labels, append=append)

    def _compare(
        self,
        recorded: Mapping[str, NDArray[Any]],
        prefix: str,
        answer: Prediction,
        model: str,
        tol: Tolerance,
    ) -> int:
        low, multi, ptr, channels, pixels, tokens = STEPS[model]
        entry = answer.entry
        assert entry.low_res is not None
        found: dict[str, tuple[Any, float | None]] = {
            "lowres_sub": (entry.low_res[::low, ::low], tol.low_res),
            "score": (entry.score, tol.score),
            "ptr": (entry.pointer[::ptr], tol.pointer),
        }
        if answer.qualities is not None:
            found["ious"] = (answer.qualities, tol.quality)
        if answer.candidates is not None:
            found["multi_sub"] = (answer.candidates[..., ::multi, ::multi], tol.low_res)
        if entry.memory is not None:
            grid = self.network.grid
            memory = entry.memory.float().T.unflatten(1, (grid, grid))
            part = memory[::channels, ::pixels, ::pixels]
            if prefix + "mem_sub" in recorded:
                assert_memory_close(prefix + "mem_sub", part, recorded[prefix + "mem_sub"], tol.memory)
            found["mem_stats"] = (stats(memory), None)
        if answer.attended is not None:
            keys, encoding = self.network.keys(answer.attended)
            pointers = len(answer.attended.pointers) * self.network.tokens_per_pointer
            found["mem_tokens"], found["ptr_tokens"] = (len(keys), 0), (pointers, 0)
            found["memory_stats"], found["memory_pos_stats"] = (stats(keys), None), (stats(encoding), None)
            time = int(prefix.split(".")[1][1:])
            if model == "mini":  # once more: minutes at full size
                fused = self.network.fuse(self.features(time), [answer.attended])[0].flatten(1).T
                found["fused_sub"] = (fused[::tokens, ::5], 10 * tol.low_res)
                found["fused_stats"] = (stats(fused), None)
        compared = 0
        for name, (value, tolerance) in found.items():
            key = prefix + name
            if key not in recorded:
                continue
            assert_close(key, value, recorded[key], tolerance)
            compared += 1
        assert compared >= 3, f"nothing recorded under {prefix}"
        return compared

    def _compare_video(
        self,
        recorded: Mapping[str, NDArray[Any]],
        prefix: str,
        answers: Mapping[int, Prediction],
        tol: Tolerance,
    ) -> None:
        key = f"{prefix}video_stats"
        if key in recorded and len(recorded[key]) == len(answers):
            size = self.labels.shape[:2]
            low_res = torch.stack([a.entry.low_res for a in answers.values() if a.entry.low_res is not None])
            found = np.stack([stats(one) for one in to_image(low_res, (size[0], size[1]))])
            assert_close(key, found, recorded[key], None)

    def _compare_books(self, recorded: Mapping[str, NDArray[Any]], number: int) -> None:
        if f"op{number}.ids" in recorded:
            assert list(self.session.tracks) == recorded[f"op{number}.ids"].tolist()
        for k, track in self.session.tracks.items():
            for name, frames in (("cond", track.bank.conditioning), ("noncond", track.bank.tracked)):
                key = f"op{number}.o{k}.{name}"
                if key in recorded:
                    assert sorted(frames) == sorted(recorded[key].tolist()), key


def stats(values: Any) -> NDArray[np.float64]:
    """Mean, standard deviation, min, max, sum of magnitudes."""
    array = _array(values)
    return np.array([array.mean(), array.std(), array.min(), array.max(), np.abs(array).sum()])


def assert_close(key: str, found: Any, wanted: NDArray[Any], tolerance: float | None) -> None:
    """Equal within the tolerance, absolute; None: statistics, relative to their size."""
    found, wanted = _array(found), np.asarray(wanted, np.float64)
    assert found.size == wanted.size, f"{key}: {found.shape} where {wanted.shape} was recorded"
    difference = np.abs(found.reshape(wanted.shape) - wanted)
    limit = 1e-2 * np.maximum(1, np.abs(wanted)) if tolerance is None else tolerance
    assert (difference <= limit).all(), f"{key}: differs by {difference.max():.3g}, allowed {limit}"


def assert_memory_close(key: str, found: Any, wanted: NDArray[Any], tolerance: float) -> None:
    """Equal within the tolerance but for one value in a hundred, which may differ by 4 % of the largest.

    The mask of a frame with prompts enters its memory as 0 and 1: a pixel whose logit is 0 but for rounding,
    of which there is one in some frames of a million pixels, has one value on one processor and the other on
    another.
    """
    difference = np.abs(_array(found).reshape(wanted.shape) - wanted)
    assert np.quantile(difference, 0.99) <= tolerance, f"{key}: differs by {difference.max():.3g}"
    assert difference.max() <= max(tolerance, 0.04 * np.abs(wanted).max()), f"{key}: {difference.max():.3g}"


def _array(values: Any) -> NDArray[np.float64]:
    """Float64, from wherever the values are."""
    return np.asarray(values.cpu() if isinstance(values, Tensor) else values, np.float64)


def scenario(folder: Path, name: str) -> dict[str, Any]:
    """A recorded scenario."""
    found: dict[str, Any] = json.loads((folder / f"scenario_{name}.json").read_text())
    return found
