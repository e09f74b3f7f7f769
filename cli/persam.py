"""``vos persam``: cut out of images what one image and its mask show."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from vos.backbones.registry import BACKBONES

from .completion import backbones, complete, recipes
from .options import (
    counted,
    existing_result,
    json_flag,
    listed,
    load_config,
    mask_values_option,
    output_folder,
    print_json,
    turn_masks_option,
    verbosity,
)
from .progress import progress_bar
from .reference_options import feature_options
from .track import chosen

F = TypeVar("F", bound=Callable[..., Any])


def persam_options(command: F) -> F:
    """The method and the model. The command gets settings by name, or None, ``config`` and ``recipe``."""
    for option in (
        click.option("--dtype", metavar="TYPE", help="float32 (default), bfloat16 or float16."),
        click.option("--device", metavar="NAME", help="cpu (default), cuda, cuda:1, mps."),
        click.option(
            "--recipe",
            metavar="NAME",
            shell_complete=complete(lambda: {"parity": "PerSAM as published"}),
            help="Bundled settings: parity is PerSAM exactly as published.",
        ),
        click.option(
            "--config",
            metavar="FILE",
            shell_complete=complete(recipes, or_file=True),
            help="Settings as YAML, over the recipe: negative_point, refinement, guided_attention, ...",
        ),
        click.option(
            "--checkpoint",
            metavar="FILE",
            help="File with the model's weights.  [default: the weights cache]",
        ),
        click.option(
            "--model",
            metavar="NAME",
            shell_complete=complete(backbones),
            help=f"Backbone: {listed(BACKBONES)}.  [default: classical]",
        ),
        click.option(
            "--tune/--no-tune", default=None, help="PerSAM-F: fit two weights to the reference first."
        ),
    ):
        command = option(command)
    return command


def persam_settings(config: str | None, recipe: str | None, flags: dict[str, Any]) -> Any:
    """Defaults, then the recipe, then the file, then the flags.

    Raises:
        SettingsError: for an unknown recipe or setting.
    """
    from vos.runs.persam_settings import PersamRunSettings
    from vos.settings import override

    named = load_config(None if recipe is None else f"persam-{recipe.removeprefix('persam-')}", "persam")
    return override(PersamRunSettings(), named, load_config(config, "persam"), flags)


@click.command()
@click.argument("images", nargs=-1, required=True)
@click.option(
    "--reference",
    required=True,
    type=click.Path(path_type=Path),
    metavar="IMAGE",
    help="An image that shows the target.",
)
@click.option(
    "--reference-mask",
    required=True,
    type=click.Path(path_type=Path),
    metavar="MASK",
    help="The target in it: index PNG, 0/255 PNG or .npy.",
)
@click.option("--reference-id", type=int, metavar="ID", help="Which object, where the mask shows several.")
@mask_values_option
@turn_masks_option
@output_folder
@click.option(
    "--objects", type=int, metavar="N", help="Look for up to N instances in an image.  [default: 1]"
)
@persam_options
@feature_options
@existing_result
@click.option("--overlay/--no-overlay", default=None, help="Write OUT/overlay/*.jpg (default: yes).")
@click.option("--coco/--no-coco", default=None, help="Write OUT/annotations.json (default: yes).")
@json_flag
@verbosity
def persam(
    images: tuple[str, ...],
    reference: Path,
    reference_mask: Path,
    reference_id: int | None,
    mask_values: str,
    turn_masks: bool,
    output: Path,
    resume: bool,
    overwrite: bool,
    config: str | None,
    recipe: str | None,
    overlay: bool | None,
    coco: bool | None,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> None:
    """Segment the object of a reference image and its mask in IMAGES (files, folders or globs).

    This is PerSAM, and PerSAM-F with --tune. Writes OUT/masks/<image>.png, whose values are 0 for background
    and 1, 2, ... for instances, OUT/overlay/<image>.jpg, OUT/annotations.json and OUT/run.json. Images that
    cannot be read are listed at the end (exit code 5); all others are processed.

    \b
    vos persam photos/ --reference dog.jpg --reference-mask dog.png -o out
    vos persam a.jpg b.jpg --reference dog.jpg --reference-mask dog.png --objects 5 --model mobile-sam -o out
    """
    from vos.prompting.mask_values import MaskValues
    from vos.runs.persam import persam_images
    from vos.runs.persam_reference import PersamReference
    from vos.settings import override

    settings = persam_settings(config, recipe, flags)
    settings = override(settings, {"outputs": chosen(settings.outputs, {"overlay": overlay, "coco": coco})})
    with progress_bar(quiet=quiet) as advance:
        summary = persam_images(
            find_images(images),
            PersamReference(reference, reference_mask, reference_id, MaskValues(mask_values), turn_masks),
            output,
            settings,
            resume=resume,
            overwrite=overwrite,
            progress=lambda p: advance(p.stage, p.done, p.total),
        )
    if as_json:
        print_json(summary.as_dict())
    elif not quiet:
        click.echo(f"{counted(summary.images, 'image')}, {counted(summary.instances, 'instance')}")
        click.echo("\n".join(f"{name + ':':9} {path}" for name, path in summary.files.items()))


def find_images(sources: tuple[str, ...]) -> list[Path]:
    """The image files named, in the folders named, and those that match globs.

    Raises:
        MediaError: if there is no image, or something else.
    """
    from vos.errors import MediaError
    from vos.video.source import find_source

    found: list[Path] = []
    for text in sources:
        source = find_source(text)
        if not source.is_images:
            raise MediaError(
                f"{text} is not an image; give images, folders or globs of images (vos track reads videos)"
            )
        found += source.paths
    return found
