"""The compact network: an image encoder, and a light decoder that reads cues about one object.

Both are plain residual convolutions, which a CPU runs well. The encoder makes features at strides 2 to 32
and, at stride 8, columns of unit length for matching. The decoder takes the cues
(:mod:`vos.backbones.nano.cues`) down the same strides beside the image's features and comes up again, a
U-Net (Ronneberger et al., 2015) whose image half is shared by all objects. What it gives is added to the
logits of the ``mask`` cue: an untrained network leaves a mask as it is.

A network may have a space-time memory as well (STM, Oh et al., 2019): every cell at stride 16 reads, by the
likeness of keys, what is known of the object at the cells of remembered frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .cues import CUES, MASK, MASK_LOGIT
from .loading import loaded, stage_sizes

STRIDE = 32
"""Inputs have multiples of this many rows and columns."""
LOW_RES_STRIDE = 4
LEAST_SPREAD = 1e-6
RECALL_LEVEL = 2
"""The memory is read at this level of the decoder, counted from stride 4: at stride 16."""


@dataclass(frozen=True)
class NanoConfig:
    """Sizes of the network; those of a checkpoint are read off its tensors."""

    widths: tuple[int, int, int, int, int] = (16, 32, 64, 128, 160)
    """Channels at strides 2, 4, 8, 16 and 32."""
    depths: tuple[int, int, int, int, int] = (0, 1, 2, 2, 2)
    """Residual blocks of the encoder at each stride."""
    columns: int = 48
    """Channels of the columns for matching."""
    candidates: int = 3
    memory: int = 0
    """Channels of the values in the space-time memory; 0: the network has none."""
    keys: int = 64
    """Channels of its keys."""


@dataclass(frozen=True, eq=False)
class Pyramid:
    """What the encoder knows of B images of (h, w) pixels."""

    levels: tuple[Tensor, ...]
    """(B, C_i, h / s, w / s) for s = 2, 4, 8, 16, 32."""
    columns: Tensor
    """(B, C, h / 8, w / 8), not normalised."""


class Block(nn.Module):
    """x + conv(relu(conv(x))), rectified."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.first_norm = nn.BatchNorm2d(width)
        self.second = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.second_norm = nn.BatchNorm2d(width)
        nn.init.zeros_(self.second_norm.weight)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same."""
        inner = F.relu(self.first_norm(self.first(x)), inplace=True)
        return F.relu(self.second_norm(self.second(inner)).add_(x), inplace=True)


class Down(nn.Module):
    """A convolution of stride 2, and blocks."""

    def __init__(self, inputs: int, width: int, depth: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, width, 3, stride=2, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(width)
        self.blocks = nn.Sequential(*(Block(width) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, C', h / 2, w / 2)."""
        result: Tensor = self.blocks(F.relu(self.norm(self.conv(x)), inplace=True))
        return result


class Encoder(nn.Module):
    """Image to :class:`Pyramid`."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        inputs = (3, *config.widths[:-1])
        self.stages = nn.ModuleList(
            Down(i, width, depth)
            for i, width, depth in zip(inputs, config.widths, config.depths, strict=True)
        )
        self.lateral = nn.ModuleList(nn.Conv2d(width, config.columns, 1) for width in config.widths[2:])
        self.mix = nn.Conv2d(config.columns, config.columns, 3, padding=1)

    def forward(self, images: Tensor) -> Pyramid:
        """(B, 3, h, w) in -1..1, h and w multiples of 32."""
        levels = []
        for stage in self.stages:
            images = stage(images)
            levels.append(images)
        fine, middle, coarse = (
            lateral(level) for lateral, level in zip(self.lateral, levels[2:], strict=True)
        )
        columns = fine + resized_like(middle + resized_like(coarse, middle), fine)
        return Pyramid(tuple(levels), self.mix(F.relu(columns)))


class Decoder(nn.Module):
    """Pyramid and cues to masks and their predicted quality."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        two, four, *coarser = config.widths
        self.read = nn.Conv2d(len(CUES), four, 4, stride=4, bias=False)
        self.read_norm = nn.BatchNorm2d(four)
        self.read_block = Block(four)
        self.down = nn.ModuleList(
            Down(above, width, 1) for above, width in zip((four, *coarser[:-1]), coarser, strict=True)
        )
        self.up = nn.ModuleList(
            nn.Conv2d(below, width, 1)
            for below, width in zip(coarser[::-1], (*coarser[-2::-1], four), strict=True)
        )
        self.join = nn.ModuleList(Block(width) for width in (*coarser[-2::-1], four))
        self.fine = nn.Conv2d(four, two, 1)
        self.masks = nn.Conv2d(two, config.candidates, 3, padding=1)
        nn.init.zeros_(self.masks.weight)
        assert self.masks.bias is not None
        nn.init.zeros_(self.masks.bias)
        self.quality = nn.Sequential(nn.Linear(four + coarser[-1], 64), nn.ReLU(), nn.Linear(64, 1))
        self.which = nn.Parameter(torch.zeros(config.candidates, four + coarser[-1]))
        nn.init.normal_(self.which, std=0.1)
        self.recall = nn.Conv2d(config.memory, coarser[1], 1, bias=False) if config.memory else None

    def forward(
        self, pyramid: Pyramid, cues: Tensor, memory_read: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Logits (N, K, h, w) and predicted IoUs as logits (N, K), from cues (N, C, h, w).

        The pyramid is of one image, or of N. ``memory_read`` (N, V, h / 16, w / 16) was read from the memory.
        """
        change, x, deepest = self._decode(pyramid, cues, memory_read)
        logits = MASK_LOGIT * cues[:, MASK : MASK + 1] + resized_like(change, cues)
        return logits, self._quality(x, deepest, logits)

    def residual(self, pyramid: Pyramid, cues: Tensor, memory_read: Tensor | None = None) -> Tensor:
        """Change (N, h, w) of the logits of the ``mask`` cue, the mean of all candidates.

        Arguments as in forward, but ``cues`` may be the first of them alone: the others are unknown.

        A tracker's mask is not ambiguous: all candidates are trained to refine it, and their mean is more
        stable than the best of them.
        """
        change, _, _ = self._decode(pyramid, cues, memory_read)
        return resized_like(change.mean(dim=1, keepdim=True), cues)[:, 0]

    def _decode(
        self, pyramid: Pyramid, cues: Tensor, memory_read: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Change of the logits (N, K, h / 2, w / 2), features (N, C, h / 4, w / 4), and the mean (N, C') of
        the deepest ones."""
        two, four, *coarser = pyramid.levels
        read = F.conv2d(cues, self.read.weight[:, : cues.shape[1]], self.read.bias, self.read.stride)
        x = self.read_block(F.relu(self.read_norm(read) + four))
        passed = [x]
        for down, level in zip(self.down, coarser, strict=True):
            x = down(x) + level
            if memory_read is not None and self.recall is not None and len(passed) == RECALL_LEVEL:
                x = x + self.recall(memory_read)
            passed.append(x)
        deepest = x.mean(dim=(2, 3))
        for up, join, skip in zip(self.up, self.join, passed[-2::-1], strict=True):
            x = join(skip + resized_like(up(x), skip))
        return self.masks(F.relu(resized_like(self.fine(x), two) + two)), x, deepest

    def _quality(self, x: Tensor, deepest: Tensor, logits: Tensor) -> Tensor:
        """(N, K) logits of the predicted IoU: from what lies under each mask, and from the whole."""
        share = torch.sigmoid(F.avg_pool2d(logits.detach(), LOW_RES_STRIDE)).to(x.dtype)
        total = share.sum(dim=(2, 3)).clamp_min(1.0)
        under = torch.einsum("nkhw,nchw->nkc", share, x) / total[..., None]
        whole = deepest[:, None].expand(-1, share.shape[1], -1)
        refined: Tensor = self.quality(torch.cat([under, whole], dim=2) + self.which)
        return refined[..., 0]


class Memory(nn.Module):
    """Keys of frames, values of objects in them, and the reading of both."""

    def __init__(self, config: NanoConfig) -> None:
        super().__init__()
        _, four, eight, sixteen, deep = config.widths
        self.key = nn.Conv2d(sixteen, config.keys, 1)
        self.key_deep = nn.Conv2d(deep, config.keys, 1)
        self.read = nn.Conv2d(2, four, 4, stride=4, bias=False)
        self.read_norm = nn.BatchNorm2d(four)
        self.down = nn.ModuleList((Down(four, eight, 1), Down(eight, sixteen, 1)))
        self.value = nn.Conv2d(sixteen, config.memory, 1)

    def keys(self, pyramid: Pyramid) -> Tensor:
        """(B, D, h / 16, w / 16) keys of B images."""
        sixteen, deep = pyramid.levels[-2:]
        keys: Tensor = self.key(sixteen) + resized_like(self.key_deep(deep), sixteen)
        return keys

    def values(self, pyramid: Pyramid, masks: Tensor) -> Tensor:
        """(N, V, h / 16, w / 16) values of N objects.

        Args:
            pyramid: of one image, or of N.
            masks: (N, 2, h, w) in 0..1: the object, and all other objects.
        """
        _, four, eight, sixteen, _ = pyramid.levels
        x = F.relu(self.read_norm(self.read(masks)) + four)
        for down, level in zip(self.down, (eight, sixteen), strict=True):
            x = down(x) + level
        value: Tensor = self.value(x)
        return value


def read_memory(query: Tensor, keys: Tensor, values: Tensor) -> Tensor:
    """(N, V, h, w) values that N queries read from a memory of M cells.

    Args:
        query: (N, D, h, w), or (1, D, h, w) for all.
        keys: (N, D, M), or (1, D, M) for all.
        values: (N, V, M).

    A cell attends to remembered ones by the squared distance of keys (Cheng et al., STCN, 2021).
    """
    depth, height, width = query.shape[1:]
    flat = query.flatten(2).transpose(1, 2)
    scores = (2 * flat @ keys - keys.square().sum(dim=1, keepdim=True)) / depth**0.5
    shares = scores.float().softmax(dim=2).to(values.dtype)
    read = values @ shares.transpose(1, 2)
    return read.reshape(values.shape[0], values.shape[1], height, width)


class NanoNetwork(nn.Module):
    """Encoder, decoder and, with ``config.memory``, a space-time memory."""

    def __init__(self, config: NanoConfig | None = None) -> None:
        super().__init__()
        self.config = config or NanoConfig()
        self.encoder = Encoder(self.config)
        self.decoder = Decoder(self.config)
        self.memory = Memory(self.config) if self.config.memory else None


def similarity_cue(similarity: Tensor, size: tuple[int, int]) -> Tensor:
    """(..., h, w) cue in -1..1 from (..., g, g') similarity by any measure; its order and spread count."""
    mean = similarity.mean(dim=(-2, -1), keepdim=True)
    spread = (similarity - mean).square().mean(dim=(-2, -1), keepdim=True).sqrt().clamp_min(LEAST_SPREAD)
    cue = torch.tanh((similarity - mean) / (2 * spread))
    flat = cue.reshape(1, -1, *cue.shape[-2:])
    resized = F.interpolate(flat, size, mode="bilinear", align_corners=False)
    return resized.reshape(*cue.shape[:-2], *size)


def network_from(state: Mapping[str, Tensor], source: str) -> NanoNetwork:
    """The network whose weights ``state`` holds, in float32.

    Raises:
        ModelError: naming ``source``, if they are another network's, or not all finite.
    """
    return loaded(
        lambda found: NanoNetwork(_config_of(found)), state, source, name="nano", page="docs/nano.md"
    )


def half_precision(network: nn.Module) -> dict[str, Tensor]:
    """The weights as they are stored: float16, counters left out."""
    return {
        name: value.detach().cpu().half().contiguous()
        for name, value in network.state_dict().items()
        if value.is_floating_point()
    }


def _config_of(state: Mapping[str, Tensor]) -> NanoConfig:
    columns = state["encoder.mix.weight"].shape[0]
    candidates = state["decoder.masks.weight"].shape[0]
    memory = keys = 0
    if "memory.value.weight" in state:
        memory, keys = state["memory.value.weight"].shape[0], state["memory.key.weight"].shape[0]
    return NanoConfig(*stage_sizes(state), columns, candidates, memory, keys or NanoConfig.keys)


def resized_like(x: Tensor, like: Tensor) -> Tensor:
    """``x`` at the rows and columns of ``like``."""
    return F.interpolate(x, like.shape[-2:], mode="bilinear", align_corners=False)
