"""BLIP image-text matching models as a source of relevance maps, through transformers."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch

from ...backbones.weights.pretrained import load_pretrained
from ...errors import ModelError, PromptError, SettingsError
from .class_maps import match_gate, merge_classes, prompt_softmax, token_relevance
from .cross_attention import CrossAttentionTap, check_layers, encoder_layers
from .preprocess import Statistics
from .text_prompts import PromptSet, Vocabulary, general_lexicon

CHECKPOINT = "Salesforce/blip-itm-large-coco"
"""What the paper uses."""
CANVAS = 512
"""Side of the square input of that checkpoint in the paper; its own is 384."""


@dataclass(frozen=True, eq=False)
class EncodedPrompts:
    """P sentences as padded tokens."""

    prompts: PromptSet
    input_ids: torch.Tensor
    """(P, T) int64."""
    attention_mask: torch.Tensor
    """(P, T) int64, 0 at padding."""


@dataclass(frozen=True, eq=False)
class Relevance:
    """What B images say about P prompts, layer by layer."""

    maps: dict[int, torch.Tensor] = field(repr=False)
    """Layer -> c (B, P, h, w): softmax over prompts at each patch, times the gate."""
    gate: torch.Tensor
    """r (B, P), 0..1: how well the prompt matches the image as a whole."""

    def class_maps(self, prompts: PromptSet) -> dict[int, torch.Tensor]:
        """Layer -> (B, C, h, w)."""
        return {layer: merge_classes(maps, prompts.spans) for layer, maps in self.maps.items()}


class BlipMatcher:
    """A BLIP image-text matching model read through its cross-attention.

    Args:
        model: ``BlipForImageTextRetrieval`` or anything with its modules.
        tokenizer: called as a transformers tokenizer; None if prompts come encoded.
        canvas: side of the square input in pixels, a multiple of the patch size; position embeddings are
            interpolated to it.
        statistics: which mean and deviation the input is normalised with.
        default_layers: layers used where a caller names none.
        lexicon: classes with their synonyms, and background words, for class names that come from a user.
        closed: the model knows the names of the lexicon and no other.
        precision: "float16" multiplies in half precision, as the reference's GPU runs do, by autocast
            around the whole model, scores included; sums and softmax stay in float32.

    Raises:
        ModelError: if the model does not attend from text to image.
    """

    def __init__(
        self,
        model: Any,
        tokenizer: Any = None,
        *,
        canvas: int = CANVAS,
        statistics: Statistics = "imagenet",
        default_layers: Sequence[int] = (0, 3),
        lexicon: Vocabulary | None = None,
        closed: bool = False,
        precision: Literal["float32", "float16"] = "float32",
    ) -> None:
        text_encoder = getattr(model, "text_encoder", None)
        if text_encoder is None or not hasattr(model, "itm_head"):
            raise ModelError(
                f"{type(model).__name__} is not an image-text matching model; "
                "use a BLIP checkpoint made for retrieval (BlipForImageTextRetrieval)"
            )
        self.num_layers = len(encoder_layers(text_encoder))
        self.model = model.eval()
        self.tokenizer = tokenizer
        self.set_canvas(canvas)
        self.statistics: Statistics = statistics
        self.default_layers = tuple(layer for layer in default_layers if layer < self.num_layers)
        self.lexicon = lexicon if lexicon is not None else general_lexicon()
        self.closed = closed
        self.precision = precision

    @classmethod
    def load(
        cls, checkpoint: str | Path | None = None, *, device: str = "cpu", **options: Any
    ) -> BlipMatcher:
        """The model in a folder, or of that name in the local cache (None: BLIP large). No download.

        Raises:
            ModelError: if it is not there or is not a BLIP matching model.
        """
        from transformers import AutoTokenizer, BlipForImageTextRetrieval

        model, tokenizer = load_pretrained(
            BlipForImageTextRetrieval,
            AutoTokenizer,
            CHECKPOINT if checkpoint is None else checkpoint,
            f"Fetch it once with `hf download {CHECKPOINT} --local-dir DIR` and name the folder: "
            "--detector-weights DIR.",
        )
        return cls(model.to(device), tokenizer, **options)

    @property
    def device(self) -> torch.device:
        """Where the model's weights are."""
        return self.model.itm_head.weight.device

    def set_canvas(self, canvas: int) -> None:
        """Change the side of the square input.

        Raises:
            SettingsError: if it is not a multiple of the patches' side.
        """
        patch = int(self.model.config.vision_config.patch_size)
        if canvas < patch or canvas % patch:
            raise SettingsError(f"the canvas must be a multiple of the {patch} px patches, got {canvas}")
        self.canvas = canvas
        self.grid = (canvas // patch, canvas // patch)

    def encode_prompts(self, prompts: PromptSet) -> EncodedPrompts:
        """Tokens of a prompt set, padded to its longest sentence; done once for any number of images.

        Raises:
            PromptError: for a word that cannot be tokenised, a name that is not in the lexicon of a
                closed model, or a sentence longer than it can read.
            ModelError: if the model was built without a tokenizer.
        """
        if self.tokenizer is None:
            raise ModelError("this model has no tokenizer; give one to BlipMatcher, or encoded prompts")
        if self.closed:
            self._check_names(prompts)
        tokens = self.tokenizer(list(prompts.texts), padding="longest", return_tensors="pt")
        ids, mask = tokens["input_ids"], tokens["attention_mask"]
        unknown = self.tokenizer.unk_token_id
        lost = (ids == unknown).any(dim=1).nonzero() if unknown is not None else ids.new_empty(0, 1)
        if len(lost):
            self._refuse_unknown(prompts, int(lost[0, 0]))
        longest = int(self.model.config.text_config.max_position_embeddings)
        if ids.shape[1] > longest:
            text = prompts.texts[int(mask.sum(dim=1).argmax())]
            raise PromptError(
                f"{text!r} takes {ids.shape[1]} tokens, but the limit of the model is {longest}; use a "
                f"shorter name"
            )
        return EncodedPrompts(prompts, ids.to(self.device), mask.to(self.device))

    def encode_images(self, pixels: torch.Tensor) -> torch.Tensor:
        """(B, K, D) class token and patches of (B, 3, S, S) normalised images."""
        with self._autocast():
            outputs = self.model.vision_model(
                pixel_values=pixels.to(self.device), interpolate_pos_encoding=True
            )
        embeddings: torch.Tensor = outputs.last_hidden_state
        return embeddings

    def relevance(
        self, image_embeds: torch.Tensor, encoded: EncodedPrompts, layers: Sequence[int]
    ) -> Relevance:
        """Relevance of P prompts to B images (B, K, D) in the layers named.

        The prompts are tokenised once; their embeddings and first self-attention are computed once per
        call. All else in the text encoder depends on the image, so BLIP computes it for every pair.
        Gradients flow, unless the caller forbids them.

        Raises:
            SettingsError: for a layer the model does not have.
        """
        layers = check_layers(layers, self.num_layers)
        mask = encoded.attention_mask
        encoder = self.model.text_encoder
        with self._autocast():
            with CrossAttentionTap(encoder, layers, lambda scores: token_relevance(scores, mask)) as tap:
                states = encoder(
                    input_ids=encoded.input_ids, attention_mask=mask, encoder_hidden_states=image_embeds
                ).last_hidden_state
            itm_logits = self.model.itm_head(states)
        gate = match_gate(itm_logits.unflatten(0, (len(image_embeds), -1)))
        maps = {
            layer: (prompt_softmax(tap.reduced[layer]) * gate[..., None]).unflatten(-1, self.grid)
            for layer in layers
        }
        return Relevance(maps, gate)

    def _check_names(self, prompts: PromptSet) -> None:
        """Known words do not make a known name: "red" and "circle" are in "circle red", too."""
        words = {word for entry in self.lexicon.classes for word in entry.words}
        known = {word.lower() for word in words | set(self.lexicon.background)}
        for label, name in enumerate(prompts.names[1:], start=1):
            if name.lower() not in known:
                self._refuse_unknown(prompts, prompts.spans[label][0])

    def _refuse_unknown(self, prompts: PromptSet, row: int) -> None:
        label = next(i for i, (start, stop) in enumerate(prompts.spans) if start <= row < stop)
        known = ", ".join(entry.name for entry in self.lexicon.classes)
        hint = f"it knows: {known}" if self.closed else "use plain words of the language it was trained on"
        raise PromptError(
            f"the vocabulary of the model lacks {prompts.names[label]!r} ({prompts.texts[row]!r}); {hint}"
        )

    @contextlib.contextmanager
    def _autocast(self) -> Iterator[None]:
        with torch.autocast(self.device.type, torch.float16, enabled=self.precision == "float16"):
            yield
