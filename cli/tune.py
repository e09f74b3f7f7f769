"""``vos tune``: sharpen a model on one labelled image per class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .language_options import build_matcher, encode_names, matcher_options, parse_layers
from .options import verbosity

if TYPE_CHECKING:
    from vos.detectors.attention.blip import BlipMatcher
    from vos.detectors.attention.tuning import Support


@click.command()
@click.option(
    "--support",
    "supports",
    multiple=True,
    required=True,
    metavar="IMAGE:MASK:NAME",
    help="An image, a mask of the class in it (PNG, not 0 is the class, 255 unknown), and the class; "
    "give one for each class.",
)
@click.option(
    "-o", "--output", required=True, type=click.Path(path_type=Path), metavar="FILE", help="File to write."
)
@click.option("--multi-prompt", is_flag=True, help="Tune with the synonyms of every class as well.")
@click.option("--layers", metavar="LIST", help="Text layers to tune and to read, such as 0,3.")
@click.option(
    "--passes", metavar="N", type=click.IntRange(min=1), help="Passes over the supports.  [default: 5]"
)
@click.option(
    "--learning-rate", type=float, metavar="X", help="Learning rate of AdamW, constant.  [default: 2e-4]"
)
@matcher_options
@verbosity
def tune(
    supports: tuple[str, ...],
    output: Path,
    multi_prompt: bool,
    layers: str | None,
    passes: int | None,
    learning_rate: float | None,
    quiet: bool,
    **model: Any,
) -> None:
    """Tune word embeddings and cross-attention on a few labelled images; use the result with --tuned.

    Pixels outside an image's mask count as background, so choose images without the other classes.
    """
    from vos.detectors.attention.tuning import TuningSettings, save_tuned
    from vos.detectors.attention.tuning import tune as run
    from vos.settings import override

    split = [_split(text) for text in supports]
    names = list(dict.fromkeys(name for _, _, name in split))
    settings = override(TuningSettings(), {"passes": passes, "learning_rate": learning_rate})
    matcher = build_matcher(**model)
    encoded = encode_names(matcher, names, multi_prompt=multi_prompt)
    chosen = parse_layers(layers) or matcher.default_layers
    labelled = [_support(matcher, image, mask, names.index(name) + 1) for image, mask, name in split]

    def show(step: int, loss: float) -> None:
        if not quiet:
            click.echo(f"step {step}: loss {loss:.4f}")

    run(matcher, encoded, labelled, chosen, settings, on_step=show)
    save_tuned(output, matcher, chosen, names)
    if not quiet:
        click.echo(f"{output}: layers {', '.join(map(str, chosen))}; classes {', '.join(names)}")


def _split(text: str) -> tuple[Path, Path, str]:
    from vos.errors import PromptError

    # From the right: a drive letter of Windows has a colon too.
    parts = text.rsplit(":", 2)
    if len(parts) != 3 or not all(part.strip() for part in parts):
        raise PromptError(f"--support must be IMAGE:MASK:NAME, got {text!r}")
    return Path(parts[0]), Path(parts[1]), parts[2].strip()


def _support(matcher: BlipMatcher, image: Path, mask: Path, label: int) -> Support:
    import numpy as np

    from vos.detectors.attention.tuning import make_support
    from vos.errors import PromptError
    from vos.evaluation.label_png import read_label_png
    from vos.results import VOID
    from vos.video.images import read_image

    marked = read_label_png(mask)
    labels = np.where(marked == VOID, VOID, np.where(marked > 0, label, 0)).astype(np.uint8)
    if not (labels == label).any():
        raise PromptError(f"the mask {mask} is empty; it must mark the class in {image}")
    return make_support(matcher, read_image(image), labels)
