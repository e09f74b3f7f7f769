"""Train the compact network: ``python -m training.nano.train --recordings FOLDER --out FOLDER``.

The recordings come from ``python -m training.nano.recordings``; with ``--data`` photographs are looked at as
they are as well. A run writes to its folder, all of it
whenever ``--every`` minutes have passed and at the end:

- ``training.pt``: everything that a later step depends on; ``--resume`` goes on from it,
- ``log.csv``: losses, and the overlap of masks before and after the network,
- ``nano-<minutes>.safetensors``: the averaged weights, to be given to ``--checkpoint``, and to
  ``python -m training.nano.curve``.

The same seed gives the same weights on one thread of the same machine, resumed or not.
"""

from __future__ import annotations

import argparse
import copy
import csv
import multiprocessing
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from itertools import islice
from pathlib import Path

import cv2
import torch
from safetensors.torch import save_file
from torch import Tensor

from vos.backbones.nano.cues import MASK, SIMILAR
from vos.backbones.nano.network import NanoConfig, NanoNetwork, Pyramid, half_precision, network_from
from vos.backbones.weights.checkpoints import load_state
from vos.errors import InputError, ModelError, VosError

from .losses import candidate_loss, match, quality_loss
from .photographs import SETS, Photographs
from .samples import Batch, Recordings, SampleSettings

STATE, LOG = "training.pt", "log.csv"


@dataclass(frozen=True)
class Recipe:
    """Size of the network and length of the training."""

    network: NanoConfig = field(default_factory=NanoConfig)
    samples: SampleSettings = field(default_factory=SampleSettings)
    steps: int = 10_000
    batch: int = 16
    rate: float = 1.5e-3
    warmup: int = 200
    cooldown: float = 0.3
    """Part of the steps at the end in which the rate falls to a twentieth."""
    decay: float = 0.02
    """Weight decay."""
    clip: float = 1.0
    """Largest norm of a gradient."""
    averaging: float = 0.998
    """Of the weights that are used: an exponential mean of those of all steps."""
    matching: float = 0.3
    """Weight of the matching loss; 0 leaves the features to the masks."""
    quality: float = 0.3
    seed: int = 0
    device: str = "cpu"

    def __post_init__(self) -> None:
        for name in ("steps", "batch"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")


@dataclass
class Run:
    """A training under way."""

    recipe: Recipe
    network: NanoNetwork
    averaged: NanoNetwork
    optimiser: torch.optim.AdamW
    step: int = 0
    seconds: float = 0.0


def start(recipe: Recipe) -> Run:
    """A network that has learned nothing."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(recipe.seed)
        network = NanoNetwork(recipe.network)
    network.to(recipe.device, memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), lr=recipe.rate, weight_decay=recipe.decay)
    return Run(recipe, network, copy.deepcopy(network), optimiser)


def begin_with(run: Run, checkpoint: Path) -> None:
    """Put weights into a run that has not begun.

    Raises:
        ModelError: if they are unusable, or of a network of other sizes.
    """
    network = network_from(load_state(checkpoint), str(checkpoint))
    if network.config != run.recipe.network:
        raise ModelError(f"{checkpoint} holds a network of {network.config}, not of {run.recipe.network}")
    for own in (run.network, run.averaged):
        own.load_state_dict(network.state_dict())


def step(run: Run, batch: Batch) -> dict[str, float]:
    """One step; what it measured."""
    recipe, device = run.recipe, run.recipe.device
    rate = recipe.rate * _schedule(run.step, recipe)
    for group in run.optimiser.param_groups:
        group["lr"] = rate
    run.network.train()
    images = torch.cat([batch.images, batch.references]).to(device)
    truth, cues = batch.truth.to(device), batch.cues.to(device)
    generator = torch.Generator().manual_seed(recipe.seed * 1_000_003 + run.step)
    with torch.autocast(torch.device(device).type, torch.bfloat16):
        both = run.network.encoder(images.contiguous(memory_format=torch.channels_last))
        here, there = _halves(both)
        matching, similar = match(here, there, batch.reference_masks.to(device), truth, generator)
        cues[:, SIMILAR] = similar * batch.similar.to(device)[:, None, None]
        logits, quality = run.network.decoder(here, cues)
    logits = logits.float()
    masks = candidate_loss(logits, truth, batch.ambiguous.to(device))
    quality_error = quality_loss(quality, logits, truth)
    loss = masks + recipe.quality * quality_error + recipe.matching * matching
    run.optimiser.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_norm_(run.network.parameters(), recipe.clip)
    run.optimiser.step()
    _average(run.averaged, run.network, min(recipe.averaging, (1 + run.step) / (10 + run.step)))
    run.step += 1
    tracked = cues[:, MASK].flatten(1).abs().amax(dim=1) > 0
    best = logits.detach().take_along_dim(quality.detach().argmax(dim=1)[:, None, None, None], 1)[:, 0]
    return {
        "rate": rate,
        "loss": float(loss.detach()),
        "masks": float(masks.detach()),
        "quality": float(quality_error.detach()),
        "matching": float(matching.detach()),
        "before": _overlap(cues[:, MASK], truth, tracked),
        "after": _overlap(best, truth, tracked),
        "prompted": _overlap(best, truth, ~tracked),
    }


def train(
    run: Run,
    recordings: Recordings,
    *,
    until: int | None = None,
    minutes: float | None = None,
    workers: int = 0,
    watch: Callable[[Run, dict[str, float]], None] = lambda run, measured: None,
) -> Run:
    """Go on to the end of the recipe, or until a step, or for some minutes.

    ``watch`` sees every step. ``workers`` processes make batches, or 0 a thread: a GPU needs several. Batches
    are the same whoever makes them.
    """
    began, before = time.monotonic(), run.seconds
    last = min(run.recipe.steps, until or run.recipe.steps)
    with _executor(workers) as executor:
        numbers = iter(range(run.step, last))
        ordered = deque(
            executor.submit(recordings.batch, number, run.recipe.batch)
            for number in islice(numbers, max(2, 2 * workers))
        )
        while ordered and (minutes is None or run.seconds < 60 * minutes):
            batch = ordered.popleft().result()
            ordered.extend(executor.submit(recordings.batch, n, run.recipe.batch) for n in islice(numbers, 1))
            measured = step(run, batch)
            run.seconds = before + time.monotonic() - began
            watch(run, measured)
        for unused in ordered:
            unused.cancel()
    return run


def _executor(workers: int) -> Executor:
    """Who makes batches: a thread beside the training, or this many processes."""
    if workers == 0:
        return ThreadPoolExecutor(1)
    return ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), _one_thread)


def _one_thread() -> None:
    torch.set_num_threads(1)
    cv2.setNumThreads(1)


def save(run: Run, folder: Path) -> None:
    """Write the state of a run, all of it or nothing."""
    state = {
        "network": run.network.state_dict(),
        "averaged": run.averaged.state_dict(),
        "optimiser": run.optimiser.state_dict(),
        "step": run.step,
        "seconds": run.seconds,
        "recipe": str(asdict(run.recipe)),
    }
    unfinished = folder / (STATE + ".part")
    torch.save(state, unfinished)
    os.replace(unfinished, folder / STATE)


def resume(recipe: Recipe, folder: Path) -> Run:
    """The run that was saved in a folder.

    Raises:
        InputError: if there is none, or it followed another recipe.
    """
    path = folder / STATE
    if not path.is_file():
        raise InputError(f"there is no {path} to resume from; leave out --resume to start anew")
    state = torch.load(path, map_location="cpu", weights_only=True)
    if state["recipe"] != str(asdict(recipe)):
        raise InputError(f"{path} followed the recipe {state['recipe']}, not {asdict(recipe)}; use that one")
    run = start(recipe)
    run.network.load_state_dict(state["network"])
    run.averaged.load_state_dict(state["averaged"])
    run.optimiser.load_state_dict(state["optimiser"])
    run.step, run.seconds = state["step"], state["seconds"]
    return run


def export(run: Run, path: Path) -> None:
    """The averaged weights in half precision, as ``--checkpoint`` takes them."""
    save_file(half_precision(run.averaged), path)


def _halves(both: Pyramid) -> tuple[Pyramid, Pyramid]:
    """The pyramids of the images and of the references."""
    levels = [level.chunk(2) for level in both.levels]
    columns = both.columns.chunk(2)
    return tuple(Pyramid(tuple(level[i] for level in levels), columns[i]) for i in (0, 1))  # type: ignore[return-value]


def _schedule(step: int, recipe: Recipe) -> float:
    """Factor of the learning rate."""
    if step < recipe.warmup:
        return (step + 1) / recipe.warmup
    left = (recipe.steps - step) / max(1.0, recipe.cooldown * recipe.steps)
    return max(0.05, min(1.0, left))


@torch.no_grad()
def _average(averaged: NanoNetwork, network: NanoNetwork, keep: float) -> None:
    for mean, value in zip(averaged.state_dict().values(), network.state_dict().values(), strict=True):
        if mean.is_floating_point():
            mean.lerp_(value, 1 - keep)
        else:
            mean.copy_(value)


def _overlap(logits: Tensor, truth: Tensor, rows: Tensor) -> float:
    """Mean IoU over some rows; nan where there are none."""
    masks, inside = logits[rows] > 0, truth[rows] > 0.5
    union = (masks | inside).flatten(1).sum(dim=1)
    return float(((masks & inside).flatten(1).sum(dim=1) / union.clamp_min(1))[union > 0].mean())


class Log:
    """A row of means every this many steps, and files every this many minutes."""

    def __init__(self, folder: Path, every_steps: int, every_minutes: float) -> None:
        self.folder, self.every_steps, self.every_minutes = folder, every_steps, every_minutes
        self.seen: list[dict[str, float]] = []
        self.due: float | None = None

    def __call__(self, run: Run, measured: dict[str, float]) -> None:
        """Take note of a step."""
        self.seen.append(measured)
        if len(self.seen) >= self.every_steps:
            self.write(run)
        if self.due is None:
            self.due = (run.seconds // (60 * self.every_minutes) + 1) * 60 * self.every_minutes
        if run.seconds >= self.due:
            self.due += 60 * self.every_minutes
            self.keep(run)

    def write(self, run: Run) -> None:
        """Add a row."""
        if not self.seen:
            return
        values = {name: torch.tensor([row[name] for row in self.seen]).nanmean() for name in self.seen[0]}
        row = {"step": run.step, "minutes": f"{run.seconds / 60:.2f}"}
        row |= {name: f"{float(value):.5f}" for name, value in values.items()}
        path = self.folder / LOG
        fresh = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if fresh:
                writer.writeheader()
            writer.writerow(row)
        self.seen = []

    def keep(self, run: Run) -> None:
        """Save the state, and weights to be used."""
        self.write(run)
        save(run, self.folder)
        export(run, self.folder / f"nano-{run.seconds / 60:06.2f}.safetensors")


def main() -> None:
    """Train from the command line."""
    options = _parser().parse_args()
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    recipe = Recipe(
        samples=replace(SampleSettings(), side=options.side, prompted=options.prompted),
        steps=options.steps,
        batch=options.batch,
        rate=options.rate,
        matching=options.matching,
        seed=options.seed,
        device=options.device,
    )
    if not options.resume and (options.out / STATE).exists():
        raise SystemExit(f"{options.out} holds a run; go on with --resume, or choose another folder")
    try:
        run = resume(recipe, options.out) if options.resume else start(recipe)
        photographs = Photographs(options.data, options.sets) if options.data else None
        recordings = Recordings(options.recordings, recipe.samples, recipe.seed, photographs)
        if options.start_from and not options.resume:
            begin_with(run, options.start_from)
    except VosError as error:
        raise SystemExit(str(error)) from error
    options.out.mkdir(parents=True, exist_ok=True)
    log = Log(options.out, options.log_every, options.every)
    train(run, recordings, minutes=options.minutes, workers=options.workers, watch=log)
    log.keep(run)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    defaults = Recipe()
    parser.add_argument("--recordings", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="the training sets, for photographs as they are")
    parser.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS), help="which of them")
    parser.add_argument("--start-from", type=Path, help="weights to begin with, in place of random ones")
    parser.add_argument("--resume", action="store_true", help="go on with the run in --out")
    parser.add_argument("--steps", type=int, default=defaults.steps)
    parser.add_argument("--batch", type=int, default=defaults.batch)
    parser.add_argument("--side", type=int, default=defaults.samples.side)
    parser.add_argument("--prompted", type=float, default=defaults.samples.prompted)
    parser.add_argument("--rate", type=float, default=defaults.rate)
    parser.add_argument("--matching", type=float, default=defaults.matching)
    parser.add_argument("--seed", type=int, default=defaults.seed)
    parser.add_argument("--device", default=defaults.device)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--workers", type=int, default=0, help="processes that make batches; for a GPU")
    parser.add_argument("--minutes", type=float, help="stop after this many minutes in all")
    parser.add_argument("--every", type=float, default=5.0, help="minutes between two checkpoints")
    parser.add_argument("--log-every", type=int, default=50, help="steps between two rows of the log")
    return parser


if __name__ == "__main__":
    main()
