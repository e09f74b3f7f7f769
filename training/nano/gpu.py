"""Train the network with a memory on a GPU, from one folder of packed data, within a budget of seconds.

``python -m training.nano.gpu --pack .pack --out RUN --seconds 500`` makes clips on the GPU
(:mod:`training.nano.synthesis`), follows two objects through each with the network's own masks in its memory,
and teaches it masks, matching and the dense features of an image teacher. About every minute, and at the end,
it writes to the folder:

- ``log.csv``: losses and overlaps, means of some steps,
- ``validation.csv``: mean J on the videos in the pack, of the network alone, and of rough masks before and
  after it (none of these frames is learned from),
- ``last.safetensors`` and ``best.safetensors``: averaged weights in half precision.
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

from vos.backbones.nano.cues import MASK, SIMILAR
from vos.backbones.nano.network import (
    NanoConfig,
    NanoNetwork,
    Pyramid,
    half_precision,
    network_from,
    read_memory,
    similarity_cue,
)
from vos.backbones.weights.checkpoints import load_state

from .bank import UNKNOWN, load_bank
from .cue_noise import CueNoise, prompt_planes, tracker_cues
from .distillation import FeatureStudent
from .losses import ALL, TEMPERATURE, quality_loss
from .progress import append_row, rate_factor
from .synthesis import Composer, SynthesisSettings
from .teacher import CHANNELS, LAST, SIXTEENTH, ImageTeacher
from .validation import Validation, overlaps

OBJECTS = 2
REMEMBERED = (64, 160)
"""Columns of the first frame drawn from the object, and from the rest."""
LEAST_PIXELS = 40
"""Objects with fewer in the first frame do not count."""


@dataclass(frozen=True)
class Recipe:
    """Size of the network and what it is taught."""

    network: NanoConfig = field(
        default_factory=lambda: NanoConfig(widths=(24, 40, 80, 144, 176), columns=48, memory=96)
    )
    clips: SynthesisSettings = field(default_factory=SynthesisSettings)
    cues: CueNoise = field(default_factory=CueNoise)
    batch: int = 32
    rate: float = 1.5e-3
    warmup: int = 200
    cooldown: float = 0.45
    """Part of the time at the end in which the rate falls."""
    decay: float = 0.02
    clip: float = 1.0
    averaging: float = 0.998
    matching: float = 0.2
    quality: float = 0.2
    teaching: float = 0.3
    forgotten: float = 0.1
    """Chance that nothing is recalled."""


class Student(FeatureStudent):
    """The network, and heads that predict the teacher's features, which are thrown away."""

    def __init__(self, network: NanoNetwork) -> None:
        super().__init__()
        self.network = network
        widths = network.config.widths
        self.heads = nn.ModuleDict(
            {
                "columns": nn.Conv2d(network.config.columns, CHANNELS[SIXTEENTH], 1),
                "sixteen": nn.Conv2d(widths[3], CHANNELS[SIXTEENTH], 1),
                "last": nn.Conv2d(widths[4], CHANNELS[LAST], 1),
            }
        )

    def teaching_loss(self, pyramid: Pyramid, features: dict[int, Tensor]) -> Tensor:
        """Squared error of standardised features."""
        wanted = self.standardised(features)
        columns = F.avg_pool2d(pyramid.columns, 2)
        loss = F.mse_loss(self.heads["columns"](columns).float(), wanted[0])
        loss = loss + F.mse_loss(self.heads["sixteen"](pyramid.levels[3]).float(), wanted[0])
        return loss + F.mse_loss(self.heads["last"](pyramid.levels[4]).float(), wanted[1])


def rows_of(pyramid: Pyramid, rows: Tensor | slice) -> Pyramid:
    """Some images of a pyramid."""
    return Pyramid(tuple(level[rows] for level in pyramid.levels), pyramid.columns[rows])


def match_all(columns: Tensor, first: Tensor, masks: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
    """Who owns the cells of later frames, by columns of the first.

    Args:
        columns: (B, T, C, h, w).
        first: (B, K, S, S) masks of the first frame.
        masks: (B, T - 1, K, S, S) masks of the others.
        known: (B, K) bool: objects that count.

    Returns:
        A scalar loss and (B, T - 1, K, S, S) ``similar`` cues without gradient.
    """
    grid = F.normalize(columns.float(), dim=2).flatten(3)
    count, frames, channels, _ = grid.shape
    size = columns.shape[-2:]
    covered = F.adaptive_avg_pool2d(first, size).flatten(2).flatten(0, 1)
    memory = grid[:, 0].transpose(1, 2).repeat_interleave(OBJECTS, dim=0)
    likeness = []
    query = grid[:, 1:].permute(0, 1, 3, 2).flatten(1, 2).repeat_interleave(OBJECTS, dim=0)
    for weight, number in zip((covered > 0.5, covered < 0.02), REMEMBERED, strict=True):
        chosen = torch.multinomial(weight.float() + 1e-6, number, replacement=True)
        drawn = memory.gather(1, chosen[..., None].expand(-1, -1, channels))
        cosines = query @ drawn.transpose(1, 2)
        likeness.append(cosines.topk(4, dim=2, sorted=False).values.mean(dim=2))
    difference = (likeness[0] - likeness[1]).reshape(count, OBJECTS, frames - 1, *size).transpose(1, 2)
    target = F.adaptive_avg_pool2d(masks.flatten(0, 1), size).unflatten(0, masks.shape[:2])
    share = target.mean(dim=(3, 4), keepdim=True).clamp_min(0.05)
    enough = ((covered > 0.5).sum(dim=1).reshape(count, OBJECTS) > 0) & known
    weight = torch.where(target > 0.5, 0.5 / share, 1.0) * enough[:, None, :, None, None]
    loss = F.binary_cross_entropy_with_logits(difference / TEMPERATURE, target, weight=weight)
    cue = similarity_cue(difference.detach(), (masks.shape[-2], masks.shape[-1]))
    return loss, cue * enough[:, None, :, None, None]


def mask_losses(logits: Tensor, truth: Tensor, certain: Tensor) -> Tensor:
    """(N, K) cross-entropy and Dice of (N, K, h, w) logits for (N, h, w) truths, where they are certain."""
    logits, truth, certain = logits.float(), truth[:, None], certain[:, None]
    entropy = F.binary_cross_entropy_with_logits(logits, truth.expand_as(logits), reduction="none")
    # Half of the weight of every pixel goes by how near an outline is.
    outline = F.max_pool2d(truth, 7, 1, 3) - (-F.max_pool2d(-truth, 7, 1, 3))
    weight = certain * (1 + 3 * outline)
    entropy = (entropy * weight).sum(dim=(2, 3)) / weight.sum(dim=(2, 3)).clamp_min(1)
    share, inside = torch.sigmoid(logits) * certain, truth * certain
    common = (share * inside).sum(dim=(2, 3))
    dice = 1 - (2 * common + 20) / (share.sum(dim=(2, 3)) + inside.sum(dim=(2, 3)) + 20)
    return 2 * entropy + dice


def learn(
    student: Student, teacher: ImageTeacher | None, composer: Composer, recipe: Recipe, progress: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """Loss of one batch, and what was measured."""
    network = student.network
    frames, labels = composer.clips(recipe.batch)
    count, length, _, side, _ = frames.shape
    masks = torch.stack([labels == k for k in (1, 2)], dim=2).float()
    certain = (labels != UNKNOWN).float()
    known = masks[:, 0].sum(dim=(2, 3)) >= LEAST_PIXELS
    device = frames.device
    with torch.no_grad():
        cues, prompted = _cues(frames, masks, recipe)
    with torch.autocast(device.type, torch.bfloat16):
        images = (frames / 127.5 - 1).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        pyramid = network.encoder(images)
        keys = network.memory.keys(pyramid)
        numbers = torch.arange(count * length, device=device).reshape(count, length)
        teaching = frames.new_zeros(())
        if teacher is not None:
            some = numbers[:, ::2].flatten()
            teaching = student.teaching_loss(rows_of(pyramid, some), teacher(images[some]))
    matching, similar = match_all(
        pyramid.columns.unflatten(0, (count, length)), masks[:, 0], masks[:, 1:], known
    )
    shown = torch.rand(count, 1, OBJECTS, 1, 1, device=device) > 0.2
    cues[:, :, :, SIMILAR] = similar * shown * ~prompted
    memory_reads = (torch.rand(count, OBJECTS, device=device) >= recipe.forgotten)[:, :, None, None]
    values, found = [], []
    losses = []
    with torch.autocast(device.type, torch.bfloat16):
        values.append(_values(network, rows_of(pyramid, numbers[:, 0]), masks[:, 0]))
        cell_keys = keys.flatten(2).unflatten(0, (count, length))
        for t in range(1, length):
            remembered = sorted({0, t - 1} | ({1} if t == 3 and composer.rng.random() < 0.5 else set()))
            memory = torch.cat([cell_keys[:, m] for m in remembered], dim=2)
            value = torch.cat([values[m] for m in remembered], dim=3)
            memory_read = read_memory(
                keys.unflatten(0, (count, length))[:, t].repeat_interleave(OBJECTS, dim=0),
                memory.repeat_interleave(OBJECTS, dim=0),
                value.flatten(0, 1),
            )
            use = memory_reads & ~prompted[:, t - 1]
            memory_read = memory_read * use.reshape(-1, 1, 1, 1)
            here = rows_of(pyramid, numbers[:, t].repeat_interleave(OBJECTS))
            logits, quality = network.decoder(here, cues[:, t - 1].flatten(0, 1), memory_read)
            found.append((logits.float(), quality.float()))
            if t + 1 < length:
                own = torch.sigmoid(logits.detach().float().mean(dim=1)).reshape(count, OBJECTS, side, side)
                own = torch.where(prompted[:, t - 1], masks[:, t], own) * known[:, :, None, None]
                values.append(_values(network, rows_of(pyramid, numbers[:, t]), own))
    weight = known.repeat(1, length - 1).reshape(count, length - 1, OBJECTS).transpose(0, 1)
    refined, each = [], []
    for t, (logits, quality) in enumerate(found, start=1):
        truth = masks[:, t].flatten(0, 1)
        loss = mask_losses(logits, truth, certain[:, t].repeat_interleave(OBJECTS, dim=0))
        mean = loss.mean(dim=1)
        ambiguous = prompted[:, t - 1].flatten()
        loss = torch.where(ambiguous, loss.min(dim=1).values + ALL * mean, mean)
        counts = weight[t - 1].flatten().float()
        losses.append((loss * counts).sum() / counts.sum().clamp_min(1))
        refined.append(quality_loss(quality, logits.detach(), truth))
        each.append(_measured(logits, quality, cues[:, t - 1].flatten(0, 1), truth, counts, ambiguous))
    mask_loss, quality_error = torch.stack(losses).mean(), torch.stack(refined).mean()
    loss = (
        mask_loss
        + recipe.quality * quality_error
        + recipe.matching * matching
        + recipe.teaching * (1 - 0.7 * progress) * teaching
    )
    measured = {"masks": mask_loss, "quality": quality_error, "matching": matching, "teaching": teaching}
    measured |= {name: torch.stack([row[name] for row in each]).nanmean() for name in each[0]}
    return loss, {name: value.detach() for name, value in measured.items()}


def _cues(frames: Tensor, masks: Tensor, recipe: Recipe) -> tuple[Tensor, Tensor]:
    """(B, T - 1, K, 7, S, S) cues and (B, T - 1, K, 1, 1) bool: whether they are a prompt's."""
    count, length = frames.shape[:2]
    later = (count, length - 1, OBJECTS)
    images = frames[:, 1:, None].expand(-1, -1, OBJECTS, -1, -1, -1).flatten(0, 2)
    first = frames[:, :1, None].expand(-1, length - 1, OBJECTS, -1, -1, -1).flatten(0, 2)
    first_mask = masks[:, :1].expand(-1, length - 1, -1, -1, -1).flatten(0, 2)
    own, other = masks[:, 1:].flatten(0, 2), masks[:, 1:].flip(2).flatten(0, 2)
    cues = tracker_cues(own, other, images, (first, first_mask), recipe.cues)
    prompted = torch.rand(len(own), device=frames.device) < recipe.cues.prompted
    prompted &= own.sum(dim=(1, 2)) > 0
    cues = torch.where(prompted[:, None, None, None], prompt_planes(own), cues)
    return cues.unflatten(0, later), prompted.reshape(*later, 1, 1)


def _values(network: NanoNetwork, pyramid: Pyramid, masks: Tensor) -> Tensor:
    """(B, K, V, m) values of (B, K, S, S) masks in B images."""
    total = masks.sum(dim=1, keepdim=True)
    both = torch.stack([masks, (total - masks).clamp(0, 1)], dim=2)
    rows = torch.arange(len(masks), device=masks.device).repeat_interleave(masks.shape[1])
    values = network.memory.values(rows_of(pyramid, rows), both.flatten(0, 1))
    return values.flatten(2).unflatten(0, masks.shape[:2])


@torch.no_grad()
def _measured(
    logits: Tensor, quality: Tensor, cues: Tensor, truth: Tensor, counts: Tensor, prompted: Tensor
) -> dict[str, Tensor]:
    """Mean IoU of the mask cue, of the refined mask, of memory alone and of prompts."""
    tracked = (cues[:, MASK].abs().amax(dim=(1, 2)) > 0) & (counts > 0)
    bare = ~tracked & ~prompted & (counts > 0)
    mean = overlaps(logits.mean(dim=1) > 0, truth)
    before = overlaps(cues[:, MASK] > 0, truth)
    best = logits.take_along_dim(quality.argmax(dim=1)[:, None, None, None], 1)[:, 0]
    return {
        "before": _mean(before, tracked),
        "after": _mean(mean, tracked),
        "bare": _mean(mean, bare),
        "prompted": _mean(overlaps(best > 0, truth), prompted & (counts > 0)),
    }


def _mean(values: Tensor, rows: Tensor) -> Tensor:
    return torch.where(rows, values, 0.0).sum() / rows.sum()


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
    recipe = Recipe(batch=options.batch, rate=options.rate, clips=SynthesisSettings(side=options.side))
    options.out.mkdir(parents=True, exist_ok=True)
    bank = load_bank(options.pack / "pictures.npz", device, options.workers)
    validation = Validation(options.pack / "validation", device)
    with np.load(options.pack / "teacher.npz") as file:
        teacher = ImageTeacher(dict(file)).to(device).eval()
    network = NanoNetwork(recipe.network)
    if options.start_from:
        network.load_state_dict(network_from(load_state(options.start_from), "start").state_dict())
    student = Student(network).to(device).to(memory_format=torch.channels_last)
    averaged = copy.deepcopy(student.network).eval()
    optimiser = torch.optim.AdamW(
        student.parameters(), lr=recipe.rate, weight_decay=recipe.decay, fused=device == "cuda"
    )
    composer = Composer(bank, recipe.clips, options.seed)
    means = [v for v in averaged.state_dict().values() if v.is_floating_point()]
    own = [v for v in student.network.state_dict().values() if v.is_floating_point()]
    step, best, seen = 0, -1.0, []
    due = began + options.every
    print(f"loaded in {time.monotonic() - began:.1f} s", flush=True)
    while True:
        elapsed = time.monotonic() - began
        progress = elapsed / options.seconds
        last = progress >= 1 or (options.steps is not None and step >= options.steps)
        if last or time.monotonic() >= due:
            due = time.monotonic() + options.every
            score = validation.score(averaged)
            row = {"seconds": round(elapsed), "step": step, **{k: round(v, 2) for k, v in score.items()}}
            append_row(options.out / "validation.csv", row)
            print(row, flush=True)
            save_file(half_precision(averaged), options.out / "last.safetensors")
            total = score["alone"] + 2 * score["mended"]
            if total > best:
                best = total
                save_file(half_precision(averaged), options.out / "best.safetensors")
        if last:
            break
        for group in optimiser.param_groups:
            group["lr"] = recipe.rate * rate_factor(step, progress, recipe)
        student.train()
        loss, measured = learn(student, teacher, composer, recipe, min(1.0, progress))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        norm = nn.utils.clip_grad_norm_(student.parameters(), recipe.clip)
        if step % options.log_every == 0 and not bool(torch.isfinite(norm)):
            raise SystemExit(f"the gradient is not finite in step {step}")
        optimiser.step()
        with torch.no_grad():
            keep = min(recipe.averaging, (1 + step) / (10 + step))
            torch._foreach_lerp_(means, own, 1 - keep)
        step += 1
        seen.append(measured)
        if len(seen) >= options.log_every:
            row = {"step": step, "seconds": round(time.monotonic() - began, 1)}
            row |= {k: f"{float(torch.stack([s[k] for s in seen]).nanmean()):.4f}" for k in seen[0]}
            append_row(options.out / "log.csv", row)
            print(row, flush=True)
            seen = []


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = Recipe()
    parser.add_argument("--pack", type=Path, default=Path(".pack"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=500, help="stop after this many, loading included")
    parser.add_argument("--steps", type=int, help="stop after this many steps at the latest")
    parser.add_argument("--start-from", type=Path, help="weights to begin with")
    parser.add_argument("--batch", type=int, default=defaults.batch, help="clips per step")
    parser.add_argument("--side", type=int, default=defaults.clips.side)
    parser.add_argument("--rate", type=float, default=defaults.rate)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--workers", type=int, default=16, help="threads that decode images")
    parser.add_argument("--every", type=float, default=55, help="seconds between two checkpoints")
    parser.add_argument("--log-every", type=int, default=50, help="steps between two rows of the log")
    return parser


if __name__ == "__main__":
    main()
