"""Masks drawn over a frame: a tint, a contour, and a small label per object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, lru_cache

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from ..ops.boxes import tight_box
from ..results import MAX_OBJECTS, FrameResult, Labels, davis_palette, object_ids


@cache
def bright_palette() -> NDArray[np.uint8]:
    """(256, 3) uint8 RGB by object id: the colours of Okabe and Ito (Color Universal Design, 2008), repeated.

    Black, which is background here, is left out.
    """
    colours = [(0, 114, 178), (230, 159, 0), (0, 158, 115), (204, 121, 167), (86, 180, 233), (213, 94, 0)]
    colours.append((240, 228, 66))
    palette = np.array([(0, 0, 0), *(colours[n % len(colours)] for n in range(255))], dtype=np.uint8)
    palette.flags.writeable = False
    return palette


PALETTES = {"davis": davis_palette, "bright": bright_palette}
"""Name -> (256, 3) uint8 colours by object id."""


@dataclass(frozen=True)
class OverlaySettings:
    """How the overlay looks and is compressed.

    Raises:
        ValueError: for a value out of range.
    """

    alpha: float = 0.5
    """Weight of the object's colour inside its mask, 0 (the frame alone) to 1."""
    contour: bool = True
    """Draw a line along the inner edge of every mask."""
    labels: bool = True
    """Write id, name and score at every visible object."""
    palette: str = "bright"
    """``bright``: seven colours that colour-blind people can tell apart; ``davis``: as in index PNGs."""
    boxes: bool = False
    """Draw the box of every visible object."""
    crf: int = 20
    """x264's constant rate factor: 0 lossless, 18 hardly visible loss, 51 worst."""

    def __post_init__(self) -> None:
        if not 0 <= self.alpha <= 1:
            raise ValueError(f"alpha must be in 0..1, got {self.alpha}")
        if self.palette not in PALETTES:
            raise ValueError(f"palette must be {' or '.join(PALETTES)}, got {self.palette!r}")
        if not 0 <= self.crf <= 51:
            raise ValueError(f"crf must be in 0..51, got {self.crf}")


def draw_overlay(
    image: NDArray[np.uint8],
    segmentation: FrameResult,
    *,
    settings: OverlaySettings | None = None,
    names: Mapping[int, str] | None = None,
) -> NDArray[np.uint8]:
    """A copy of ``image`` (H, W, 3) RGB with the objects of ``segmentation`` marked as ``settings`` say.

    Pixels without an object are those of ``image``, labels apart.
    """
    settings = settings or OverlaySettings()
    drawn = image.copy()
    labels = segmentation.labels
    inside = labels > 0
    if not inside.any():
        return drawn
    palette = PALETTES[settings.palette]()
    tint = palette[colour_index(labels[inside])].astype(np.float32)
    mixed = image[inside].astype(np.float32) * (1 - settings.alpha) + tint * settings.alpha
    drawn[inside] = np.rint(mixed).astype(np.uint8)
    if settings.contour:
        edge = contour(labels, thickness=line_width(image.shape[0]))
        drawn[edge] = contour_colours(palette)[colour_index(labels[edge])]
    if settings.boxes:
        for object_id in object_ids(labels):
            box = tight_box(segmentation.mask(object_id))
            assert box is not None
            colour = palette[colour_index(np.array(object_id))].tolist()
            cv2.rectangle(drawn, box[:2], box[2:], colour, line_width(image.shape[0]))
    if settings.labels:
        _draw_labels(drawn, segmentation, names or {}, palette)
    return drawn


def contour(labels: Labels, *, thickness: int = 1) -> NDArray[np.bool_]:
    """(H, W) bool: object pixels within ``thickness`` (chessboard distance) of a pixel with another label.

    The border of the image is not an edge.
    """
    kernel = np.ones((2 * thickness + 1, 2 * thickness + 1), dtype=np.uint8)
    differs: NDArray[np.bool_] = cv2.dilate(labels, kernel) != cv2.erode(labels, kernel)
    return differs & (labels > 0)


def colour_index(ids: Labels) -> NDArray[np.uint8]:
    """Row of the palette for object ids: ids beyond 254 take the colours of 1 to 254 again."""
    return ((ids.astype(np.int64) - 1) % MAX_OBJECTS + 1).astype(np.uint8)


def contour_colours(palette: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(256, 3) uint8: the palette half-way to white, so that a line stands out from its own tint."""
    return ((palette.astype(np.uint16) + 255) // 2).astype(np.uint8)


def line_width(height: int) -> int:
    """Pixels: 1 up to 540 lines, 2 at 1080, 4 at 2160."""
    return max(1, round(height / 540))


def _draw_labels(
    drawn: NDArray[np.uint8],
    segmentation: FrameResult,
    names: Mapping[int, str],
    palette: NDArray[np.uint8],
) -> None:
    """Put a label above every visible object, moved into the image and off the labels already drawn."""
    taken: list[tuple[int, int, int, int]] = []
    for object_id in object_ids(segmentation.labels):
        box = tight_box(segmentation.mask(object_id))
        assert box is not None
        text = f"{object_id} {names.get(object_id, '')}".rstrip()
        if object_id in segmentation.confidence:
            text += f" · {segmentation.confidence[object_id]:.2f}"
        colour = tuple(int(c) for c in palette[colour_index(np.array(object_id))])
        label = _label_image(text, colour, font_size(drawn.shape[0]))
        place = _place(label.shape[:2], box, drawn.shape[:2], taken)
        if place is None:
            continue  # a label larger than the image
        x0, y0 = place
        height, width = label.shape[:2]
        taken.append((x0, y0, x0 + width, y0 + height))
        region = drawn[y0 : y0 + height, x0 : x0 + width]
        opacity = label[..., 3:].astype(np.float32) / 255
        region[:] = np.rint(region * (1 - opacity) + label[..., :3] * opacity).astype(np.uint8)


def font_size(height: int) -> int:
    """Pixels: about one fortieth of the image, at least legible."""
    return max(10, round(height / 40))


def _place(
    size: tuple[int, int],
    box: tuple[int, int, int, int],
    image_size: tuple[int, int],
    taken: list[tuple[int, int, int, int]],
) -> tuple[int, int] | None:
    """(x, y) of the top-left corner of a label of ``size`` (height, width); None if it cannot fit at all."""
    height, width = size
    if height > image_size[0] or width > image_size[1]:
        return None
    x0 = min(max(box[0], 0), image_size[1] - width)
    y0 = min(max(box[1] - height - 2, 0), image_size[0] - height)
    for step in range(image_size[0] // height):
        y = (y0 + step * height) % (image_size[0] - height + 1)
        if all(x0 >= t[2] or x0 + width <= t[0] or y >= t[3] or y + height <= t[1] for t in taken):
            return x0, y
    return x0, y0


@lru_cache(maxsize=1024)
def _label_image(text: str, colour: tuple[int, int, int], size: int) -> NDArray[np.uint8]:
    """(h, w, 4) uint8 RGBA: a dark rounded plate with a swatch of the object's colour and white text."""
    font = ImageFont.load_default(size)
    left, top, right, bottom = font.getbbox(text)
    pad, swatch = max(2, size // 4), size
    plate = Image.new("RGBA", (int(right - left) + swatch + 3 * pad, size + 2 * pad), (0, 0, 0, 0))
    draw = ImageDraw.Draw(plate)
    draw.rounded_rectangle((0, 0, plate.width - 1, plate.height - 1), radius=pad, fill=(20, 20, 20, 190))
    draw.rectangle(
        (pad, pad, pad + swatch - 1, pad + size - 1), fill=(*colour, 255), outline=(255, 255, 255, 255)
    )
    baseline = pad + (size - (bottom - top)) / 2 - top
    draw.text((swatch + 2 * pad - left, baseline), text, font=font, fill=(255, 255, 255, 255))
    return np.asarray(plate)
