"""``vos evaluate-semantic``: mean IoU of class label maps over a data set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .language_options import build_matcher, matcher_options
from .options import json_flag, load_config, print_json, verbosity

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vos.detectors.attention.protocol import SemanticRecipe, SemanticScores
    from vos.evaluation.semantic import SemanticCounts
    from vos.evaluation.semantic_data import LabelledImage


@dataclass(frozen=True)
class _Listed:
    """A line of the list, with its image read as everywhere in the program."""

    item: LabelledImage

    def read_image(self) -> NDArray[np.uint8]:
        from vos.video.images import read_image

        return read_image(self.item.image)

    def read_labels(self) -> NDArray[np.uint8]:
        return self.item.read_labels()


@click.command()
@click.option(
    "--dataset",
    type=click.Choice(["pascal", "coco", "synthetic"]),
    required=True,
    help="Recipe to start from: classes, list, layers, passes.",
)
@click.option(
    "--data",
    "root",
    required=True,
    type=click.Path(path_type=Path),
    metavar="ROOT",
    help="Folder with the list and what it lists.",
)
@click.option("--config", metavar="FILE", help="Settings as YAML, laid over the recipe of the data set.")
@click.option("--one-shot", is_flag=True, help="Tune on one image per class first, in several runs.")
@matcher_options
@json_flag
@verbosity
def evaluate_semantic(
    dataset: str,
    root: Path,
    config: str | None,
    one_shot: bool,
    as_json: bool,
    quiet: bool,
    **model: Any,
) -> None:
    """Score class label maps by mean IoU over all classes, in two ways.

    "paper" scores on the padded square canvas of the network, as the paper does; "original" scores at the
    resolution of the images and, with --one-shot, leaves out every image the model was tuned on.
    """
    from vos.detectors.attention.protocol import SemanticRecipe, score
    from vos.detectors.attention.protocol import one_shot as run_one_shot
    from vos.detectors.attention.text_prompts import build_prompts, load_vocabulary
    from vos.evaluation.semantic_data import read_list
    from vos.settings import override

    recipe = override(SemanticRecipe(), load_config(f"semantic-{dataset}"), load_config(config))
    # With supports to take out first, the limit counts what is left.
    items = read_list(root, root / recipe.list_file, limit=None if one_shot else recipe.limit)
    examples = [_Listed(item) for item in items]
    matcher = build_matcher(**model)
    if model["canvas"] is None and recipe.canvas is not None:
        matcher.set_canvas(recipe.canvas)
    vocabulary = load_vocabulary(recipe.vocabulary)
    encoded = matcher.encode_prompts(build_prompts(vocabulary, multi=recipe.multi_prompt))
    if one_shot:
        runs = run_one_shot(matcher, encoded, examples, recipe)
        scores, extra = [run.scores for run in runs], _describe_runs(runs)
    else:
        scores, extra = [score(matcher, encoded, examples, recipe.segment)], {}
    report = {**_report(scores, vocabulary.names), **extra, "settings": _settings(recipe)}
    if as_json:
        print_json(report)
    else:
        _print(report, quiet)


def _report(scores: Sequence[SemanticScores], names: Sequence[str]) -> dict[str, Any]:
    return {
        "images": [score.images for score in scores],
        "paper": _ways([score.canvas for score in scores], names),
        "original": _ways([score.original for score in scores], names),
    }


def _ways(counts: Sequence[SemanticCounts], names: Sequence[str]) -> dict[str, Any]:
    """Mean and deviation (population) over runs, fractions; per class the mean over runs."""
    import numpy as np

    mean_iou = [count.mean_iou for count in counts]
    per_class = np.mean([count.iou for count in counts], axis=0)
    return {
        "mean_iou": float(np.mean(mean_iou)),
        "deviation": float(np.std(mean_iou)),
        "mean_iou_runs": mean_iou,
        "iou": {name: float(value) for name, value in zip(names, per_class, strict=True)},
    }


def _describe_runs(runs: Sequence[Any]) -> dict[str, Any]:
    return {
        "runs": [{"supports": run.supports, "fallbacks": run.fallbacks, "losses": run.losses} for run in runs]
    }


def _settings(recipe: SemanticRecipe) -> dict[str, Any]:
    from dataclasses import asdict

    return asdict(recipe)


def _print(report: dict[str, Any], quiet: bool) -> None:
    for way in ("paper", "original"):
        spread = f" ± {report[way]['deviation']:.2%}" if len(report["images"]) > 1 else ""
        click.echo(f"{way:9s} mIoU {report[way]['mean_iou']:.2%}{spread}")
    if not quiet:
        click.echo("\nclass                 paper  original")
        for name, value in report["paper"]["iou"].items():
            click.echo(f"{name:20s} {value:6.1%}   {report['original']['iou'][name]:6.1%}")
