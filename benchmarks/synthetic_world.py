"""What the tiny BLIP of the package can do on scenes of its world that it was never trained on.

Mean IoU over 21 classes (20 coloured shapes and the background) at the resolution of the scenes, in the
light it was trained in and at dusk, which it never saw: for every text layer, for the two that InfoScore
ranks first (on other scenes, without labels), for the best and the worst pair, for all layers, and after
one-shot tuning of InfoScore's layers (one labelled scene per class, drawn anew in every run). The learning
rate beside the reference's was chosen on scenes that are scored nowhere (--choose).

    python benchmarks/synthetic_world.py
"""

from __future__ import annotations

import argparse
import itertools
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import common
import numpy as np
import torch

from vos.detectors.attention.blip import BlipMatcher, EncodedPrompts
from vos.detectors.attention.protocol import SemanticRecipe, one_shot, score
from vos.detectors.attention.registry import build_language_model
from vos.detectors.attention.segment import SegmentSettings, rank_layers
from vos.detectors.attention.text_prompts import build_prompts
from vos.detectors.attention.tuning import TuningSettings
from vos.detectors.synthetic.world import (
    CLASS_NAMES,
    DAYLIGHT,
    DUSK,
    WorldScene,
    world_scene,
    world_vocabulary,
)
from vos.evaluation.semantic import SemanticCounts

SCORED = range(1_000_000, 1_000_080)
RANKED = range(1_100_000, 1_100_060)
SUPPORTS = 1_200_000
CHOOSING = range(1_300_000, 1_300_040)
"""Seeds of scenes; training uses 0 and up."""
CANDIDATES = 5
"""Scenes from which a class's support is drawn."""
SIZE = (96, 96)
MIN_PIXELS = 300
LIGHTS = {"day": DAYLIGHT, "dusk": DUSK}
LEARNING_RATES = (2e-4, 4e-3)
"""The reference's, and the best of those tried on scenes that are scored nowhere."""
TRIED = (2e-4, 5e-4, 1e-3, 2e-3, 4e-3)
"""What ``--choose`` compares."""


@dataclass(frozen=True)
class WorldExample:
    """A scene with its classes."""

    world: WorldScene

    def read_image(self) -> np.ndarray:
        """(H, W, 3) uint8 RGB."""
        return self.world.image

    def read_labels(self) -> np.ndarray:
        """(H, W) uint8 classes."""
        return self.world.classes()


@dataclass(frozen=True)
class Bench:
    """The model and its 24 sentences."""

    matcher: BlipMatcher
    encoded: EncodedPrompts

    def score(
        self, examples: Sequence[WorldExample], layers: Iterable[int], crf: Literal["none", "convcrf"]
    ) -> SemanticCounts:
        """Counts at the resolution of the scenes."""
        return score(self.matcher, self.encoded, examples, segment_settings(layers, crf)).original


def segment_settings(layers: Iterable[int], crf: Literal["none", "convcrf"] = "none") -> SegmentSettings:
    """Of one row."""
    return SegmentSettings(layers=tuple(layers), crf=crf, batch_size=10)


def examples(seeds: Iterable[int], light: str) -> list[WorldExample]:
    """Scenes with one to four shapes."""
    return [WorldExample(world_scene(seed, size=SIZE, light=LIGHTS[light])) for seed in seeds]


def support_examples(light: str) -> list[WorldExample]:
    """Scenes with one shape, a few of every class."""
    return [
        WorldExample(world_scene(SUPPORTS + 10 * label + k, size=SIZE, names=(name,), light=LIGHTS[light]))
        for label, name in enumerate(CLASS_NAMES)
        for k in range(CANDIDATES)
    ]


def row(what: str, light: str, layers: Iterable[int], crf: str, *counts: SemanticCounts) -> dict[str, Any]:
    """Mean IoU of one or more runs."""
    values = [count.mean_iou for count in counts]
    mean = float(np.mean(values))
    entry: dict[str, Any] = {
        "what": what,
        "light": light,
        "layers": list(layers),
        "crf": crf,
        "mean_iou": mean,
    }
    if len(values) > 1:
        entry |= {"deviation": float(np.std(values)), "runs": values}
    print(f"{light:4s} {what:44s} {entry['layers']} crf {crf:7s} {mean:.4f}", flush=True)
    return entry


def infoscore_rows(bench: Bench, light: str) -> tuple[list[dict[str, Any]], tuple[int, ...]]:
    """A row for every layer, and the two layers ranked first, in order."""
    images = [example.read_image() for example in examples(RANKED, light)]
    scores = rank_layers(bench.matcher, bench.encoded, images, batch_size=10)
    rows = [
        {
            "what": f"InfoScore of layer {layer}",
            "light": light,
            "infoscore": float(scores.score[i]),
            "dataset_entropy": float(scores.dataset_entropy[i]),
            "image_entropy": float(scores.image_entropy[i]),
            "variation": float(scores.variation[i]),
        }
        for i, layer in enumerate(scores.layers)
    ]
    return rows, tuple(sorted(scores.ranking[:2]))


def training_free(bench: Bench, light: str, top: tuple[int, ...]) -> list[dict[str, Any]]:
    """Rows for single layers, pairs, all layers; and with the CRF."""
    scored = examples(SCORED, light)
    every = tuple(range(bench.matcher.num_layers))
    groups: list[tuple[int, ...]] = [*((layer,) for layer in every), *itertools.combinations(every, 2), every]
    found = {layers: bench.score(scored, layers, "none") for layers in groups}
    single = sorted(groups[: len(every)], key=lambda layers: found[layers].mean_iou)
    pairs = sorted(groups[len(every) : -1], key=lambda layers: found[layers].mean_iou)
    named: list[tuple[str, tuple[int, ...]]] = [(f"layer {layer}", (layer,)) for layer in every]
    named += [
        ("InfoScore's two layers", top),
        ("best layer", single[-1]),
        ("worst layer", single[0]),
        ("best two layers", pairs[-1]),
        ("worst two layers", pairs[0]),
        ("all layers", every),
    ]
    rows = [row(what, light, layers, "none", found[layers]) for what, layers in named]
    return [
        *rows,
        row("InfoScore's two layers", light, top, "convcrf", bench.score(scored, top, "convcrf")),
    ]


def tuned_row(
    bench: Bench,
    light: str,
    layers: tuple[int, ...],
    rate: float,
    runs: int,
    seeds: Iterable[int],
) -> dict[str, Any]:
    """One-shot runs; the supports are scored in none of them."""
    recipe = SemanticRecipe(
        segment=segment_settings(layers),
        tuning=TuningSettings(learning_rate=rate),
        runs=runs,
        min_pixels=MIN_PIXELS,
    )
    found = one_shot(
        bench.matcher, bench.encoded, support_examples(light), recipe, queries=examples(seeds, light)
    )
    counts = [run.scores.original for run in found]
    entry = row(f"one-shot tuning, learning rate {rate:g}", light, layers, "none", *counts)
    return {**entry, "learning_rate": rate, "losses": [[run.losses[0], run.losses[-1]] for run in found]}


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--choose", action="store_true", help="compare learning rates, write nothing")
    parser.add_argument("--out", default=str(common.RESULTS / "synthetic-world.json"))
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    start = time.process_time()
    matcher = build_language_model("synthetic")
    bench = Bench(matcher, matcher.encode_prompts(build_prompts(world_vocabulary())))
    rows = []
    for light in LIGHTS:
        scores, top = infoscore_rows(bench, light)
        if arguments.choose:
            for rate in TRIED:
                tuned_row(bench, light, top, rate, 1, CHOOSING)
            continue
        rows += training_free(bench, light, top)
        rows += [tuned_row(bench, light, top, rate, arguments.runs, SCORED) for rate in LEARNING_RATES]
        rows += scores
    if not arguments.choose:
        how = {
            "scenes_scored": len(SCORED),
            "scenes_ranked": len(RANKED),
            "scene_size": SIZE,
            "canvas": matcher.canvas,
            "one_shot_runs": arguments.runs,
            "processor_seconds": round(time.process_time() - start),
        }
        common.write_json(arguments.out, "synthetic world", how, rows)


if __name__ == "__main__":
    main()
