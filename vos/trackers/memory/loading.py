"""From a checkpoint file, or a folder as the Hub has it, to a network."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ...backbones.sam.backbone import check_device, check_dtype
from ...backbones.sam.network import check_finite
from ...backbones.weights.catalog import OWN_WEIGHTS, WEIGHTS
from ...backbones.weights.checkpoints import check_entries, load_state
from ...backbones.weights.location import locate, verify
from ...errors import ModelError
from .architectures import MAX_POINTS, TEST_SIZES, VARIANTS, Architecture, detect
from .names import is_original, sam3_tracker, to_transformers, with_both_positions
from .network import MemoryNetwork
from .preprocess import IMAGENET_MEAN, IMAGENET_STD

PROCESSOR_FILES = ("preprocessor_config.json", "video_preprocessor_config.json", "processor_config.json")
"""Where a folder of the Hub says how images are resized and normalised; one of them is needed."""

State = dict[str, Tensor]


def load_network(
    name: str,
    checkpoint: str | Path | None = None,
    *,
    device: str = "cpu",
    dtype: str = "float32",
    memory_dtype: str = "bfloat16",
    image_size: int | None = None,
) -> MemoryNetwork:
    """The network ``name``, from ``checkpoint`` or from the weights cache.

    Args:
        name: such as ``sam2.1-tiny`` or ``edgetam``.
        checkpoint: an original ``.pt`` file, a ``.safetensors`` file in either naming, or a folder of the
            Hub with ``config.json``, ``model.safetensors`` and the processor's configuration.
        device, dtype: where and in what it computes.
        memory_dtype: what memories are kept in.
        image_size: side in pixels that frames are resized to; None: that which it was trained at.

    Raises:
        ModelError: if weights are missing, unusable or another model's, or device or dtype cannot be used.
    """
    check_device(device)
    path = Path(checkpoint) if checkpoint is not None else locate(name)
    _check_bytes(name, path, cached=checkpoint is None)
    state = load_state(path)
    where = str(path)
    original = is_original(state)
    if original:
        state = to_transformers(state)
    own = OWN_WEIGHTS.get(name)
    if own is not None and own.is_folder and not path.is_dir():
        raise ModelError(
            f"{path} is a file, and {name} is read from a folder of the Hub ({own.hub}: config.json, "
            "model.safetensors and the processor's configuration); give the folder with --checkpoint"
        )
    folder = _Folder(path) if path.is_dir() else None
    architecture = (
        folder.architecture() if folder and not original else detect(state, where, _split_variant(name)[1])
    )
    _check_name(name, architecture, where)
    if image_size is not None:
        architecture = architecture.resized(image_size)
    if architecture.family == "sam3":
        state = sam3_tracker(state)
    state = with_both_positions(state)
    mean, std = folder.normalisation() if folder else (IMAGENET_MEAN, IMAGENET_STD)
    return MemoryNetwork(
        build(architecture, state, where),
        name,
        mean=mean,
        std=std,
        device=device,
        dtype=check_dtype(dtype),
        memory_dtype=check_dtype(memory_dtype),
        max_points=MAX_POINTS.get(architecture.family),
    )


def build(architecture: Architecture, state: Mapping[str, Tensor], where: str) -> Any:
    """transformers' model of that architecture with the weights of ``state``, in transformers' names.

    Raises:
        ModelError: if entries are missing, unknown, of another shape, or not finite.
    """
    from transformers.initialization import no_init_weights

    with no_init_weights():
        model = architecture.build()
    expected = model.state_dict()
    check_entries(expected, state, where, architecture.model)
    check_finite({key: state[key] for key in expected}, where)
    model.load_state_dict({key: state[key] for key in expected})
    return model


def _check_bytes(name: str, path: Path, *, cached: bool) -> None:
    """Check the sha256 of a file that is, or by name and size claims to be, the published one."""
    weights = WEIGHTS.get(name)
    if weights is None or not path.is_file() or weights.sha256 is None:
        return
    claims = path.name == weights.file and path.stat().st_size == weights.size
    if cached or claims:
        verify(weights, path)


def _check_name(name: str, found: Architecture, where: str) -> None:
    """Raise ModelError if the checkpoint is a published model other than the one asked for."""
    _check_variant(name, found, where)
    if found.model == name:
        return
    family = name if name in ("edgetam", "sam3") else name.split("-", 1)[0]
    if found.family == family and found.size in TEST_SIZES:
        return
    if (found.family, family) in (("sam2", "sam2.1"), ("sam2.1", "sam2")):
        asked, got = ("September", "July") if family == "sam2.1" else ("July", "September")
        raise ModelError(
            f"{where} is a checkpoint of {got} 2024 ({found.family}), and {name} names one of {asked} 2024; "
            f"use --model {found.family}-{name.removeprefix(f'{family}-')}"
        )
    sizes = {"efficienttam": "ti"}
    test = f"{found.family}-{sizes.get(found.family, 'tiny')}"
    right = test if found.size in TEST_SIZES else found.model
    raise ModelError(f"{where} is a checkpoint of {found.model}, not of {name}; use --model {right}")


def _check_variant(name: str, found: Architecture, where: str) -> None:
    """Raise ModelError if the file is named as the same network's in another variant: weights do not tell."""
    claimed = next((model for model, own in OWN_WEIGHTS.items() if own.file == Path(where).name), name)
    (ours, variant), (theirs, other) = _split_variant(name), _split_variant(claimed)
    if found.family == "efficienttam" and ours == theirs and variant != other:
        raise ModelError(
            f"{where} is named as the file of {claimed}, not of {name}, and its weights do not tell the "
            f"two apart; use --model {claimed}, or rename the file"
        )


def _split_variant(name: str) -> tuple[str, str]:
    """A model's name without its variant, and the variant: a key of :data:`VARIANTS`."""
    base, _, ending = name.rpartition("-")
    return (base, ending) if ending in VARIANTS else (name, "")


class _Folder:
    """A folder as ``save_pretrained`` and the Hub have it."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def _json(self, file: str) -> dict[str, Any]:
        try:
            content = json.loads((self.path / file).read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, ValueError) as error:
            raise ModelError(f"cannot read {self.path / file}: {error}") from error
        if not isinstance(content, dict):
            raise ModelError(f"{self.path / file} must hold a mapping, not {type(content).__name__}")
        return content

    def architecture(self) -> Architecture:
        """What ``config.json`` describes."""
        if not (self.path / "config.json").is_file():
            raise ModelError(
                f"folder {self.path} has no config.json, which describes its weights; download the whole "
                f"repository from the Hub, or give its model.safetensors itself with --checkpoint"
            )
        content = self._json("config.json")
        return Architecture.from_config(content, str(self.path))

    def normalisation(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """(mean, deviation) that images are normalised with."""
        for file in PROCESSOR_FILES:
            if (self.path / file).is_file():
                content = self._json(file)
                content = next(
                    (part for part in content.values() if isinstance(part, dict) and "image_mean" in part),
                    content,
                )
                try:
                    return tuple(map(float, content["image_mean"])), tuple(map(float, content["image_std"]))
                except (KeyError, TypeError, ValueError):
                    continue
        raise ModelError(
            f"folder {self.path} has no {PROCESSOR_FILES[0]} with image_mean and image_std, the "
            f"normalisation of images; download the whole repository from the Hub"
        )
