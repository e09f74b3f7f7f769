"""Mean IoU of the class label maps of a matching model over a data set. Importing this imports torch."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..detectors.attention.blip import BlipMatcher
from ..detectors.attention.protocol import OneShotRun, SemanticRecipe, SemanticScores, one_shot, score
from ..detectors.attention.text_prompts import build_prompts, load_vocabulary
from ..evaluation.semantic import SemanticCounts
from ..evaluation.semantic_data import LabelledImage, read_list
from ..json_report import JsonReport
from ..settings import named_recipe, override
from ..video.images import read_image
from .matcher import MatcherSettings, build_matcher, check_fits


@dataclass(frozen=True, eq=False)
class SemanticReport(JsonReport):
    """The scores of a data set, in one or more runs."""

    names: tuple[str, ...]
    """The classes; the first is the background."""
    scores: tuple[SemanticScores, ...]
    """By run."""
    runs: tuple[OneShotRun, ...]
    """Supports and losses by run; empty where nothing was tuned."""
    recipe: SemanticRecipe

    def to_dict(self) -> dict[str, Any]:
        """Images by run; mean IoU of all classes in the two ways of counting; settings. Fractions."""
        document = {
            "images": [score.images for score in self.scores],
            "paper": self._way([score.canvas for score in self.scores]),
            "original": self._way([score.original for score in self.scores]),
        }
        if self.runs:
            document["runs"] = [
                {"supports": run.supports, "fallbacks": run.fallbacks, "losses": run.losses}
                for run in self.runs
            ]
        return {**document, "settings": dataclasses.asdict(self.recipe)}

    def _way(self, counts: Sequence[SemanticCounts]) -> dict[str, Any]:
        """Mean and deviation (population) over runs; per class the mean over runs."""
        mean_iou = [count.mean_iou for count in counts]
        per_class = np.mean([count.iou for count in counts], axis=0)
        return {
            "mean_iou": float(np.mean(mean_iou)),
            "deviation": float(np.std(mean_iou)),
            "mean_iou_runs": mean_iou,
            "iou": {name: float(value) for name, value in zip(self.names, per_class, strict=True)},
        }


def semantic_recipe(dataset: str) -> SemanticRecipe:
    """The settings for a data set, ``pascal``, ``coco`` or ``synthetic``: ``configs/semantic-*.yaml``.

    Raises:
        SettingsError: for another name.
    """
    return override(SemanticRecipe(), named_recipe(f"semantic-{dataset}"))


def evaluate_semantic(
    root: str | os.PathLike[str],
    recipe: SemanticRecipe | None = None,
    *,
    model: MatcherSettings | None = None,
    one_shot_runs: bool = False,
) -> SemanticReport:
    """Score class label maps by mean IoU over all classes, in two ways.

    The ways are those of :mod:`vos.detectors.attention.protocol`.

    Args:
        root: folder with the list and the images and label maps that it lists.
        recipe: classes, list, layers; None: those of PASCAL.
        model: the matching model; its canvas goes before that of the recipe. None: the default one.
        one_shot_runs: tune on one image per class first, in ``recipe.runs`` runs.

    Raises:
        EvaluationError: the list cannot be read.
        InputError: a class has no image that can be its support, or none is left to score.
        ModelError: if the model's weights are missing.
        MediaError: an image or a label map cannot be read, or an image is too long and thin for the model.
    """
    recipe, model = recipe or SemanticRecipe(), model or MatcherSettings()
    # With supports to take out first, the limit counts what is left.
    limit = None if one_shot_runs else recipe.limit
    listed = read_list(Path(root), Path(root) / recipe.list_file, limit=limit)
    matcher = build_matcher(dataclasses.replace(model, canvas=model.canvas or recipe.canvas))
    examples = [_Listed(item, matcher) for item in listed]
    vocabulary = load_vocabulary(recipe.vocabulary)
    encoded = matcher.encode_prompts(build_prompts(vocabulary, multi=recipe.multi_prompt))
    if one_shot_runs:
        runs = tuple(one_shot(matcher, encoded, examples, recipe))
        return SemanticReport(vocabulary.names, tuple(run.scores for run in runs), runs, recipe)
    scores = score(matcher, encoded, examples, recipe.segment)
    return SemanticReport(vocabulary.names, (scores,), (), recipe)


@dataclass(frozen=True)
class _Listed:
    """A line of the list, with its image read as everywhere in the program."""

    item: LabelledImage
    matcher: BlipMatcher

    def read_image(self) -> NDArray[np.uint8]:
        image = read_image(self.item.image)
        check_fits(image, self.item.image, self.matcher)
        return image

    def read_labels(self) -> NDArray[np.uint8]:
        return self.item.read_labels()
