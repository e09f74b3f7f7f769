"""Loading transformers models from a folder or the local cache, whole or not at all; no download."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ..errors import ModelError


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
        with _without_bars():
            model, info = model_class.from_pretrained(
                str(checkpoint), local_files_only=True, output_loading_info=True, dtype=dtype
            )
            processor = processor_class.from_pretrained(str(checkpoint), local_files_only=True)
    except (OSError, ValueError, KeyError, AttributeError, RuntimeError, SafetensorError) as error:
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ModelError(f"no usable {model_class.__name__} at {checkpoint}: {reason} {hint}") from error
    absent = sorted(info["missing_keys"])
    if absent:
        raise ModelError(
            f"{checkpoint} is not a {model_class.__name__}: it lacks {len(absent)} weights, "
            f"such as {absent[0]}. {hint}"
        )
    return model, processor


@contextlib.contextmanager
def _without_bars() -> Iterator[None]:
    """The library draws a progress bar for weights that are there in a moment."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()
