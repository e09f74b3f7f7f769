"""``vos tune``: fit a matching model to one labelled image per class."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .language_options import matcher_options, matcher_settings, parse_layers
from .options import verbosity

if TYPE_CHECKING:
    from vos.runs.tune import LabelledClass


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
    from vos.detectors.attention.tuning import TuningSettings
    from vos.runs.tune import tune_files
    from vos.settings import override

    def show(step: int, loss: float) -> None:
        if not quiet:
            click.echo(f"step {step}: loss {loss:.4f}")

    summary = tune_files(
        [_support(text) for text in supports],
        output,
        override(TuningSettings(), {"passes": passes, "learning_rate": learning_rate}),
        model=matcher_settings(model),
        layers=parse_layers(layers),
        multi_prompt=multi_prompt,
        on_step=show,
    )
    if not quiet:
        named = ", ".join(summary.names)
        click.echo(f"{output}: layers {', '.join(map(str, summary.layers))}; classes {named}")


def _support(text: str) -> LabelledClass:
    """Of ``IMAGE:MASK:NAME``."""
    from vos.errors import PromptError
    from vos.runs.tune import LabelledClass

    # From the right: a drive letter of Windows has a colon too.
    parts = text.rsplit(":", 2)
    if len(parts) != 3 or not all(part.strip() for part in parts):
        raise PromptError(f"--support must be IMAGE:MASK:NAME, got {text!r}")
    return LabelledClass(Path(parts[0]), Path(parts[1]), parts[2].strip())
