"""Scoring the method as its paper does, and more strictly beside it (Segmentation From Attention, 6 and 8).

Two numbers come out of every run. ``canvas`` is the paper's: label maps on the padded square canvas of the
network, against labels resized to it. ``original`` is at the resolution of the images. One-shot runs have a
third difference: the paper leaves the supports that had to be chosen as a fallback among the queries, where
the tuned model has seen them; ``original`` takes them out.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ...errors import InputError
from ...evaluation.semantic import SemanticCounts, semantic_counts
from .blip import BlipMatcher, EncodedPrompts
from .preprocess import labels_to_canvas
from .segment import SegmentSettings, segment_images
from .supports import MIN_PIXELS, STREAM_SEED, class_areas, query_positions, sample_supports, support_labels
from .tuning import TuningSettings, keeping_weights, make_support, tune


class Example(Protocol):
    """An image with its classes, read when it is needed."""

    def read_image(self) -> NDArray[np.uint8]:
        """(H, W, 3) uint8 RGB."""
        ...

    def read_labels(self) -> NDArray[np.uint8]:
        """(H, W) uint8 classes, 255 void."""
        ...


@dataclass(frozen=True)
class SemanticRecipe:
    """All settings of an evaluation; a YAML recipe overrides them."""

    vocabulary: str = "pascal"
    """A vocabulary of the package, or a JSON file."""
    list_file: str = "val.txt"
    """Its lines are ``<image> <labels>``; it and they are below the data's root."""
    limit: int | None = None
    """Images scored at most, from the top of the list (after the supports are taken out)."""
    multi_prompt: bool = False
    """Prompt with the synonyms of every class as well. Off: single-prompt results can be compared with the
    paper's."""
    min_pixels: int = MIN_PIXELS
    """Pixels a class has at least, at the image's resolution, in the image that is its support."""
    canvas: int | None = None
    """Side of the network's input in pixels; None for the model's own."""
    segment: SegmentSettings = field(default_factory=lambda: SegmentSettings(layers=(0, 3)))
    tuning: TuningSettings = field(default_factory=TuningSettings)
    runs: int = 5
    """One-shot runs, each with supports of its own; mean and deviation are over them."""

    def __post_init__(self) -> None:
        if self.runs < 1 or self.min_pixels < 1:
            raise ValueError(f"runs and min_pixels must be >= 1, got {self.runs} and {self.min_pixels}")


@dataclass(frozen=True, eq=False)
class SemanticScores:
    """Counts of one run, both ways; what is scored how stands at the top of this module."""

    canvas: SemanticCounts
    original: SemanticCounts
    images: int
    """Images of the paper's count."""


@dataclass(frozen=True, eq=False)
class OneShotRun:
    """One draw of supports, tuned and scored."""

    supports: tuple[int, ...]
    """Position in the list of each foreground class's support."""
    fallbacks: tuple[int, ...]
    """Those that hold other classes too."""
    losses: tuple[float, ...]
    scores: SemanticScores


def score(
    matcher: BlipMatcher,
    encoded: EncodedPrompts,
    examples: Sequence[Example],
    settings: SegmentSettings,
    *,
    unfair: Iterable[int] = (),
    on_image: Callable[[], None] | None = None,
) -> SemanticScores:
    """Counts over all examples; those at the positions ``unfair`` count only as the paper counts."""
    classes = len(encoded.prompts.names)
    canvas, original = SemanticCounts.zeros(classes), SemanticCounts.zeros(classes)
    seen = frozenset(unfair)
    results = segment_images(matcher, encoded, (example.read_image() for example in examples), settings)
    for position, (example, result) in enumerate(zip(examples, results, strict=True)):
        truth = example.read_labels()
        if truth.shape != result.labels.shape:
            raise InputError(
                f"image {position} of the list has {result.labels.shape} pixels, its labels {truth.shape}"
            )
        canvas += semantic_counts(result.canvas_labels, labels_to_canvas(truth, matcher.canvas), classes)
        if position not in seen:
            original += semantic_counts(result.labels, truth, classes)
        if on_image is not None:
            on_image()
    return SemanticScores(canvas, original, len(examples))


def one_shot(
    matcher: BlipMatcher,
    encoded: EncodedPrompts,
    examples: Sequence[Example],
    recipe: SemanticRecipe,
    *,
    queries: Sequence[Example] | None = None,
    on_run: Callable[[OneShotRun], None] | None = None,
) -> list[OneShotRun]:
    """``recipe.runs`` runs of support, tune, score; the model is as before after each.

    Supports come from ``examples``, and what is left of these is scored, as in the paper; with ``queries``
    these are scored instead, none of them a support.

    Raises:
        InputError: if a class has no image that is large enough to be its support.
    """
    classes, names = len(encoded.prompts.names), encoded.prompts.names
    areas = np.stack([class_areas(example.read_labels(), classes) for example in examples])
    layers = recipe.segment.layers or matcher.default_layers
    stream = random.Random(STREAM_SEED)
    runs = []
    for _ in range(recipe.runs):
        choices = sample_supports(areas, stream, names=names, min_pixels=recipe.min_pixels)
        supports = []
        for choice in choices:
            example = examples[choice.index]
            labels = support_labels(example.read_labels(), choice)
            supports.append(make_support(matcher, example.read_image(), labels))
        fallbacks = {choice.index for choice in choices if choice.fallback}
        left = query_positions(areas, choices, limit=recipe.limit)
        scored = [examples[index] for index in left] if queries is None else queries
        unfair = [i for i, index in enumerate(left) if index in fallbacks] if queries is None else []
        if not scored:
            raise InputError(f"no image of {len(examples)} is left to score beside the supports")
        with keeping_weights(matcher, layers):
            losses = tune(matcher, encoded, supports, layers, recipe.tuning)
            scores = score(matcher, encoded, scored, recipe.segment, unfair=unfair)
        run = OneShotRun(
            tuple(choice.index for choice in choices), tuple(sorted(fallbacks)), tuple(losses), scores
        )
        runs.append(run)
        if on_run is not None:
            on_run(run)
    return runs
