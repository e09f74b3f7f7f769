"""ConvCRF: mean-field smoothing with truncated Gaussian kernels (Teichmann and Cipolla 2018).

Letters: B images, C classes, H x W pixels, h x w cells of the work grid, F the side of the filter.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional as F

from ...errors import SettingsError


@dataclass(frozen=True)
class ConvCrfSettings:
    """Constants of the smoothing; the defaults are the reference's."""

    iterations: int = 20
    """Iterations of mean field; 0 smooths nothing."""
    filter_size: int = 15
    """Side of the window in cells of the work grid; odd."""
    blur: int = 4
    """A cell of the work grid is the average of blur x blur pixels."""
    position_weight: float = 3.0
    """Weight of the kernel of positions: neighbours tend to have one label."""
    position_scale: float = 3.0
    """Pixels per unit of the position feature."""
    colour_weight: float = 10.0
    """Weight of the kernel of colours: pixels of one colour in the window tend to have one label."""
    colour_scale: float = 0.1
    """Units of the normalised image per unit of the colour feature."""
    message_weight: float = 0.2
    """Share of the message in the update; the unary has the rest."""
    final_softmax: bool = False
    """Whether the last iteration ends with a softmax too; the label map is the same."""

    def __post_init__(self) -> None:
        if self.filter_size < 1 or self.filter_size % 2 == 0:
            raise ValueError(f"filter_size must be odd and positive, got {self.filter_size}")
        if self.iterations < 0 or self.blur < 1:
            raise ValueError(f"iterations must be >= 0 and blur >= 1, got {self.iterations}, {self.blur}")
        if min(self.position_scale, self.colour_scale) <= 0 or not 0 <= self.message_weight <= 1:
            raise ValueError("scales must be positive and message_weight in 0..1")


class _WorkGrid:
    """Averages pixels into cells and spreads cells over pixels; the padding is never averaged in."""

    def __init__(self, height: int, width: int, blur: int) -> None:
        self.blur = blur
        self.size = (height, width)
        self.padding = (math.ceil(-height % blur / 2), math.ceil(-width % blur / 2))

    def pool(self, maps: torch.Tensor) -> torch.Tensor:
        """(B, C, h, w) of (B, C, H, W)."""
        return F.avg_pool2d(maps, self.blur, padding=self.padding, count_include_pad=False)

    def spread(self, maps: torch.Tensor) -> torch.Tensor:
        """(B, C, H, W) of (B, C, h, w): bilinear, cropped to the pixels that are there."""
        large = F.interpolate(maps, scale_factor=self.blur, mode="bilinear", align_corners=False)
        (top, left), (height, width) = self.padding, self.size
        return large[:, :, top : top + height, left : left + width]


def pairwise_kernel(image: torch.Tensor, settings: ConvCrfSettings = ConvCrfSettings()) -> torch.Tensor:
    """(B, F, F, h, w) kernel of a normalised image (B, 3, H, W): axes 1 and 2 are the row and column offset.

    ``k(p, d) = 3 exp(-|pos(p+d)-pos(p)|^2/2) + 10 exp(-|col(p+d)-col(p)|^2/2)``, 0 where p+d is outside;
    the colour term knows no distance, and the centre (13) is included.
    """
    grid = _WorkGrid(image.shape[2], image.shape[3], settings.blur)
    rows = torch.arange(image.shape[2], dtype=image.dtype, device=image.device)
    columns = torch.arange(image.shape[3], dtype=image.dtype, device=image.device)
    position = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))[None] / settings.position_scale
    kernel = settings.position_weight * _gaussian(grid.pool(position), settings.filter_size)
    return kernel + settings.colour_weight * _gaussian(
        grid.pool(image / settings.colour_scale), settings.filter_size
    )


def convcrf(
    unary: torch.Tensor,
    image: torch.Tensor,
    settings: ConvCrfSettings = ConvCrfSettings(),
) -> torch.Tensor:
    """(B, C, H, W) smoothed maps of unaries (B, C, H, W) and normalised images (B, 3, H, W).

    The unary is ``log_softmax(U)`` although U is a distribution already, and the first message is built
    from these log values rather than from probabilities: both are the reference's. With 0 iterations the
    log values come back. The label map is the argmax over C.

    Raises:
        SettingsError: if the two do not have the same batch and size.
    """
    if unary.shape[0] != image.shape[0] or unary.shape[2:] != image.shape[2:]:
        raise SettingsError(
            f"unaries {tuple(unary.shape)} and images {tuple(image.shape)} must agree but in axis 1"
        )
    grid = _WorkGrid(unary.shape[2], unary.shape[3], settings.blur)
    kernel = pairwise_kernel(image.to(torch.float32), settings)
    log_unary = unary.to(torch.float32).log_softmax(dim=1)
    state = log_unary
    for iteration in range(settings.iterations):
        message = grid.spread(_gather(grid.pool(state), kernel))
        state = (1 - settings.message_weight) * log_unary + settings.message_weight * message
        if iteration < settings.iterations - 1 or settings.final_softmax:
            state = state.softmax(dim=1)
    return state


def _gaussian(features: torch.Tensor, side: int) -> torch.Tensor:
    """(B, side, side, h, w) of exp(-|f(p+d)-f(p)|^2/2) over features (B, c, h, w), 0 where p+d is outside."""
    batch, _, height, width = features.shape
    reach = side // 2
    padded = F.pad(features, (reach,) * 4)
    inside = F.pad(torch.ones_like(features[:1, :1]), (reach,) * 4)[0, 0]
    kernel = features.new_empty(batch, side, side, height, width)
    for row in range(side):
        for column in range(side):
            window = (slice(row, row + height), slice(column, column + width))
            distance = (padded[..., window[0], window[1]] - features).square().sum(dim=1)
            kernel[:, row, column] = torch.exp(-distance / 2) * inside[window]
    return kernel


def _gather(maps: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """(B, C, h, w) sums of k(p, d) maps(p+d) over the window.

    One multiply-add per offset over all classes and cells: the operands stay in cache, where unfolding
    the windows would take F*F times the memory of the maps.
    """
    height, width = maps.shape[2:]
    side = kernel.shape[1]
    padded = F.pad(maps, (side // 2,) * 4)
    total = torch.zeros_like(maps)
    for row in range(side):
        for column in range(side):
            window = padded[:, :, row : row + height, column : column + width]
            total.addcmul_(window, kernel[:, row, column, None])
    return total
