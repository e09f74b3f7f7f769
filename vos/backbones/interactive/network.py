"""The interactive segmentation network: an image encoder, and a light decoder that reads a prompt.

A U-Net (Ronneberger et al., 2015) of plain residual convolutions. Its image half is computed once per view;
the half that reads the prompt (points as discs, box, previous mask, as in RITM, Sofiiuk et al., 2021) runs
for every object and every further click. It answers with several candidates and the IoU it expects of each,
as SAM does (Kirillov et al., 2023), so that a click that can be read in several ways need not be averaged.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..nano.loading import loaded, stage_sizes
from ..nano.network import Block, Down, resized_like

STRIDE = 32
"""Inputs have multiples of this many rows and columns."""
PLANES = ("mask", "on", "off", "box")
"""The prompt's planes: previous mask in -1..1, points on and off the object as discs, box as 1 and -1; 0
where a prompt has no such part."""
MASK, ON, OFF, BOX = range(len(PLANES))
MASK_LOGIT = 6.0
"""The logit that a mask plane of 1 stands for; more certain ones are cut."""
DISC = 4.0
"""Radius of a point's disc in pixels of the input."""


@dataclass(frozen=True)
class InteractiveConfig:
    """Sizes of the network; those of a checkpoint are read off its tensors."""

    widths: tuple[int, int, int, int, int] = (16, 32, 64, 104, 144)
    """Channels at strides 2, 4, 8, 16 and 32."""
    depths: tuple[int, int, int, int, int] = (0, 1, 2, 3, 2)
    """Residual blocks of the encoder at each stride."""
    candidates: int = 3


class ImageEncoder(nn.Module):
    """Image to features at strides 2, 4, 8, 16 and 32."""

    def __init__(self, config: InteractiveConfig) -> None:
        super().__init__()
        inputs = (3, *config.widths[:-1])
        self.stages = nn.ModuleList(
            Down(i, width, depth)
            for i, width, depth in zip(inputs, config.widths, config.depths, strict=True)
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """(B, C_i, h / s, w / s) for s = 2, 4, 8, 16, 32, of (B, 3, h, w) in -1..1."""
        levels = []
        for stage in self.stages:
            images = stage(images)
            levels.append(images)
        return tuple(levels)


class PromptDecoder(nn.Module):
    """Image features and prompt planes to candidate masks and the IoU expected of each."""

    def __init__(self, config: InteractiveConfig) -> None:
        super().__init__()
        two, four, *coarser = config.widths
        deep = coarser[-1]
        self.read = nn.Sequential(
            nn.Conv2d(len(PLANES), two, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(two),
            nn.ReLU(),
            nn.Conv2d(two, four, 3, stride=2, padding=1, bias=False),
            nn.BatchNorm2d(four),
        )
        self.read_block = Block(four)
        self.down = nn.ModuleList(
            Down(above, width, 1) for above, width in zip((four, *coarser[:-1]), coarser, strict=True)
        )
        self.whole = nn.Linear(deep, deep)
        self.up = nn.ModuleList(
            nn.Conv2d(below, width, 1)
            for below, width in zip(coarser[::-1], (*coarser[-2::-1], four), strict=True)
        )
        self.join = nn.ModuleList(Block(width) for width in (*coarser[-2::-1], four))
        self.fine = nn.Conv2d(four, two, 1)
        self.masks = nn.Conv2d(two, config.candidates, 3, padding=1)
        self.quality = nn.Sequential(nn.Linear(four + deep, 64), nn.ReLU(), nn.Linear(64, 1))
        self.which = nn.Parameter(torch.zeros(config.candidates, four + deep))
        nn.init.normal_(self.which, std=0.1)
        nn.init.zeros_(self.whole.weight)

    def forward(self, levels: tuple[Tensor, ...], planes: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (N, K, h, w) and IoUs as logits (N, K), of planes (N, 4, h, w) in one image or in N."""
        two, four, *coarser = levels
        x = self.read_block(F.relu(self.read(planes) + four))
        passed = [x]
        for down, level in zip(self.down, coarser, strict=True):
            x = down(x) + level
            passed.append(x)
        deepest = x.mean(dim=(2, 3))
        x = x + self.whole(deepest)[..., None, None]
        for up, join, skip in zip(self.up, self.join, passed[-2::-1], strict=True):
            x = join(skip + resized_like(up(x), skip))
        logits = resized_like(self.masks(F.relu(resized_like(self.fine(x), two) + two)), planes)
        return logits, self._quality(x, deepest, logits)

    def _quality(self, x: Tensor, deepest: Tensor, logits: Tensor) -> Tensor:
        """(N, K) logits of the IoU: from what lies under each mask, and from the whole."""
        share = torch.sigmoid(F.adaptive_avg_pool2d(logits.detach(), (x.shape[-2], x.shape[-1]))).to(x.dtype)
        total = share.sum(dim=(2, 3)).clamp_min(1.0)
        under = torch.einsum("nkhw,nchw->nkc", share, x) / total[..., None]
        whole = deepest[:, None].expand(-1, share.shape[1], -1)
        quality: Tensor = self.quality(torch.cat([under, whole], dim=2) + self.which)
        return quality[..., 0]


class InteractiveNetwork(nn.Module):
    """Encoder and decoder."""

    def __init__(self, config: InteractiveConfig | None = None) -> None:
        super().__init__()
        self.config = config or InteractiveConfig()
        self.encoder = ImageEncoder(self.config)
        self.decoder = PromptDecoder(self.config)


def interactive_from(state: Mapping[str, Tensor], source: str) -> InteractiveNetwork:
    """The network whose weights ``state`` holds, in float32.

    Raises:
        ModelError: naming ``source``, if they are another network's, or not all finite.
    """
    return loaded(
        lambda found: InteractiveNetwork(_config_of(found)),
        state,
        source,
        name="the interactive network",
        page="docs/interactive.md",
    )


def _config_of(state: Mapping[str, Tensor]) -> InteractiveConfig:
    return InteractiveConfig(*stage_sizes(state), state["decoder.masks.weight"].shape[0])
