"""``vos rank-layers``: the layers whose attention is most informative, without labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from .language_options import (
    batch_size_option,
    class_option,
    images_argument,
    matcher_options,
    matcher_settings,
)
from .options import json_flag, print_json, verbosity


@click.command()
@images_argument
@class_option(required=True, text="A class; give one or more.")
@batch_size_option
@matcher_options
@json_flag
@verbosity
def rank_layers(
    images: tuple[Path, ...],
    names: tuple[str, ...],
    batch_size: int,
    as_json: bool,
    quiet: bool,
    **model: Any,
) -> None:
    """Rank the text layers of the model by InfoScore on IMAGES (files or folders; no labels are needed).

    InfoScore = H_D / H_image x CoV: high where the attention differs between images (H_D, entropy over
    all images; CoV, variation between them) and is decided in each (H_image, mean entropy). Natural
    logarithms. The best two layers are what `vos segment --layers auto` uses.
    """
    from vos.runs.rank_layers import rank_layers_on
    from vos.video.source import image_files

    files = image_files(images)
    rows = rank_layers_on(files, names, model=matcher_settings(model), batch_size=batch_size).rows()
    if as_json:
        print_json({"images": len(files), "classes": list(names), "layers": rows})
        return
    if not quiet:
        click.echo("rank  layer  InfoScore     H_D  H_image     CoV")
    for row in rows:
        click.echo(
            f"{row['rank']:4d}  {row['layer']:5d}  {row['infoscore']:9.4f}  {row['dataset_entropy']:6.3f}"
            f"  {row['image_entropy']:7.3f}  {row['variation']:6.3f}"
        )
