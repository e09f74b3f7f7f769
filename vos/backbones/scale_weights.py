"""PerSAM-F: two weights that mix three mask scales, fitted on one image (Zhang et al. 2023).

The reference runs the frozen decoder in every one of 1,000 steps; its output does not change, so here
the three logits are given once and the steps are arithmetic on them, with the gradient written out.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

_INITIAL = 1 / 3
_BETAS = (0.9, 0.999)
_EPS = 1e-4
_DECAY = 0.01
_FOCAL_FOREGROUND = 0.25


@dataclass(frozen=True, eq=False)
class ScaleWeights:
    """The mix ``w0 M0 + w1 M1 + w2 M2`` with ``w0 = 1 - w1 - w2``, and how it was found."""

    weights: Tensor
    """(3,) float32, unconstrained."""
    losses: Tensor
    """(steps, 2) float64: dice and focal loss before each update."""
    trace: Tensor
    """(steps, 2) float64: w1 and w2 before each update."""


def mix(maps: Tensor, weights: Tensor) -> Tensor:
    """(..., h, w) weighted sum of (..., 3, h, w) maps with (..., 3) weights."""
    return (maps * weights[..., None, None]).sum(dim=-3)


def fit_scale_weights(
    logits: Tensor, target: Tensor, *, steps: int = 1000, learning_rate: float = 1e-3
) -> ScaleWeights:
    """Weights for (3, H, W) ``logits`` so that their mix matches the (H, W) bool ``target``.

    Dice plus focal loss; AdamW with eps 1e-4, decay 0.01; learning rate by cosine to 0 over ``steps``.

    Raises:
        ValueError: if the shapes do not fit together.
    """
    if logits.ndim != 3 or len(logits) != 3 or target.shape != logits.shape[1:]:
        got = f"{tuple(logits.shape)} and {tuple(target.shape)}"
        raise ValueError(f"need (3, H, W) logits and an (H, W) target, got {got}")
    objective = _Objective(logits.float(), target)
    w = torch.full((2,), _INITIAL, dtype=torch.float64)
    first, second = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.float64)
    losses, trace = [], []
    for step in range(steps):
        loss, gradient = objective(w)
        losses.append(loss)
        trace.append(w)
        rate = learning_rate * (1 + math.cos(math.pi * step / steps)) / 2
        first = _BETAS[0] * first + (1 - _BETAS[0]) * gradient
        second = _BETAS[1] * second + (1 - _BETAS[1]) * gradient**2
        corrected = first / (1 - _BETAS[0] ** (step + 1))
        scale = (second / (1 - _BETAS[1] ** (step + 1))).sqrt() + _EPS
        w = w * (1 - rate * _DECAY) - rate * corrected / scale
    weights = torch.stack([1 - w.sum(), w[0], w[1]]).float().to(logits.device)
    nothing = torch.zeros(0, 2, dtype=torch.float64)
    return ScaleWeights(
        weights, torch.stack(losses) if losses else nothing, torch.stack(trace) if trace else nothing
    )


class _Objective:
    """Loss and gradient at (w1, w2).

    With ``u = z`` on the target and ``-z`` off it, both losses are functions of ``q = sigmoid(-u)``,
    the probability given to the wrong answer; and ``u`` is linear in the weights.
    """

    def __init__(self, logits: Tensor, target: Tensor) -> None:
        inside, outside = logits[:, target], -logits[:, ~target]
        self.foreground = inside.shape[1]
        signed = torch.cat([inside, outside], dim=1)
        self.base = signed[0].contiguous()
        self.slopes = (signed[1:] - signed[:1]).contiguous()

    def __call__(self, w: Tensor) -> tuple[Tensor, Tensor]:
        """Dice and focal loss (2,), and the gradient of their sum (2,), both float64 on the CPU."""
        u = torch.addmv(self.base, self.slopes.T, w.to(self.slopes))
        q = torch.sigmoid(-u)
        surprise = torch.nn.functional.softplus(-u)  # cross entropy, -log(1 - q)
        n, count = self.foreground, u.numel()

        # Dice: p is 1 - q on the target and q off it.
        wrong_inside, wrong_outside = q[:n].sum(dtype=torch.float64), q[n:].sum(dtype=torch.float64)
        hit = 2 * (n - wrong_inside) + 1
        size = (n - wrong_inside) + wrong_outside + n + 1
        dice = 1 - hit / size
        slope = q * (1 - q)  # -dq/du
        inside_factor, outside_factor = (hit - 2 * size) / size**2, -hit / size**2

        # Focal: a q^2 surprise, with derivative -a q^2 (2 (1 - q) surprise + q).
        squared = q * q
        weighted = squared * surprise
        focal = (
            _FOCAL_FOREGROUND * weighted[:n].sum(dtype=torch.float64)
            + (1 - _FOCAL_FOREGROUND) * weighted[n:].sum(dtype=torch.float64)
        ) / count
        pull = squared * (2 * (1 - q) * surprise + q)

        gradient = self.slopes[:, :n] @ (
            slope[:n] * inside_factor.float() - pull[:n] * (_FOCAL_FOREGROUND / count)
        ) + self.slopes[:, n:] @ (
            slope[n:] * outside_factor.float() - pull[n:] * ((1 - _FOCAL_FOREGROUND) / count)
        )
        return torch.stack([dice, focal]).cpu(), gradient.double().cpu()
