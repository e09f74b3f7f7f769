"""Train the interactive network on a GPU, from one folder of packed data, within a budget of minutes.

``python -m training.prompts.train --pack .pack-prompts --out RUN --minutes 7`` makes stills on the GPU
(:mod:`training.prompts.stills`), asks the network for a first prompt of each, corrects it twice as a user
would, and teaches it masks, the IoU to expect of them, and the dense features of an image teacher. About
every minute, and at the end, it writes to the folder:

- ``log.csv``: losses and overlaps, means of some steps,
- ``validation.csv``: mean IoU on the first frames in the pack (none of which is learned from),
- ``last.safetensors`` and ``best.safetensors``: averaged weights in half precision,
- ``state.pt``: all that a later run needs to go on; ``--resume`` does.
"""

from __future__ import annotations

import argparse
import copy
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F

from training.nano.bank import load_bank
from training.nano.distillation import FeatureStudent
from training.nano.gpu import mask_losses
from training.nano.progress import append_row, rate_factor
from training.nano.teacher import CHANNELS, LAST, SIXTEENTH, ImageTeacher
from training.nano.validation import overlaps
from vos.backbones.interactive.network import InteractiveConfig, InteractiveNetwork
from vos.backbones.nano.network import half_precision

from .simulation import PromptMix, first_prompts, next_prompts
from .stills import StillComposer, StillSettings
from .validation import FirstFrames

ALL = 0.1
"""Weight of the mean over all candidates, beside the best one's loss, where a prompt is ambiguous."""
LEAST_PIXELS = 30
"""Targets with fewer do not count."""


@dataclass(frozen=True)
class PromptRecipe:
    """Size of the network and what it is taught."""

    network: InteractiveConfig = field(default_factory=InteractiveConfig)
    stills: StillSettings = field(default_factory=StillSettings)
    prompts: PromptMix = field(default_factory=PromptMix)
    batch: int = 96
    rounds: int = 3
    rate: float = 1.5e-3
    warmup: int = 200
    cooldown: float = 0.45
    """Part of the time at the end in which the rate falls."""
    decay: float = 0.03
    clip: float = 1.0
    averaging: float = 0.998
    quality: float = 0.3
    teaching: float = 0.3


class PromptStudent(FeatureStudent):
    """The network, and heads that predict the teacher's features, which are thrown away."""

    def __init__(self, network: InteractiveNetwork) -> None:
        super().__init__()
        self.network = network
        widths = network.config.widths
        self.sixteen = nn.Conv2d(widths[3], CHANNELS[SIXTEENTH], 1)
        self.last = nn.Conv2d(widths[4], CHANNELS[LAST], 1)

    def teaching_loss(self, levels: tuple[Tensor, ...], features: dict[int, Tensor]) -> Tensor:
        """Squared error of standardised features."""
        wanted = self.standardised(features)
        found = (self.sixteen(levels[3]), self.last(levels[4]))
        losses = [F.mse_loss(f.float(), w) for f, w in zip(found, wanted, strict=True)]
        return losses[0] + losses[1]


def learn(
    student: PromptStudent,
    teacher: ImageTeacher | None,
    composer: StillComposer,
    recipe: PromptRecipe,
    progress: float,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of one batch, and what was measured."""
    network = student.network
    images, truth, known = composer.stills(recipe.batch)
    counts = (truth.sum(dim=(1, 2)) >= LEAST_PIXELS).float()
    device = images.device
    teaching = images.new_zeros(())
    with torch.autocast(device.type, torch.bfloat16):
        shown = (images / 127.5 - 1).contiguous(memory_format=torch.channels_last)
        levels = network.encoder(shown)
        if teacher is not None:
            teaching = student.teaching_loss(levels, teacher(shown))
    with torch.no_grad():
        planes, ambiguous = first_prompts(truth, recipe.prompts)
    losses, judged, measured = [], [], {}
    for number in range(recipe.rounds):
        with torch.autocast(device.type, torch.bfloat16):
            logits, quality = network.decoder(levels, planes)
        logits, quality = logits.float(), quality.float()
        each = mask_losses(logits, truth, known)
        mean = each.mean(dim=1)
        loss = torch.where(ambiguous, each.min(dim=1).values + ALL * mean, mean) if number == 0 else mean
        losses.append((loss * counts).sum() / counts.sum().clamp_min(1))
        with torch.no_grad():
            inside = truth[:, None] > 0.5
            masks = (logits > 0) & (known[:, None] > 0.5)
            overlap = (masks & inside).sum(dim=(2, 3)) / (masks | inside).sum(dim=(2, 3)).clamp_min(1)
            liked = quality.argmax(dim=1)
            best = torch.where(torch.rand(len(liked), device=device) < 0.3, overlap.argmax(dim=1), liked)
            answer = logits.detach().take_along_dim(best[:, None, None, None], 1)[:, 0]
            shown_iou = overlaps(
                logits.detach().take_along_dim(liked[:, None, None, None], 1)[:, 0] > 0, truth
            )
            measured |= _measured(number, shown_iou, overlap.amax(dim=1), ambiguous, counts)
        error = (torch.sigmoid(quality) - overlap).square().mean(dim=1)
        judged.append((error * counts).sum() / counts.sum().clamp_min(1))
        if number + 1 < recipe.rounds:
            with torch.no_grad():
                planes = next_prompts(planes, answer, truth, recipe.prompts)
    masks, judging = torch.stack(losses).mean(), torch.stack(judged).mean()
    loss = masks + recipe.quality * judging + recipe.teaching * (1 - 0.7 * progress) * teaching
    measured |= {"masks": masks, "quality": judging, "teaching": teaching}
    return loss, {name: value.detach() for name, value in measured.items()}


def _measured(
    number: int, liked: Tensor, best: Tensor, ambiguous: Tensor, counts: Tensor
) -> dict[str, Tensor]:
    """Mean IoU of the answers, by round, and of the best candidate of a click."""
    rows = counts > 0
    if number:
        return {f"round{number}": _mean(liked, rows)}
    clicked = rows & ambiguous
    return {
        "click": _mean(liked, clicked),
        "click_best": _mean(best, clicked),
        "other": _mean(liked, rows & ~ambiguous),
    }


def _mean(values: Tensor, rows: Tensor) -> Tensor:
    return torch.where(rows, values, 0.0).sum() / rows.sum()


@dataclass(eq=False)
class Training:
    """A network in training."""

    student: PromptStudent
    averaged: InteractiveNetwork
    """Exponential mean of the student's weights."""
    optimiser: torch.optim.Optimizer
    step: int = 0
    spent: float = 0.0
    """Seconds of earlier runs."""
    best: float = -1.0
    """Highest validation score."""

    def load(self, path: Path, device: str) -> None:
        """Continue from what :meth:`save` wrote."""
        state = torch.load(path, map_location=device, weights_only=True)
        self.student.load_state_dict(state["student"])
        self.averaged.load_state_dict(state["averaged"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.step, self.spent, self.best = state["step"], state["spent"], state["best"]

    def save(self, path: Path, elapsed: float) -> None:
        """Write all that a later step depends on; ``elapsed``: seconds of all runs."""
        state = {
            "student": self.student.state_dict(),
            "averaged": self.averaged.state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "step": self.step,
            "spent": elapsed,
            "best": self.best,
        }
        torch.save(state, path)

    def update(self, loss: Tensor, recipe: PromptRecipe, log_every: int) -> None:
        """One step down the gradient of ``loss``, and the mean of the weights."""
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(self.student.parameters(), recipe.clip)
        if self.step % log_every == 0 and not bool(torch.isfinite(norm)):
            raise SystemExit(f"the gradient is not finite in step {self.step}")
        self.optimiser.step()
        with torch.no_grad():
            keep = min(recipe.averaging, (1 + self.step) / (10 + self.step))
            torch._foreach_lerp_(_floats(self.averaged), _floats(self.student.network), 1 - keep)
        self.step += 1


def new_training(recipe: PromptRecipe, device: str) -> Training:
    """A network with random weights and its optimiser."""
    student = PromptStudent(InteractiveNetwork(recipe.network)).to(device)
    student = student.to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(student.network).eval()
    optimiser = torch.optim.AdamW(
        student.parameters(), lr=recipe.rate, weight_decay=recipe.decay, fused=device == "cuda"
    )
    return Training(student, averaged, optimiser)


def main() -> None:
    """Train from the command line."""
    began = time.monotonic()
    options = _parser().parse_args()
    device = options.device
    torch.manual_seed(options.seed)
    if device == "cuda":
        torch.backends.cudnn.benchmark = True
        torch.backends.cuda.matmul.allow_tf32 = True
        torch.backends.cudnn.allow_tf32 = True
    recipe = PromptRecipe(batch=options.batch, rate=options.rate)
    options.out.mkdir(parents=True, exist_ok=True)
    bank = load_bank(options.pack / "pictures.npz", device, options.workers)
    first_frames = FirstFrames(options.pack / "validation")
    with np.load(options.pack / "teacher.npz") as file:
        teacher = ImageTeacher(dict(file)).to(device).eval()
    run = new_training(recipe, device)
    if options.resume and (options.out / "state.pt").exists():
        run.load(options.out / "state.pt", device)
    weights = np.load(options.pack / "weights.npy")
    composer = StillComposer(bank, weights, recipe.stills, options.seed + run.step)
    seen: list[dict[str, Tensor]] = []
    due = time.monotonic() + options.every
    print(f"loaded in {time.monotonic() - began:.1f} s", flush=True)
    while True:
        elapsed = run.spent + time.monotonic() - began
        progress = elapsed / (60 * options.minutes)
        last = progress >= 1 or (options.steps is not None and run.step >= options.steps)
        if last or time.monotonic() >= due:
            _validate(run, first_frames, options.out, elapsed, device)
            if not options.no_state:
                run.save(options.out / "state.pt", elapsed)
            due = time.monotonic() + options.every
        if last:
            break
        for group in run.optimiser.param_groups:
            group["lr"] = recipe.rate * rate_factor(run.step, progress, recipe)
        run.student.train()
        loss, measured = learn(run.student, teacher, composer, recipe, min(1.0, progress))
        run.update(loss, recipe, options.log_every)
        seen.append(measured)
        if len(seen) >= options.log_every:
            row = {"step": run.step, "seconds": round(run.spent + time.monotonic() - began, 1)}
            row |= {k: f"{float(torch.stack([s[k] for s in seen]).nanmean()):.4f}" for k in seen[0]}
            append_row(options.out / "log.csv", row)
            print(row, flush=True)
            seen = []


def _validate(run: Training, first_frames: FirstFrames, out: Path, elapsed: float, device: str) -> None:
    """Score the mean of the weights, and keep it."""
    score = first_frames.score(run.averaged, device)
    row = {"seconds": round(elapsed), "step": run.step, **{k: round(v, 4) for k, v in score.items()}}
    append_row(out / "validation.csv", row)
    print(row, flush=True)
    save_file(half_precision(run.averaged), out / "last.safetensors")
    total = sum(score.values())
    if total > run.best:
        run.best = total
        save_file(half_precision(run.averaged), out / "best.safetensors")


def _floats(network: nn.Module) -> list[Tensor]:
    return [v for v in network.state_dict().values() if v.is_floating_point()]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = PromptRecipe()
    parser.add_argument("--pack", type=Path, default=Path(".pack-prompts"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=7, help="stop after this many, loading included")
    parser.add_argument("--steps", type=int, help="stop after this many steps at the latest")
    parser.add_argument("--resume", action="store_true", help="go on from state.pt in the folder")
    parser.add_argument("--no-state", action="store_true", help="write no state.pt")
    parser.add_argument("--batch", type=int, default=defaults.batch, help="stills per step")
    parser.add_argument("--rate", type=float, default=defaults.rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=16, help="threads that decode images")
    parser.add_argument("--every", type=float, default=55, help="seconds between two checkpoints")
    parser.add_argument("--log-every", type=int, default=50, help="steps between two rows of the log")
    return parser


if __name__ == "__main__":
    main()
