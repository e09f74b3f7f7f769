"""Loading transformers models from a folder or the local cache, whole or not at all; no download."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ...errors import ModelError
from ..matrix_products import speed_up


def load_pretrained(
    model_class: Any, processor_class: Any, checkpoint: str | Path, hint: str, *, dtype: str = "float32"
) -> tuple[Any, Any]:
    """The model and its tokenizer or processor. ``hint`` says what to do where that fails.

    The library fills weights that a checkpoint lacks with random ones and only warns; here that is an error.

    Raises:
        ModelError: if the checkpoint is absent, damaged, or of another kind of model.
    """
    from safetensors import SafetensorError

    try:
        with _silence():
            model, info = model_class.from_pretrained(
                str(checkpoint), local_files_only=True, output_loading_info=True, dtype=dtype
            )
            processor = processor_class.from_pretrained(str(checkpoint), local_files_only=True)
    except (OSError, ValueError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        raise ModelError(f"{_what_is_wrong(checkpoint, error)}. {hint}") from error
    absent = sorted(info["missing_keys"])
    if absent:
        raise ModelError(
            f"the model in {checkpoint} is of another kind, or not whole: it lacks {len(absent)} weights, "
            f"such as {absent[0]}. {hint}"
        )
    speed_up(model)
    return model, processor


def _what_is_wrong(checkpoint: str | Path, error: Exception) -> str:
    """Why there is no model, in the words of the user; the library's own where nothing is known."""
    place = Path(checkpoint)
    if isinstance(error, OSError) and not place.exists():
        return f"there is no folder {checkpoint}, and no model of that name in the local Hugging Face cache"
    if place.is_file():
        return f"{checkpoint} is a file; the model is a folder with config.json and model.safetensors"
    if place.is_dir() and not (place / "config.json").is_file():
        return f"the folder {checkpoint} holds no model: it has no config.json"
    if place.is_dir() and not any((*place.glob("*.safetensors"), *place.glob("*.bin"))):
        return f"the folder {checkpoint} holds no weights: it has no model.safetensors"
    reason = (str(error) or type(error).__name__).splitlines()[0].rstrip(". ")
    if reason.startswith("Unrecognized configuration class"):
        return f"the model in {checkpoint} is of another kind"
    return f"cannot read the model in {checkpoint}: {reason}"


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """No progress bar for weights that are there in a moment, and no table of those that are not: what is
    wrong with them is for the error to say, in a line."""
    from transformers.utils import logging

    bar, verbosity = logging.is_progress_bar_enabled(), logging.get_verbosity()
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(verbosity)
        if bar:
            logging.enable_progress_bar()
