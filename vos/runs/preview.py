"""One frame as an image: to look coordinates up, and to see the first masks before a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..errors import InputError, OutputError, PromptError
from ..files import write_bytes_atomic
from ..formats.drawing import draw_overlay, font_size
from ..formats.index_png import encode_index_png
from ..frame import Frame
from ..prompting.decoding import DecodedPreview as Decoded
from ..prompting.decoding import decode_prompts, needs_backbone, preview_candidates
from ..prompting.merge import merge_targets
from ..prompts import Target
from ..results import FrameResult
from ..trackers.base import ALL_PROMPTS
from ..trackers.mask_tracker import mask_prompts
from .models import backbone_of, build_tracker_of
from .settings import TrackSettings

if TYPE_CHECKING:
    from ..backbones.base import Backbone
    from ..trackers.base import Tracker
    from ..video import Video

LINES = 8
"""About this many grid lines along the longer side."""
_ROUND = (1, 2, 5)
IMAGE_FORMATS = {".png": ".png", ".jpg": ".jpg", ".jpeg": ".jpg"}


@dataclass(frozen=True)
class Preview:
    """The first masks of some objects."""

    frame: int
    result: FrameResult
    image: NDArray[np.uint8]
    """(H, W, 3) RGB: the frame with the masks drawn over it."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON: index of the frame, and by object id its confidence and its area in pixels."""
        objects = {
            str(object_id): {
                "confidence": round(float(self.result.confidence[object_id]), 6),
                "area": area,
            }
            for object_id, area in self.result.areas().items()
        }
        return {"frame": self.frame, "objects": objects}


def frame_at(video: Video, index: int) -> Frame:
    """Frame ``index`` of a video, counted from 0.

    Raises:
        InputError: if the video has no such frame.
        MediaError: if it cannot be read.
    """
    found = next(video.frames(index, index + 1), None)
    if found is None:
        raise InputError(f"there is no frame {index}: the video has {video.count_frames()} frames, from 0 on")
    return found


def preview(
    video: Video,
    targets: Sequence[Target],
    settings: TrackSettings | None = None,
    *,
    grid: bool = False,
    tracker: Tracker | None = None,
    backbone: Backbone | None = None,
) -> Preview:
    """What ``vos track`` would start from: the masks of ``targets`` in the first frame that one is given in.

    Args:
        video: the frames.
        targets: prompts; those of later frames are left out.
        settings: the engine, and how overlays look.
        grid: draw coordinates over the image.
        tracker, backbone: to use in place of those that the settings name.

    Raises:
        PromptError, MediaError, ModelError: as :func:`vos.runs.track_video`.
    """
    settings = settings or TrackSettings()
    index = min(target.frame_index for target in targets)
    frame = frame_at(video, index)
    engine = tracker or build_tracker_of(settings)
    first = [target for target in targets if target.frame_index == index]
    if engine.info.accepts == ALL_PROMPTS:
        result = engine.start(frame, first)
    else:  # it begins with exactly these masks, and learning them would take longer than all the rest
        decoder = (backbone or backbone_of(engine)) if any(map(needs_backbone, first)) else None
        given = mask_prompts(frame, decode_prompts(frame, first, decoder))
        result = FrameResult(index, given.labels, given.confidence, source=given.source)
    names = {target.object_id: target.name for target in first if target.name}
    image = draw_grid(frame.image) if grid else frame.image
    return Preview(index, result, draw_overlay(image, result, settings=settings.overlay, names=names))


@dataclass(frozen=True)
class Offer:
    """What the prompt of one object may mean."""

    frame: int
    object_id: int
    candidates: tuple[Decoded, ...]
    """From small to large; the one that would be tracked has the highest confidence."""
    image: NDArray[np.uint8]
    """(H, K * W, 3) RGB: the frame once per candidate, each with its number."""

    @property
    def likeliest(self) -> int:
        """Index of the candidate that would be tracked."""
        return int(np.argmax([candidate.confidence for candidate in self.candidates]))

    def labels(self, index: int) -> NDArray[np.uint8]:
        """(H, W) of a candidate, as a mask file has it: the object's id, and 0."""
        return (self.candidates[index].mask * self.object_id).astype(np.uint8)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: index of the frame, the object, and confidence and area in pixels of its candidates."""
        return {
            "frame": self.frame,
            "object": self.object_id,
            "likeliest": self.likeliest + 1,
            "candidates": [
                {"confidence": round(c.confidence, 6), "area": int(c.mask.sum())} for c in self.candidates
            ],
        }


def offer(
    video: Video,
    targets: Sequence[Target],
    settings: TrackSettings | None = None,
    *,
    backbone: Backbone | None = None,
) -> Offer:
    """The candidates for the first prompt of one object, from small to large.

    Args:
        video: the frames.
        targets: points, a box, or both, of one object; those of later frames are left out.
        settings: the engine, whose backbone decodes, and how overlays look.
        backbone: to use in place of the one that the settings name.

    Raises:
        PromptError: for more than one object, or a prompt that is a mask.
        MediaError, ModelError: as :func:`vos.runs.track_video`.
    """
    settings = settings or TrackSettings()
    index = min(target.frame_index for target in targets)
    (target, *others) = merge_targets([target for target in targets if target.frame_index == index])
    if others or not needs_backbone(target):
        raise PromptError("candidates are those of one object's points or box: give one object, and no mask")
    frame = frame_at(video, index)
    model = backbone or backbone_of(build_tracker_of(settings))
    found = tuple(preview_candidates(frame, target.prompt, model))
    panels = []
    for number, candidate in enumerate(found, start=1):
        labels = (candidate.mask * target.object_id).astype(np.uint8)
        result = FrameResult(index, labels, {target.object_id: candidate.confidence})
        drawn = draw_overlay(frame.image, result, settings=settings.overlay)
        canvas = Image.fromarray(drawn)
        _number(ImageDraw.Draw(canvas), (4, 2), number, ImageFont.load_default(2 * font_size(drawn.shape[0])))
        panels.append(np.asarray(canvas))
    return Offer(index, target.object_id, found, np.concatenate(panels, axis=1))


def write_offer(path: Path, made: Offer, *, overwrite: bool = False) -> list[Path]:
    """Write the image of an offer, and beside it ``<stem>-1.png``, ``-2``, ...: masks to track from.

    Returns:
        The mask files.

    Raises:
        OutputError: as :func:`save_image`.
    """
    masks = [path.with_name(f"{path.stem}-{k + 1}.png") for k in range(len(made.candidates))]
    taken = [mask for mask in masks if mask.exists()]
    if taken and not overwrite:
        raise OutputError(f"{taken[0]} is already there: give --overwrite, or another name")
    save_image(path, made.image, overwrite=overwrite)
    for k, mask in enumerate(masks):
        write_bytes_atomic(mask, encode_index_png(made.labels(k)))
    return masks


def draw_grid(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A copy of an (H, W, 3) image with lines at round coordinates, numbered along the top and the left."""
    height, width = image.shape[:2]
    step = grid_step(max(height, width))
    drawn = image.copy()
    for x in range(step, width, step):
        drawn[:, x] = _contrast(image[:, x])
    for y in range(step, height, step):
        drawn[y] = _contrast(image[y])
    canvas = Image.fromarray(drawn)
    draw = ImageDraw.Draw(canvas)
    font = ImageFont.load_default(font_size(height))
    for x in range(0, width, step):
        _number(draw, (x + 2, 1), x, font)
    for y in range(step, height, step):
        _number(draw, (2, y + 1), y, font)
    return np.asarray(canvas)


def grid_step(side: int) -> int:
    """Pixels between two lines: 1, 2 or 5 times a power of ten, for about :data:`LINES` lines."""
    wanted = max(side / LINES, 1)
    power = 10 ** int(np.log10(wanted))
    return int(min((factor * power for factor in (*_ROUND, 10)), key=lambda step: abs(step - wanted)))


def _contrast(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Half-way to white where the image is dark, to black where it is bright: visible everywhere."""
    bright = pixels.mean(axis=-1, keepdims=True) > 127
    return np.where(bright, pixels // 2, 128 + pixels // 2).astype(np.uint8)


def _number(draw: ImageDraw.ImageDraw, place: tuple[int, int], value: int, font: Any) -> None:
    draw.text(place, str(value), font=font, fill="white", stroke_width=1, stroke_fill="black")


def save_image(path: Path, image: NDArray[np.uint8], *, overwrite: bool = False) -> None:
    """Write an (H, W, 3) RGB image as PNG or JPEG, by its extension.

    Raises:
        OutputError: another extension; the file is there and ``overwrite`` is not given; or it cannot be
            written.
    """
    extension = IMAGE_FORMATS.get(path.suffix.lower())
    if extension is None:
        raise OutputError(f"{path} is to be an image: name it .png or .jpg")
    if path.exists() and not overwrite:
        raise OutputError(f"{path} is already there: give --overwrite, or another name")
    done, data = cv2.imencode(extension, np.ascontiguousarray(image[..., ::-1]))
    assert done
    write_bytes_atomic(path, data.tobytes())
