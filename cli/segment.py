"""``vos segment``: label maps of named classes in images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .language_options import (
    build_matcher,
    class_option,
    encode_names,
    expand,
    images_argument,
    matcher_options,
    parse_layers,
    read_images,
)
from .options import verbosity

if TYPE_CHECKING:
    from vos.detectors.attention.blip import BlipMatcher, EncodedPrompts
    from vos.detectors.attention.segment import ImageClasses


@click.command()
@images_argument
@class_option(required=True, text="A class; give one or more.")
@click.option(
    "-o",
    "--output",
    required=True,
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="Folder to write to.",
)
@click.option("--multi-prompt", is_flag=True, help="Use the synonyms of every class as well.")
@click.option(
    "--layers",
    metavar="LIST",
    help="Text layers whose attention is read, such as 0,3; auto ranks them by InfoScore on these images.",
)
@click.option("--crf/--no-crf", default=True, show_default=True, help="Smooth along colour borders.")
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=1, show_default=True, help="Images per forward pass."
)
@click.option("--overwrite", is_flag=True, help="Replace label maps that are already there.")
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
    overwrite: bool,
    quiet: bool,
    **model: Any,
) -> None:
    """Label every pixel of IMAGES (files or folders) with one of the named classes.

    Writes DIR/<image>.png, whose values are 0 for background and 1, 2, ... for the classes in the order
    given, and DIR/classes.json with their names and how well each matches each image.
    """
    from vos.detectors.attention.segment import SegmentSettings, segment_images

    files = expand(images)
    _check_output(output, files, overwrite)
    matcher = build_matcher(**model)
    encoded = encode_names(matcher, names, multi_prompt=multi_prompt)
    chosen = _choose_layers(layers, matcher, encoded, files)
    settings = SegmentSettings(layers=chosen, crf="convcrf" if crf else "none", batch_size=batch_size)
    results = segment_images(matcher, encoded, read_images(files), settings)
    entries = []
    for path, result in zip(files, results, strict=True):
        entries.append(_write(output, path, result, names))
        if not quiet:
            seen = [f"{name} {entries[-1]['classes'][name]['share']:.1%}" for name in names]
            click.echo(f"{path.name}: {', '.join(seen)}")
    _write_index(output, names, settings.layers or matcher.default_layers, entries)


def _check_output(output: Path, files: list[Path], overwrite: bool) -> None:
    from vos.errors import OutputError

    stems = [path.stem for path in files]
    twice = next((stem for stem in stems if stems.count(stem) > 1), None)
    if twice is not None:
        raise OutputError(f"two images are named {twice!r} and would share {output / twice}.png; rename one")
    there = next((output / f"{stem}.png" for stem in stems if (output / f"{stem}.png").exists()), None)
    if there is not None and not overwrite:
        raise OutputError(f"{there} is already there; choose another folder, or --overwrite")


def _choose_layers(
    layers: str | None, matcher: BlipMatcher, encoded: EncodedPrompts, files: list[Path]
) -> tuple[int, ...] | None:
    from vos.detectors.attention.segment import rank_layers
    from vos.errors import SettingsError

    if layers != "auto":
        return parse_layers(layers)
    if len(files) < 2:
        raise SettingsError("--layers auto compares images: give at least two, or name the layers")
    return rank_layers(matcher, encoded, read_images(files)).ranking[:2]


def _write(output: Path, path: Path, result: ImageClasses, names: tuple[str, ...]) -> dict[str, Any]:
    from vos.files import make_folder, write_bytes_atomic
    from vos.formats.index_png import encode_index_png

    make_folder(output)
    write_bytes_atomic(output / f"{path.stem}.png", encode_index_png(result.labels))
    classes = {
        name: {
            "match": round(float(result.gate[label]), 6),
            "share": float((result.labels == label).mean()),
        }
        for label, name in enumerate(names, start=1)
    }
    return {"image": path.name, "labels": f"{path.stem}.png", "classes": classes}


def _write_index(
    output: Path, names: tuple[str, ...], layers: tuple[int, ...], entries: list[dict[str, Any]]
) -> None:
    import json

    from vos.files import write_text_atomic

    labels = {str(label): name for label, name in enumerate(("background", *names))}
    content = {"labels": labels, "layers": list(layers), "images": entries}
    write_text_atomic(output / "classes.json", json.dumps(content, indent=2) + "\n")
