"""PerSAM-F's fit against a plain transcription with autograd and torch's own optimiser."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from vos.backbones.scale_weights import fit_scale_weights, mix


def _scene(seed: int, size: tuple[int, int] = (40, 50)) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    target = torch.zeros(size, dtype=torch.bool)
    target[10:30, 5:35] = True
    noise = torch.randn(3, *size, generator=generator)
    scale = torch.tensor([0.3, 2.0, -0.5])[:, None, None]
    return noise + scale * (target.float() * 2 - 1), target


def _transcribed(
    logits: torch.Tensor, target: torch.Tensor, steps: int, rate: float
) -> tuple[torch.Tensor, list]:
    """The fit as PerSAM-F publishes it, step by step, on one decoder output."""
    w = torch.nn.Parameter(torch.full((2,), 1 / 3))
    optimiser = torch.optim.AdamW([w], lr=rate, eps=1e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimiser, steps)
    y, losses = target.float(), []
    for _ in range(steps):
        z = (1 - w.sum()) * logits[0] + w[0] * logits[1] + w[1] * logits[2]
        p = torch.sigmoid(z)
        dice = 1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)
        p_t = p * y + (1 - p) * (1 - y)
        balance = 0.25 * y + 0.75 * (1 - y)
        cross_entropy = F.binary_cross_entropy_with_logits(z, y, reduction="none")
        focal = (balance * (1 - p_t) ** 2 * cross_entropy).mean()
        losses.append([dice.item(), focal.item()])
        optimiser.zero_grad()
        (dice + focal).backward()
        optimiser.step()
        schedule.step()
    return torch.cat([1 - w.sum()[None], w]).detach(), losses


@pytest.mark.parametrize(("steps", "rate"), [(1000, 1e-3), (800, 4e-4), (50, 1e-2)])
def test_weights_and_losses_are_those_of_the_plain_fit(steps: int, rate: float) -> None:
    """1,000 steps with the gradient written out end within 1e-5 of autograd and torch.optim."""
    logits, target = _scene(seed=steps)
    wanted, losses = _transcribed(logits, target, steps, rate)
    found = fit_scale_weights(logits, target, steps=steps, learning_rate=rate)
    torch.testing.assert_close(found.weights, wanted, atol=1e-5, rtol=0)
    torch.testing.assert_close(found.losses, torch.tensor(losses, dtype=torch.float64), atol=1e-5, rtol=0)
    assert found.trace.shape == (steps, 2)
    assert found.trace[0].tolist() == pytest.approx([1 / 3, 1 / 3])
    assert float(found.weights.sum()) == pytest.approx(1)


def test_the_better_scale_gains_weight() -> None:
    """The map that shows the target outweighs the noise and the inverted one, and the loss falls."""
    logits, target = _scene(seed=1)
    fit = fit_scale_weights(logits, target, learning_rate=1e-2)
    assert int(fit.weights.argmax()) == 1
    assert float(fit.losses[-1].sum()) < float(fit.losses[0].sum())


def test_extreme_logits_stay_finite() -> None:
    """Logits of 1e4 neither overflow nor give NaN."""
    logits, target = _scene(seed=2)
    for truth in (target, torch.zeros_like(target), torch.ones_like(target)):
        fit = fit_scale_weights(logits * 1e4, truth, steps=20)
        assert bool(torch.isfinite(fit.weights).all())
        assert bool(torch.isfinite(fit.losses).all())
        assert float(fit.weights.sum()) == pytest.approx(1)


def test_mix_by_hand() -> None:
    """Weights act per object and map."""
    maps = torch.tensor([[[[1.0]], [[10.0]], [[100.0]]], [[[2.0]], [[20.0]], [[200.0]]]])
    weights = torch.tensor([[1.0, 0.0, 0.5], [0.0, -1.0, 0.0]])
    assert mix(maps, weights).flatten().tolist() == [51.0, -20.0]


def test_shapes_are_checked() -> None:
    """Anything but three maps and a target of their size is refused."""
    with pytest.raises(ValueError, match=r"got \(2, 4, 4\) and \(4, 4\)"):
        fit_scale_weights(torch.zeros(2, 4, 4), torch.zeros(4, 4, dtype=torch.bool))
    with pytest.raises(ValueError, match=r"got \(3, 4, 4\) and \(4, 5\)"):
        fit_scale_weights(torch.zeros(3, 4, 4), torch.zeros(4, 5, dtype=torch.bool))
