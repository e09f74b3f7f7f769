"""``vos track``: from a video and prompts to masks of every frame."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .class_options import class_options, take_class_settings
from .completion import complete, written_formats
from .format_options import format_option_flag, parse_names, parse_settings
from .memory_options import check_memory, memory_options, take_memory_settings
from .options import (
    counted,
    default_model,
    engine_options,
    existing_result,
    json_flag,
    load_config,
    output_folder,
    print_json,
    reading_options,
    url_option,
    verbosity,
)
from .progress import progress_bar
from .prompt_options import GivenPrompts, prompt_options
from .reference_options import (
    feature_options,
    place_features,
    reference_options,
    take_reference_settings,
)

if TYPE_CHECKING:
    from vos.runs import TrackSettings


@click.command()
@click.argument("video", metavar="VIDEO")
@prompt_options
@class_options
@reference_options
@feature_options
@output_folder
@engine_options(default="auto")
@memory_options
@click.option(
    "--key-every",
    type=click.IntRange(min=1),
    metavar="K",
    help="Track every K-th frame, and fill the frames between by optical flow.  [default: 1; auto chooses]",
)
@click.option(
    "--budget",
    type=click.FloatRange(min=0, min_open=True),
    metavar="SECONDS",
    help="Time per frame that the model chosen by auto may take.  [default: 2]",
)
@reading_options
@url_option
@existing_result
@click.option(
    "--write",
    "formats",
    multiple=True,
    metavar="FORMAT",
    shell_complete=complete(written_formats),
    help="Write this format as well, see `vos formats`. Repeatable. The formats overlay and coco are written "
    "unless --no-overlay and --no-coco leave them out.",
)
@format_option_flag
@click.option(
    "--name",
    "object_names",
    multiple=True,
    metavar="ID:NAME",
    help="Name of an object. Repeatable.",
)
@click.option("--overlay/--no-overlay", default=None, help="Write OUT/overlay.mp4 (default: yes).")
@click.option(
    "--overlay-palette",
    type=click.Choice(["bright", "davis"]),
    help="Colours of the overlay: bright (default, safe for colour-blind viewers), or those of the masks.",
)
@click.option("--coco/--no-coco", default=None, help="Write OUT/annotations.json (default: yes).")
@click.option(
    "--keep-states",
    type=click.IntRange(min=0),
    metavar="N",
    help="Tracker states kept in OUT/.states, one per 25 frames at most, of some MiB each. With --resume a "
    "finished run is extended from the newest (--end), or from the last one before a correction."
    "  [default: 1]",
)
@json_flag
@verbosity
def track(
    video: str,
    prompts: GivenPrompts,
    names: tuple[str, ...],
    exemplars: tuple[str, ...],
    references: tuple[str, ...],
    reference_masks: tuple[str, ...],
    output: Path,
    allow_url: bool,
    resume: bool,
    overwrite: bool,
    config: str | None,
    formats: tuple[str, ...],
    settings: tuple[str, ...],
    object_names: tuple[str, ...],
    overlay: bool | None,
    overlay_palette: str | None,
    coco: bool | None,
    as_json: bool,
    quiet: bool,
    **flags: Any,
) -> None:
    """Segment and track objects through VIDEO: a file, a folder of images, or a glob.

    Select objects with boxes, points or masks in one frame, or with a prompt file for any frames. Points and
    boxes are x,y in pixels; object ids are 1 to 65534 without 255 and are kept. Or give class names: detected
    objects get the ids 1, 2, ... Writes OUT/masks/*.png, OUT/overlay.mp4, OUT/annotations.json and
    OUT/run.json.

    \b
    vos track clip.mp4 --box 1:120,80,310,400 -o out
    vos track frames/ -m frames/first.png -o out
    vos track clip.mp4 --class dog --class "red car" --detect-every 25 -o out
    vos track clip.mp4 --reference mug.jpg --reference-mask mug.png -o out
    """
    from vos.runs import track_video
    from vos.settings import override
    from vos.video import open_video

    merged = settings_of(config, flags, references=bool(references))
    merged = override(merged, {"options": merged.options | parse_settings(settings)})
    if overlay_palette is not None:
        merged = override(merged, {"overlay": {"palette": overlay_palette}})
    switches = {"overlay": overlay, "coco": coco} | dict.fromkeys(formats, True)
    merged = override(merged, {"outputs": chosen(merged.outputs, switches)})
    given_names = parse_names(object_names, "--name")
    masks = (*prompts.files, *reference_masks)
    with open_video(video, **merged.reading(), leave_out=masks, allow_url=allow_url) as source:
        targets = select(
            source,
            prompts,
            names=names,
            exemplars=exemplars,
            references=(references, reference_masks),
        )
        with progress_bar(quiet=quiet) as advance:
            summary = track_video(
                source,
                named(targets, given_names),
                output,
                merged,
                resume=resume,
                overwrite=overwrite,
                progress=lambda p: advance(p.stage, p.done, p.total),
            )
    if as_json:
        print_json(summary.as_dict())
    elif not quiet:
        click.echo(describe(summary))


def settings_of(config: str | None, flags: dict[str, Any], *, references: bool) -> TrackSettings:
    """The settings of a run: the defaults of the command, a recipe over them, and the flags over both."""
    from vos.runs import TrackSettings
    from vos.settings import override
    from vos.video import parse_size

    if flags["size"] is not None:
        flags["size"] = parse_size(flags["size"])
    classes, memory = take_class_settings(flags), take_memory_settings(flags)
    finding, features = take_reference_settings(flags)
    recipe = load_config(config)
    own = {"keep_states": 1, **default_model(recipe, flags | features)}
    merged = override(TrackSettings(), own, recipe, flags, {"classes": classes, "reference": finding})
    check_memory(merged.model, memory)
    merged = override(merged, {"tracker": merged.tracker | memory})
    return place_features(merged, features, references=references)


def select(
    source: Any,
    prompts: GivenPrompts,
    *,
    names: tuple[str, ...],
    exemplars: tuple[str, ...],
    references: tuple[tuple[str, ...], tuple[str, ...]],
) -> Any:
    """What is tracked: prompts, class names or references, one of the three.

    Raises:
        PromptError: if there are two of them, or flags that belong to another.
    """
    from vos.errors import PromptError
    from vos.prompting.class_names import ClassNames
    from vos.prompting.exemplar import parse_exemplar
    from vos.prompting.reference import load_references

    others = bool(prompts) or (prompts.frame is not None and not exemplars)
    if names and (others or any(references)):
        raise PromptError(
            "--class cannot be combined with masks, points, boxes, prompt files or references: give one or "
            "the other"
        )
    if exemplars and not names:
        raise PromptError("--exemplar shows what a --class means; name the class too")
    if any(references) and others:
        raise PromptError(
            "--reference cannot be combined with masks, points, boxes or prompt files: give one or the other"
        )
    if any(references):
        return load_references(*references, video=source, **prompts.reading)
    if names:
        return ClassNames(names, tuple(map(parse_exemplar, exemplars)), prompts.frame if exemplars else None)
    return prompts.load(source)


def named(targets: Any, names: dict[int, str]) -> Any:
    """The targets with the names that were given for their ids."""
    from vos.errors import PromptError

    if not names:
        return targets
    if not isinstance(targets, list):
        raise PromptError(
            "--name is for objects that are given; --class and --reference name what they find themselves"
        )
    missing = sorted(set(names) - {target.object_id for target in targets})
    if missing:
        raise PromptError(f"--name is for object {missing[0]}, which no mask, point or box gives")
    return [dataclasses.replace(t, name=names[t.object_id]) if t.object_id in names else t for t in targets]


def chosen(outputs: tuple[str, ...], flags: dict[str, bool | None]) -> list[str]:
    """The outputs of the settings, with those switched on or off that a flag was given for."""
    kept = [name for name in outputs if flags.get(name) is not False]
    return kept + [name for name, wanted in flags.items() if wanted and name not in kept]


def describe(summary: Any) -> str:
    """The summary for people."""
    done = f"{counted(summary.frames, 'frame')}, {counted(len(summary.objects), 'object')}"
    head = f"{done}, {summary.seconds['total']:.1f} s ({summary.seconds_per_frame:.3f} s per frame)"
    named = ", ".join(f"{object_id} {name}" for object_id, name in sorted(summary.names.items()))
    rows = {"names": named} | summary.files if named else summary.files
    width = max(8, *map(len, rows)) + 1
    return "\n".join([head, *(f"{name + ':':{width}} {value}" for name, value in rows.items())])
