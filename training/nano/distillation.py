"""Distillation: standardised features of a teacher, which a student learns to predict."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from .teacher import CHANNELS, LAST, SIXTEENTH


class FeatureStudent(nn.Module):
    """Keeps running means and standard deviations of the teacher's features."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("means", torch.zeros(sum(CHANNELS.values())))
        self.register_buffer("spreads", torch.zeros(sum(CHANNELS.values())))

    def standardised(self, features: Mapping[int, Tensor]) -> list[Tensor]:
        """The features at strides 16 and 32 with mean 0 and standard deviation 1, clipped at 4."""
        both = [features[SIXTEENTH].float(), features[LAST].float()]
        with torch.no_grad():
            means = torch.cat([f.mean(dim=(0, 2, 3)) for f in both])
            spreads = torch.cat([f.std(dim=(0, 2, 3)) for f in both])
            keep = torch.where(self.spreads.sum() > 0, 0.98, 0.0)
            self.means.lerp_(means, 1 - keep)
            self.spreads.lerp_(spreads, 1 - keep)
        split = list(CHANNELS.values())
        return [
            ((f - m[:, None, None]) / s.clamp_min(1e-3)[:, None, None]).clamp(-4, 4)
            for f, m, s in zip(both, self.means.split(split), self.spreads.split(split), strict=True)
        ]
