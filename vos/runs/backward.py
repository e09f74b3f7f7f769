"""Results of the pass backwards in time, kept on disk until the forward pass meets their frames."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from ..errors import OutputError
from ..files import make_folder, output_error, write_bytes_atomic
from ..frame import Frame
from ..results import FrameResult, Source

_OBJECTS = "objects"


class BackwardStore:
    """One PNG per frame, its values the labels, confidence and source in a text chunk.

    Args:
        folder: made where absent.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = make_folder(folder)

    def write(self, result: FrameResult) -> None:
        """Keep the result of one frame.

        Raises:
            OutputError: the disk is full, ...
        """
        text = PngImagePlugin.PngInfo()
        text.add_text(
            _OBJECTS,
            json.dumps({str(k): [float(result.confidence[k]), result.source[k]] for k in result.ids}),
        )
        buffer = io.BytesIO()
        image = Image.fromarray(np.ascontiguousarray(result.labels))
        image.save(buffer, format="PNG", compress_level=1, pnginfo=text)
        write_bytes_atomic(self._path(result.frame_index), buffer.getvalue())

    def read(self, frame: Frame) -> FrameResult:
        """What was kept for a frame.

        Raises:
            OutputError: if it is not there any more.
        """
        path = self._path(frame.index)
        try:
            with Image.open(path) as image:
                labels = np.array(image)
                objects = json.loads(image.info[_OBJECTS])
        except FileNotFoundError:
            raise OutputError(f"{path} is gone: run again with --overwrite to start over") from None
        except OSError as error:
            raise output_error(path, error) from error
        confidence = {int(k): value for k, (value, _) in objects.items()}
        source = {int(k): Source(name) for k, (_, name) in objects.items()}
        return FrameResult(frame.index, labels, confidence, source=source)

    def _path(self, index: int) -> Path:
        return self._folder / f"{index:08d}.png"


def merge(forward: FrameResult, backward: FrameResult, first_given: dict[int, int]) -> FrameResult:
    """The forward result, with objects that begin later filled in from the backward pass under it.

    Args:
        forward: objects first given at or before this frame.
        backward: objects first given at or after this frame; only those after it are taken.
        first_given: object id -> index of the first frame it is given in.
    """
    later = [k for k in backward.ids if first_given[k] > forward.frame_index]
    free = (forward.labels == 0) & np.isin(backward.labels, later)
    labels = np.where(free, backward.labels, forward.labels)
    return FrameResult(
        forward.frame_index,
        labels,
        {**forward.confidence, **{k: backward.confidence[k] for k in later}},
        source={**forward.source, **{k: backward.source[k] for k in later}},
    )
