"""One-shot tuning of word embeddings and cross-attention on a few labelled images."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from ...errors import InputError, ModelError
from ...files import replacing
from ...results import VOID
from .blip import BlipMatcher, EncodedPrompts
from .class_maps import ensemble
from .cross_attention import check_layers
from .preprocess import image_to_canvas, labels_to_canvas

EMBEDDINGS = "text_encoder.embeddings.word_embeddings.weight"


@dataclass(frozen=True)
class TuningSettings:
    """The reference's values; it passes 5 times over PASCAL's supports and twice over COCO's."""

    passes: int = 5
    """Passes over the supports."""
    images_per_step: int = 2
    """Supports per step of the optimiser."""
    learning_rate: float = 2e-4
    """Of AdamW."""
    weight_decay: float = 0.05
    """Of AdamW, against overfitting: there is one support per class."""
    background_weight: float = 0.5
    """Weight of class 0 in the loss; the others have 1."""

    def __post_init__(self) -> None:
        if self.passes < 1 or self.images_per_step < 1:
            raise ValueError("passes and images_per_step must be at least 1")
        if not 0 < self.learning_rate <= 1:
            raise ValueError(f"learning_rate must be above 0 and at most 1, got {self.learning_rate}")
        if self.weight_decay < 0 or self.background_weight < 0:
            raise ValueError(
                f"weight_decay and background_weight must be 0 or more, got {self.weight_decay} and "
                f"{self.background_weight}"
            )


@dataclass(frozen=True, eq=False)
class Support:
    """A labelled image, on the canvas."""

    pixels: NDArray[np.float32]
    """(3, S, S) float32, normalised."""
    labels: NDArray[np.uint8]
    """(S, S) uint8 classes, 255 where nothing is known."""


def make_support(matcher: BlipMatcher, image: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Support:
    """A support of an (H, W, 3) RGB image and its (H, W) classes, both uint8.

    Raises:
        InputError: if the two differ in size.
    """
    if image.shape[:2] != labels.shape:
        raise InputError(f"a support's image {image.shape[:2]} and labels {labels.shape} differ in size")
    pixels, _ = image_to_canvas(image, matcher.canvas, matcher.statistics)
    return Support(pixels, labels_to_canvas(labels, matcher.canvas))


def tuned_names(matcher: BlipMatcher, layers: Sequence[int]) -> list[str]:
    """Names of the parameters that tuning changes: word embeddings, and all of the layers' cross-attention.

    Raises:
        SettingsError: for a layer the model does not have.
    """
    layers = check_layers(layers, matcher.num_layers)
    prefixes = tuple(f"text_encoder.encoder.layer.{layer}.crossattention." for layer in layers)
    names = [name for name, _ in matcher.model.named_parameters() if name.startswith(prefixes)]
    return [EMBEDDINGS, *names]


def tune(
    matcher: BlipMatcher,
    encoded: EncodedPrompts,
    supports: Sequence[Support],
    layers: Sequence[int],
    settings: TuningSettings = TuningSettings(),
    *,
    on_step: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Tune ``matcher`` in place on the supports, in their order, without augmentation; the loss of each step.

    The loss is on the averaged, normalised maps of all layers and prompts together, before any CRF.
    ``on_step`` is called after each step with its number, from 1, and its loss.

    Raises:
        InputError: if there is no support, or the supports of a step show nothing.
        SettingsError: for a layer the model does not have.
    """
    if not supports:
        raise InputError("tuning needs at least one labelled image")
    names = set(tuned_names(matcher, layers))
    trained = []
    for name, parameter in matcher.model.named_parameters():
        parameter.requires_grad_(name in names)
        if name in names:
            trained.append(parameter)
    optimiser = torch.optim.AdamW(trained, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    losses: list[float] = []
    try:
        for _ in range(settings.passes):
            for start in range(0, len(supports), settings.images_per_step):
                batch = supports[start : start + settings.images_per_step]
                optimiser.zero_grad()
                loss = tuning_loss(matcher, encoded, batch, layers, settings.background_weight)
                if not bool(loss.isfinite()):
                    raise InputError(
                        f"the loss of step {len(losses) + 1} is {loss.item()}: no pixel of its images has a "
                        "known class at the size that the model reads; give larger masks, or fewer unknown "
                        "pixels"
                    )
                loss.backward()
                optimiser.step()
                losses.append(loss.item())
                if on_step is not None:
                    on_step(len(losses), losses[-1])
    finally:
        optimiser.zero_grad()
        matcher.model.requires_grad_(False)
    return losses


def tuning_loss(
    matcher: BlipMatcher,
    encoded: EncodedPrompts,
    supports: Sequence[Support],
    layers: Sequence[int],
    background_weight: float = 0.5,
) -> torch.Tensor:
    """Weighted mean of ``-log max(U, 1e-12)`` at the true class over all known pixels of the supports."""
    pixels = torch.from_numpy(np.stack([support.pixels for support in supports])).to(matcher.device)
    labels = torch.from_numpy(np.stack([support.labels for support in supports])).to(matcher.device).long()
    with torch.no_grad():
        image_embeds = matcher.encode_images(pixels)
    maps = matcher.relevance(image_embeds, encoded, layers).class_maps(encoded.prompts)
    unary = ensemble([maps[layer] for layer in layers], (matcher.canvas, matcher.canvas))
    weights = torch.ones(unary.shape[1], device=unary.device)
    weights[0] = background_weight
    return F.nll_loss(unary.clamp_min(1e-12).log(), labels, weight=weights, ignore_index=VOID)


@contextlib.contextmanager
def keeping_weights(matcher: BlipMatcher, layers: Sequence[int]) -> Iterator[None]:
    """Undo, when the block ends, what tuning of these layers changed in it."""
    names = tuned_names(matcher, layers)
    state = matcher.model.state_dict()
    saved = {name: state[name].clone() for name in names}
    try:
        yield
    finally:
        matcher.model.load_state_dict(saved, strict=False)


def save_tuned(path: Path, matcher: BlipMatcher, layers: Sequence[int], classes: Sequence[str]) -> None:
    """Write the tuned tensors, and which layers and classes they are for, as one safetensors file.

    Raises:
        OutputError: if the file cannot be written.
    """
    from safetensors.torch import save_file

    state = matcher.model.state_dict()
    tensors = {name: state[name].detach().cpu().contiguous() for name in tuned_names(matcher, layers)}
    metadata = {"layers": ",".join(map(str, layers)), "classes": "\n".join(classes)}
    with replacing(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def load_tuned(path: Path, matcher: BlipMatcher) -> tuple[int, ...]:
    """Put tuned tensors into ``matcher``, which reads the tuned layers from now on; return these layers.

    Raises:
        ModelError: if the file is not there, or was tuned on another model.
    """
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), framework="pt") as stored:
            layers = tuple(int(layer) for layer in (stored.metadata() or {})["layers"].split(","))
            tensors = {name: stored.get_tensor(name) for name in stored.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise ModelError(f"{path} is not a file that `vos tune` wrote: {error}") from error
    state = matcher.model.state_dict()
    fits = max(layers) < matcher.num_layers and set(tensors) == set(tuned_names(matcher, layers))
    if not fits or any(state[name].shape != tensor.shape for name, tensor in tensors.items()):
        raise ModelError(
            f"{path} was tuned on another model; use the --detector and --detector-weights it was made with"
        )
    matcher.model.load_state_dict(tensors, strict=False)
    matcher.default_layers = layers
    return layers
