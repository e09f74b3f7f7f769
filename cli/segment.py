"""``vos segment``: label maps of named classes in images."""

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
    parse_layers,
)
from .options import existing_result, verbosity
from .progress import progress_bar


@click.command()
@images_argument
@class_option(required=True, text="A class; give one or more.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="OUT",
    help="Folder to write to.",
)
@click.option("--multi-prompt", is_flag=True, help="Use the synonyms of every class as well.")
@click.option(
    "--layers",
    metavar="LIST",
    help="Text layers whose attention is read, such as 0,3; auto ranks them by InfoScore on these images.",
)
@click.option("--crf/--no-crf", default=True, show_default=True, help="Smooth along colour borders.")
@batch_size_option
@existing_result
@matcher_options
@verbosity
def segment(
    images: tuple[Path, ...],
    names: tuple[str, ...],
    output: Path,
    multi_prompt: bool,
    layers: str | None,
    crf: bool,
    batch_size: int,
    resume: bool,
    overwrite: bool,
    quiet: bool,
    **model: Any,
) -> None:
    """Label every pixel of IMAGES (files or folders) with one of the named classes.

    Writes OUT/labels/<image>.png, whose values are 0 for background and 1, 2, ... for the classes in the
    order given, OUT/classes.json with their names and how well each matches each image, and OUT/run.json.
    Images that cannot be read are listed at the end (exit code 5); all others are processed.

    \b
    vos segment photos/ --class dog --class cat -o out
    """
    from vos.detectors.attention.segment import SegmentSettings
    from vos.runs.segment import segment_files
    from vos.video.source import image_files

    best = layers == "auto"
    settings = SegmentSettings(
        layers=None if best else parse_layers(layers),
        crf="convcrf" if crf else "none",
        batch_size=batch_size,
    )
    with progress_bar(quiet=quiet) as advance:
        summary = segment_files(
            image_files(images),
            names,
            output,
            settings,
            model=matcher_settings(model),
            multi_prompt=multi_prompt,
            best_layers=best,
            resume=resume,
            overwrite=overwrite,
            progress=lambda p: advance(p.stage, p.done, p.total),
        )
    if not quiet:
        for entry in summary.images:
            shares = [f"{name} {entry['classes'][name]['share']:.1%}" for name in names]
            click.echo(f"{entry['image']}: {', '.join(shares)}")
