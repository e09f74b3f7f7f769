"""SAM (ViT-B, ViT-L, ViT-H) and MobileSAM as promptable backbones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from ...errors import ModelError, PromptError
from ...prompts import Prompt
from ..base import Candidates, FrameFeatures, Guidance, LazyCandidates
from ..matrix_products import speed_up
from ..weights.checkpoints import load_state
from ..weights.location import locate
from .mask_decoder import BiasMode, Injection
from .network import SamNetwork, build_network
from .preprocess import mask_to_low_res, resized_size, to_input, to_padded_frame, upscale
from .state_dict import from_transformers, is_transformers

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}

_MASK_LOGIT = 8.0  # of a boolean mask that becomes a mask prompt; sigmoid(8) = 0.9997
_FAMILIES = {
    "mobile-sam": "MobileSAM",
    "sam-vit-b": "SAM ViT-B",
    "sam-vit-l": "SAM ViT-L",
    "sam-vit-h": "SAM ViT-H",
    "sam-hq-vit-b": "SAM-HQ ViT-B",
    "sam-hq-vit-l": "SAM-HQ ViT-L",
    "sam-hq-vit-h": "SAM-HQ ViT-H",
}


@dataclass(frozen=True, eq=False)
class SamContext:
    """What the decoder needs of an image."""

    features: Tensor
    """(1, C, g, g) features of the whole padded square, in the network's dtype."""
    input_size: tuple[int, int]
    """(h', w') of the resized image within the padded square."""
    detail: Tensor | None = None
    """What SAM-HQ's decoder takes besides."""


class SamBackbone:
    """A SAM network behind the Backbone seam.

    Image features cover the padded square; ``FrameFeatures.grid`` is the part that shows the image.
    """

    accepts_guidance = True

    def __init__(
        self,
        network: SamNetwork,
        *,
        device: str = "cpu",
        dtype: str = "float32",
        bias_mode: BiasMode = "post_softmax_double",
        max_batch: int = 16,
    ) -> None:
        """``max_batch`` prompts are decoded at once; more are split, which bounds memory and changes nothing.

        Raises:
            ModelError: if the device or dtype is not known or not there.
        """
        self.device, self.dtype = check_device(device), check_dtype(dtype)
        self.network = network.to(self.device)
        speed_up(network)
        self.network.image_encoder.to(self.dtype).to(memory_format=torch.channels_last)
        self.network.mask_decoder.to(self.dtype)
        self.bias_mode: BiasMode = bias_mode
        self.max_batch = max_batch
        self._positions = network.prompt_encoder.dense_positions().to(self.dtype)

    @property
    def image_size(self) -> int:
        """Side of the padded square, pixels."""
        return self.network.image_size

    @property
    def grid(self) -> int:
        """Side of the feature grid of the padded square, cells."""
        return self.network.config.encoder.grid

    @torch.inference_mode()
    def preprocess(self, image: NDArray[np.uint8]) -> Tensor:
        """(1, 3, S, S) float32 network input of an (H, W, 3) uint8 RGB image."""
        return to_input(image, self.image_size).to(self.device)

    @torch.inference_mode()
    def encode(self, image: NDArray[np.uint8]) -> FrameFeatures:
        """Features of an (H, W, 3) uint8 RGB image."""
        pixels = self.preprocess(image).to(self.dtype).contiguous(memory_format=torch.channels_last)
        features, detail = self.network.encode(pixels)
        size = (image.shape[0], image.shape[1])
        input_size = resized_size(size, self.image_size)
        stride = self.image_size / features.shape[-1]
        rows, columns = (max(1, round(side / stride)) for side in input_size)
        shown = features[0, :, :rows, :columns].float()
        norms = shown.norm(dim=0)
        context = SamContext(features, input_size, detail)
        return FrameFeatures(shown / norms.clamp_min(1e-12), size, context, norms)

    @torch.inference_mode()
    def decode(
        self,
        features: FrameFeatures,
        prompts: Sequence[Prompt],
        *,
        guidance: Sequence[Guidance] | None = None,
        multimask: bool = True,
    ) -> Candidates:
        """Masks for N prompts, in one pass of the decoder; prompts are in pixels of the original image.

        Raises:
            PromptError: if mask logits fed back do not fit the decoder's grid.
        """
        context: SamContext = features.context
        outputs = slice(1, None) if multimask else slice(0, 1)
        low_res, scores = [], []
        for start in range(0, len(prompts), self.max_batch):
            chunk = slice(start, start + self.max_batch)
            image, sparse, mask = self._embed(features, prompts[chunk])
            injection = self._injection(context, None if guidance is None else guidance[chunk])
            further = {} if context.detail is None else {"detail": context.detail}
            masks, quality = self.network.mask_decoder(
                image, self._positions, sparse, injection, mask, outputs, **further
            )
            low_res.append(masks.float())
            scores.append(quality.float())
        if not prompts:
            count, side = (self.network.config.decoder.masks - 1 if multimask else 1), 4 * self.grid
            low_res.append(torch.zeros(0, count, side, side, device=self.device))
            scores.append(torch.zeros(0, count, device=self.device))
        to_image = partial(self.upscale, image_size=features.image_size)
        return LazyCandidates(torch.cat(low_res), torch.cat(scores), to_image)

    @torch.inference_mode()
    def upscale(self, low_res: Tensor, image_size: tuple[int, int]) -> Tensor:
        """Upscale (N, K, h, w) maps of the padded square to (N, K, H, W) of the image."""
        if not len(low_res):
            return low_res.new_zeros(*low_res.shape[:2], *image_size)
        return upscale(low_res, image_size, self.image_size)

    def _embed(
        self, features: FrameFeatures, prompts: Sequence[Prompt]
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Image with dense embeddings (N or 1, C, g, g), tokens (N, T, C), and which tokens are real (N, T).

        Prompts of different make-up have different numbers of tokens; the shorter ones are filled up
        with tokens that nothing attends to, so each is decoded exactly as it would be alone.
        """
        context: SamContext = features.context
        tokens = [self._tokens(prompt, features.image_size) for prompt in prompts]
        lengths = [len(t) for t in tokens]
        sparse = torch.nn.utils.rnn.pad_sequence(tokens, batch_first=True).to(self.dtype)
        mask = None
        if len(set(lengths)) > 1:
            counts = torch.tensor(lengths, device=self.device)
            mask = torch.arange(max(lengths), device=self.device) < counts[:, None]
        return context.features + self._dense(prompts, features.image_size).to(self.dtype), sparse, mask

    def _tokens(self, prompt: Prompt, image_size: tuple[int, int]) -> Tensor:
        """(T, C) tokens: the points, then the corners of the box or, without a box, the padding token."""
        encoder = self.network.prompt_encoder
        to_frame = partial(to_padded_frame, image_size=image_size, long_side=self.image_size)
        parts = [torch.zeros(0, encoder.config.dim, device=self.device)]
        if prompt.points is not None and prompt.labels is not None:
            points = to_frame(prompt.points).to(self.device)
            labels = torch.from_numpy(prompt.labels).to(self.device)
            parts.append(encoder.embed_points(points[None], labels[None], pad=prompt.box is None)[0])
        if prompt.box is not None:
            box = to_frame(prompt.box.reshape(2, 2)).reshape(1, 4).to(self.device)
            parts.append(encoder.embed_boxes(box)[0])
        return torch.cat(parts)

    def _dense(self, prompts: Sequence[Prompt], image_size: tuple[int, int]) -> Tensor:
        """(N, C, g, g) embeddings of the mask prompts, or (1, C, 1, 1) where no prompt has one."""
        encoder = self.network.prompt_encoder
        given = [n for n, p in enumerate(prompts) if p.low_res is not None or p.mask is not None]
        if not given:
            return encoder.no_mask()
        logits = torch.stack([self._mask_logits(prompts[n], image_size) for n in given]).to(self.device)
        embedded = encoder.embed_masks(logits[:, None])
        if len(given) == len(prompts):
            return embedded
        dense = encoder.no_mask().repeat(len(prompts), 1, *embedded.shape[2:])
        dense[given] = embedded
        return dense

    def _mask_logits(self, prompt: Prompt, image_size: tuple[int, int]) -> Tensor:
        """(4 g, 4 g) float32 logits of the mask part of a prompt."""
        side = 4 * self.grid
        if prompt.low_res is not None:
            if prompt.low_res.shape != (side, side):
                raise PromptError(f"low_res must be ({side}, {side}), got {prompt.low_res.shape}")
            return torch.from_numpy(np.ascontiguousarray(prompt.low_res, dtype=np.float32))
        assert prompt.mask is not None
        if prompt.mask.shape != image_size:
            raise PromptError(f"mask must have the size of the image, {image_size}, got {prompt.mask.shape}")
        return mask_to_low_res(prompt.mask, side, _MASK_LOGIT)

    def _injection(self, context: SamContext, guidance: Sequence[Guidance] | None) -> Injection | None:
        """What guidance means to the decoder. An object without a part of it gets a neutral one."""
        if guidance is None:
            return None
        channels = context.features.shape[1]
        biases = [_attention_bias(g, self.grid) for g in guidance]
        targets = [g.embedding for g in guidance]
        bias = target = None
        # A constant bias drops out of the softmax where it is added to logits, but not where it is added to
        # weights: there an object without bias cannot share a batch with one that has it.
        if any(b is not None for b in biases):
            if any(b is None for b in biases):
                raise ValueError("either all objects of a call are guided by similarity or none is")
            bias = torch.stack([b.to(self.device, self.dtype).flatten() for b in biases if b is not None])
        if any(t is not None for t in targets):
            nothing = torch.zeros(channels, device=self.device)
            target = torch.stack([nothing if t is None else t.to(self.device) for t in targets]).to(
                self.dtype
            )
        return Injection(bias, target, self.bias_mode)


def _attention_bias(guidance: Guidance, grid: int) -> Tensor | None:
    """(grid, grid) bias: as given, or the standardised similarity through a sigmoid, 0 in the padding.

    Unlike the reference's (which stretches the un-padded map over the padded grid), this one stays aligned
    with the features for images that are not square.
    """
    if guidance.attention_bias is not None:
        return guidance.attention_bias
    if guidance.similarity is None:
        return None
    similarity = guidance.similarity.float()
    spread = similarity.std() if similarity.numel() > 1 else torch.zeros(())
    bias = torch.sigmoid((similarity - similarity.mean()) / spread.clamp_min(1e-6))
    rows, columns = similarity.shape
    return F.pad(bias, (0, grid - columns, 0, grid - rows))


def check_dtype(name: str) -> torch.dtype:
    """The dtype of that name.

    Raises:
        ModelError: for a name that is not in :data:`DTYPES`.
    """
    if name not in DTYPES:
        raise ModelError(f"unknown dtype {name!r}; choose one of {', '.join(DTYPES)}")
    return DTYPES[name]


def auto_dtype(device: str) -> str:
    """``bfloat16`` where the processor or the card of that name computes in it natively, else ``float32``.

    Raises:
        ModelError: if the device cannot be used.
    """
    where = check_device(device)
    if where.type == "cuda":
        native = torch.cuda.get_device_capability(where) >= (8, 0)
    elif where.type == "cpu":
        tests = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")
        native = any(getattr(torch.cpu, test, bool)() for test in tests)
    else:
        native = False
    return "bfloat16" if native else "float32"


def check_device(name: str) -> torch.device:
    """The device of that name.

    Raises:
        ModelError: if torch does not know the name, or this machine lacks the device.
    """
    try:
        device = torch.device(name)
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(f"cannot use device {name!r}: {reason}; try cpu, cuda or mps") from error
    return device


def build_sam(
    name: str,
    *,
    checkpoint: str | Path | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    bias_mode: BiasMode = "post_softmax_double",
) -> SamBackbone:
    """The backbone ``name``, from ``checkpoint`` or from the weights cache.

    A checkpoint may have sizes that no published model has; the published ones must be called by their name.

    Raises:
        ModelError: if weights are missing, unusable or another model's, or device or dtype cannot be used.
    """
    check_device(device)
    check_dtype(dtype)
    path = locate(name) if checkpoint is None else Path(checkpoint)
    state = load_state(path)
    if is_transformers(state):
        state = from_transformers(state)
    network = build_network(state, str(path))
    found = network.config.family
    right = _model_of(found, name)
    if right != name:
        raise ModelError(f"{path} is a {found} checkpoint, not {_FAMILIES[name]}; use --model {right}")
    return SamBackbone(network, device=device, dtype=dtype, bias_mode=bias_mode)


def _model_of(found: str, asked: str) -> str:
    """The model that a checkpoint of the family ``found`` is called by.

    One of a size that was not published may have any name of its kind: ``asked`` if it is one, else the name
    of the size asked for, else of the smallest.
    """
    for model, family in _FAMILIES.items():
        if family == found:
            return model
    same = [model for model, family in _FAMILIES.items() if family.split()[0] == found.split()[0]]
    if asked in same:
        return asked
    size = _FAMILIES[asked].split()[-1]
    return next((model for model in same if _FAMILIES[model].split()[-1] == size), same[0])
