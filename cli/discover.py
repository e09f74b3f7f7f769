"""``vos discover``: find the objects in images or a video without class names."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from vos.detectors.attention.registry import LANGUAGE_MODELS, language_models

from .completion import backbones, complete, recipes
from .language_options import detector_option
from .options import (
    counted,
    existing_result,
    json_flag,
    load_config,
    output_folder,
    print_json,
    url_option,
    verbosity,
)
from .progress import progress_bar

EVERY = 25
"""Stride in a video file, unless ``--every`` is given."""
DISCOVERERS = {name: LANGUAGE_MODELS[name] for name in language_models("generative")}
"""Models that name what an image shows; the first is the default."""


@click.command()
@click.argument("source", metavar="IMAGE|VIDEO")
@output_folder
@click.option(
    "--questions",
    type=click.IntRange(min=1),
    metavar="N",
    help="Questions to ask; more than 1 lets the model suggest them (the paper: 10).  [default: 1]",
)
@click.option(
    "--tiles/--no-tiles", default=None, help="Process the four corner tiles as well.  [default: no]"
)
@detector_option(DISCOVERERS, "Model that names the objects")
@click.option(
    "--detector-weights",
    metavar="DIR",
    help="Folder with a LLaVA or Qwen-VL model.  [default: the local Hugging Face cache]",
)
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=complete(backbones),
    help="Backbone that turns points into masks, as in vos track.  [default: classical]",
)
@click.option(
    "--checkpoint", metavar="FILE", help="File with the backbone's weights.  [default: the weights cache]"
)
@click.option("--device", metavar="NAME", help="cpu (default), cuda, cuda:1, mps.")
@click.option(
    "--regularisation",
    type=click.Choice(["per_layer", "final", "none"]),
    help="Where attention is regularised against collapse.  [default: per_layer]",
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="T",
    help="Threshold of the attention maps.  [default: 0.5]",
)
@click.option(
    "--masked-map",
    type=click.Choice(["suppress_inside", "keep_inside"]),
    help="Zero the map inside a mask to find more, or outside to sharpen one.  [default: suppress_inside]",
)
@click.option(
    "--rounds", type=click.IntRange(min=1), metavar="N", help="Rounds of masking the map.  [default: 3]"
)
@click.option("--seed", type=int, metavar="N", help="Random seed for sampling answers.  [default: 0]")
@click.option(
    "--every",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Process every N-th frame.  [default: {EVERY} for a video file, 1 for images]",
)
@click.option("--start", type=int, default=0, metavar="N", help="First frame to process.")
@click.option("--end", type=int, metavar="N", help="Frame to stop before.")
@click.option("--overlays/--no-overlays", default=None, help="Write OUT/overlays/*.png (default: yes).")
@click.option(
    "--config", metavar="FILE", shell_complete=complete(recipes, or_file=True), help="Settings as YAML."
)
@url_option
@existing_result
@json_flag
@verbosity
def discover(
    source: str,
    output: Path,
    questions: int | None,
    tiles: bool | None,
    detector_weights: str | None,
    regularisation: str | None,
    threshold: float | None,
    masked_map: str | None,
    rounds: int | None,
    seed: int | None,
    every: int | None,
    start: int,
    end: int | None,
    config: str | None,
    allow_url: bool,
    resume: bool,
    overwrite: bool,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> None:
    """Find the objects in an image, a folder of images, or a video, without class names.

    A vision-language model names objects, the attention maps of these words localise them, and a backbone
    segments them. Writes OUT/annotations.json (COCO: names, boxes, masks, scores), OUT/overlays/*.png and
    OUT/run.json. Images that cannot be read are listed at the end (exit code 5); all others are
    processed.

    \b
    vos discover street.jpg --detector-weights llava-1.5-7b-hf -o out
    vos discover clip.mp4 --every 50 --questions 10 --tiles --detector-weights llava-1.5-7b-hf -o out
    """
    from vos.runs.discover import DiscoverRunSettings, discover_images, discover_video
    from vos.settings import override
    from vos.video import open_video
    from vos.video.fetch import is_address
    from vos.video.source import find_source

    refine = {"threshold": threshold, "masked_map": masked_map, "rounds": rounds}
    method = {"questions": questions, "tiles": tiles, "regularisation": regularisation, "seed": seed}
    settings = override(
        DiscoverRunSettings(),
        load_config(config, "discover"),
        {**flags, "weights": detector_weights, "discover": {**method, "refine": refine}},
    )
    images = () if is_address(source) or not (found := find_source(source)).is_images else found.paths
    frames = {"start": start, "end": end, "stride": every or (1 if images else EVERY)}
    with progress_bar(quiet=quiet) as advance:
        options: dict[str, Any] = {
            "resume": resume,
            "overwrite": overwrite,
            "progress": lambda p: advance(p.stage, p.done, p.total),
        }
        if images:
            summary = discover_images(images, output, settings, **frames, **options)
        else:
            with open_video(source, **frames, allow_url=allow_url) as video:
                summary = discover_video(video, output, settings, **options)
    if as_json:
        print_json(summary.as_dict())
    elif not quiet:
        click.echo(describe(summary))


def describe(summary: Any) -> str:
    """The summary for people."""
    names = ", ".join(f"{count} {name}" for name, count in summary.names.items()) or "nothing"
    done = f"{counted(summary.images, 'image')}, {counted(summary.objects, 'object')}"
    head = f"{done}, {summary.seconds:.1f} s: {names}"
    return "\n".join([head, *(f"{name + ':':13}{path}" for name, path in summary.files.items())])
