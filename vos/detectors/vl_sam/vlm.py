"""Generative vision-language models (LLaVA-style, Qwen-VL-style) and where in the image their words look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ...backbones.weights.pretrained import load_pretrained
from ...errors import MediaError, ModelError, PromptError
from ..points import enlarge_map
from .attention_capture import capturing
from .attention_flow import FlowStream, Regularisation, object_map
from .noun_phrases import ObjectName, parse_objects, token_pieces, token_span

CHECKPOINT = "llava-hf/llava-1.5-7b-hf"
"""Where no other is named, this one is looked for in the local cache."""
QUESTION = "List all objects in this image, separated by commas."
SUGGEST = (
    "Suggest {count} different questions that would help to list every object in this image. "
    "Write one question a line."
)
_OWN_POSITION_FREE = ("attention_mask", "mm_token_type_ids", "token_type_ids")


@dataclass(frozen=True, eq=False)
class AnswerAttention:
    """An answer of A tokens, and how strongly each token's attention flows to the image."""

    text: str
    pieces: tuple[str, ...]
    """The part of the text each of the A tokens spells; they join to ``text``."""
    probabilities: NDArray[np.float32]
    """(A,) the model's probability of each token, given all before it."""
    rows: torch.Tensor
    """(A, h*w) float32 regularised attention flow to the image's patches."""
    grid: tuple[int, int]
    """(h, w) patches; they cover the image exactly."""

    def name_map(self, name: ObjectName, size: tuple[int, int]) -> NDArray[np.float32]:
        """(H, W) map in 0..1 of a name's first mention: the mean over its tokens, enlarged to the image."""
        start, stop = token_span(self.pieces, name.start, name.stop)
        return enlarge_map(object_map(self.rows[start:stop], self.grid).cpu().numpy(), size)

    def name_probability(self, name: ObjectName) -> float:
        """Mean probability of the tokens of a name's first mention."""
        start, stop = token_span(self.pieces, name.start, name.stop)
        return float(self.probabilities[start:stop].mean())


class VisionLanguageModel:
    """A model that answers questions about an image, read through its attention.

    Args:
        model: ``LlavaForConditionalGeneration``, ``Qwen2VLForConditionalGeneration`` or one built alike.
        processor: its processor: chat template, image processor and tokenizer.
        max_new_tokens: length of an answer at most.
        temperature, top_p: of sampling, the paper's by default; temperature 0 takes the likeliest token.

    Raises:
        ModelError: if the model has no language model that reads image tokens in its sequence.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        *,
        max_new_tokens: int = 256,
        temperature: float = 0.8,
        top_p: float = 0.1,
    ) -> None:
        self._language_model: Any = getattr(getattr(model, "model", None), "language_model", None)
        self._image_token = getattr(model.config, "image_token_id", None)
        if self._language_model is None or self._image_token is None:
            raise ModelError(
                f"{type(model).__name__} does not read the image as tokens of its language model; "
                "use a LLaVA or Qwen-VL checkpoint"
            )
        self.model = model.eval()
        self.processor = processor
        self.max_new_tokens = max_new_tokens
        self.temperature = temperature
        self.top_p = top_p

    @classmethod
    def load(
        cls,
        checkpoint: str | Path | None = None,
        *,
        device: str = "cpu",
        dtype: str = "auto",
        **options: Any,
    ) -> VisionLanguageModel:
        """The model in a folder, or of that name in the local cache (None: LLaVA 1.5); nothing is downloaded.

        ``dtype`` is that of the weights; "auto" takes the checkpoint's own. The flow is float32 always.

        Raises:
            ModelError: if it is not there or is not such a model.
        """
        from transformers import AutoModelForImageTextToText, AutoProcessor

        model, processor = load_pretrained(
            AutoModelForImageTextToText,
            AutoProcessor,
            CHECKPOINT if checkpoint is None else checkpoint,
            "Fetch one once, such as `hf download llava-hf/llava-1.5-7b-hf --local-dir DIR`, and name the "
            "folder: --detector-weights DIR.",
            dtype=dtype,
        )
        return cls(model.to(device), processor, **options)

    @torch.no_grad()
    def answer(self, image: NDArray[np.uint8], question: str = QUESTION, *, seed: int = 0) -> list[int]:
        """Tokens of an answer to a question about an (H, W, 3) uint8 RGB image, without special ones."""
        inputs = self._inputs(image, question)
        how: dict[str, Any] = {"do_sample": False}
        if self.temperature > 0:
            how = {"do_sample": True, "temperature": self.temperature, "top_p": self.top_p}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            tokens = self.model.generate(**inputs, max_new_tokens=self.max_new_tokens, **how)
        special = set(self.processor.tokenizer.all_special_ids)
        return [token for token in tokens[0, inputs["input_ids"].shape[1] :].tolist() if token not in special]

    def suggest_questions(self, image: NDArray[np.uint8], count: int = 10, *, seed: int = 0) -> list[str]:
        """Questions for the ensemble, by asking the model; fewer than ``count`` if it says no more."""
        text = self.decode(self.answer(image, SUGGEST.format(count=count), seed=seed))
        lines = [line.strip().lstrip("0123456789.-) ") for line in text.splitlines()]
        return list(dict.fromkeys(line for line in lines if line))[:count]

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of tokens."""
        text: str = self.processor.tokenizer.decode(
            list(tokens), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        return text

    @torch.no_grad()
    def attend(
        self,
        image: NDArray[np.uint8],
        question: str,
        answer: Sequence[int],
        *,
        regularisation: Regularisation = "per_layer",
    ) -> AnswerAttention:
        """Attention flow of an answer's tokens in one pass over question and answer.

        The answer is forced on the model: attention is causal, so each token's row is what it was when
        the token was generated, but no cache keeps rows apart. Of the pass only N x (h*w) numbers are
        kept, N the length of the sequence.

        Raises:
            PromptError: if there is no answer, or question and answer are longer than the model reads.
            MediaError: if the image has a shape that the model does not read.
        """
        if not answer:
            raise PromptError("the model gave an empty answer; use another question")
        inputs = self._inputs(image, question)
        prompt_length = inputs["input_ids"].shape[1]
        self._check_length(prompt_length + len(answer))
        forced = self._append(inputs, answer)
        span, grid = self._image_span(forced)
        stream = FlowStream(span, regularisation)
        with capturing(self._language_model, stream):
            logits = self.model(**forced, use_cache=False, logits_to_keep=len(answer) + 1).logits
        chosen = torch.tensor(list(answer), device=logits.device)
        likely = logits[0, :-1].float().softmax(dim=-1).gather(1, chosen[:, None])[:, 0]
        ends = [self.decode(answer[: i + 1]) for i in range(len(answer))]
        return AnswerAttention(
            text=ends[-1],
            pieces=token_pieces(ends),
            probabilities=likely.cpu().numpy(),
            rows=stream.rows(range(prompt_length, prompt_length + len(answer))),
            grid=grid,
        )

    def objects(
        self,
        image: NDArray[np.uint8],
        question: str = QUESTION,
        *,
        seed: int = 0,
        regularisation: Regularisation = "per_layer",
    ) -> tuple[AnswerAttention | None, list[ObjectName]]:
        """The objects that the model names, with the attention of each name; None where it names none."""
        answer = self.answer(image, question, seed=seed)
        names = parse_objects(self.decode(answer))
        if not names:
            return None, []
        return self.attend(image, question, answer, regularisation=regularisation), names

    def _inputs(self, image: NDArray[np.uint8], question: str) -> dict[str, Any]:
        from PIL import Image

        content = [{"type": "image"}, {"type": "text", "text": question}]
        text = self.processor.apply_chat_template(
            [{"role": "user", "content": content}], add_generation_prompt=True
        )
        pil_image = Image.fromarray(image)
        side = self._square_side()
        if side is not None:
            # These processors crop what is not square; stretched, the patches cover the whole image.
            pil_image = pil_image.resize((side, side), Image.Resampling.BICUBIC)
        try:
            inputs = self.processor(images=[pil_image], text=[text], return_tensors="pt")
        except ValueError as error:  # Qwen's refuses shapes that are very long and thin
            raise MediaError(
                f"the model cannot read an image of {image.shape[1]}x{image.shape[0]} pixels: {error}; "
                "crop it or leave it out"
            ) from error
        return {name: value.to(self.model.device) for name, value in inputs.items()}

    def _square_side(self) -> int | None:
        """Side of the square input of models with one fixed size, in pixels; None where any size goes."""
        size = getattr(self.model.config.vision_config, "image_size", None)
        return None if size is None else int(size)

    @staticmethod
    def _append(inputs: dict[str, Any], answer: Sequence[int]) -> dict[str, Any]:
        """The inputs with the answer after the question."""
        ids = inputs["input_ids"]
        more = torch.tensor([list(answer)], dtype=ids.dtype, device=ids.device)
        forced = {**inputs, "input_ids": torch.cat([ids, more], dim=1)}
        for name in _OWN_POSITION_FREE:
            if name in inputs:
                fill = 1 if name == "attention_mask" else 0
                tail = inputs[name].new_full(more.shape, fill)
                forced[name] = torch.cat([inputs[name], tail], dim=1)
        return forced

    def _image_span(self, inputs: dict[str, Any]) -> tuple[tuple[int, int], tuple[int, int]]:
        """Where the image's tokens are in the sequence, begin and end tokens excluded, and their (h, w)."""
        places = (inputs["input_ids"][0] == self._image_token).nonzero()[:, 0]
        count = len(places)
        if count == 0 or int(places[-1] - places[0]) + 1 != count:
            raise ModelError("the image's tokens are not one run of the sequence, so they have no patch grid")
        if "image_grid_thw" in inputs:
            merge = int(self.model.config.vision_config.spatial_merge_size)
            _, height, width = (int(side) for side in inputs["image_grid_thw"][0])
            grid = (height // merge, width // merge)
        else:
            side = round(count**0.5)
            grid = (side, side)
        if grid[0] * grid[1] != count:
            raise ModelError(f"{count} image tokens do not fill a grid of {grid[0]}x{grid[1]} patches")
        start = int(places[0])
        return (start, start + count), grid

    def _check_length(self, length: int) -> None:
        longest = getattr(self._language_model.config, "max_position_embeddings", None)
        if longest is not None and length > longest:
            raise PromptError(
                f"question, image and answer take {length} tokens, but the limit of the model is {longest}; "
                "ask for a shorter answer or use a smaller image"
            )
