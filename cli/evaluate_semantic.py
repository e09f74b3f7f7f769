"""``vos evaluate-semantic``: mean IoU of class label maps over a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .completion import complete, recipes
from .language_options import matcher_options, matcher_settings
from .options import json_flag, load_config, print_json, verbosity


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
@click.option(
    "--config",
    metavar="FILE",
    shell_complete=complete(recipes, or_file=True),
    help="Settings as YAML, laid over the recipe of the data set.",
)
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
    from vos.runs.semantic import evaluate_semantic as score
    from vos.runs.semantic import semantic_recipe
    from vos.settings import override

    recipe = override(semantic_recipe(dataset), load_config(config, "evaluate-semantic"))
    report = score(root, recipe, model=matcher_settings(model), one_shot_runs=one_shot).to_dict()
    if as_json:
        print_json(report)
    else:
        _print(report, quiet)


def _print(report: dict[str, Any], quiet: bool) -> None:
    for way in ("paper", "original"):
        spread = f" ± {report[way]['deviation']:.2%}" if len(report["images"]) > 1 else ""
        click.echo(f"{way:9s} mIoU {report[way]['mean_iou']:.2%}{spread}")
    if not quiet:
        click.echo("\nclass                 paper  original")
        for name, value in report["paper"]["iou"].items():
            click.echo(f"{name:20s} {value:6.1%}   {report['original']['iou'][name]:6.1%}")
