"""Other views of the one frame whose labels are known, so that a classifier learns the object and not this
one image of it.

The object is cut out, the hole behind it filled, the background moved, and the object pasted back: a small
relative of Lucid Data Dreaming (Khoreva et al., 2019). Without it a classifier that sees the surroundings
of a pixel learns that the object is what stands before *this* piece of wall.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from ...arrays import Image
from ...ops.boxes import tight_box
from ...results import VOID, Labels

PREFILTER = 0.35
"""Standard deviation, in pixels of a smaller view, of the blur before it is sampled. With cubic sampling
views are as sharp as the images to be classified, which are averaged to their size."""
SOFT = 4
"""Pixels past the outline at which a pasted object is fully transparent."""


@dataclass(frozen=True)
class AugmentationSettings:
    """How far a view may differ from the frame that it is made of."""

    scale: float = 0.25
    """Largest change of size, as a natural logarithm: objects come nearer and go away."""
    rotation: float = 15.0
    """Largest turn in degrees."""
    mirrored: float = 0.3
    """Share of views that are mirrored: objects turn round."""
    gain: float = 0.05
    """Largest relative change of brightness."""
    bias: float = 4.0
    """Largest change of brightness in grey levels."""
    blurred: float = 0.3
    """Share of views with a little blur: fast objects smear."""
    background_shift: tuple[float, float] = (0.3, 0.15)
    """Largest shift of the background, as fractions of width and height."""


def view(
    image: Image,
    labels: Labels,
    background: Image,
    scale: float,
    settings: AugmentationSettings,
    rng: np.random.Generator,
) -> tuple[Image, Labels]:
    """A random view of a labelled frame, about ``scale`` times its size.

    Args:
        image: (H, W, 3) uint8 RGB.
        labels: (H, W) ids.
        background: (H, W, 3) uint8, the frame without its objects: see :func:`fill`.
        scale: size of the view over size of the frame, before the random change.
        rng: where all chance comes from.

    Returns:
        The view (h, w, 3) and its labels (h, w), VOID where the view looks past the frame:
        these pixels are never learned from.
    """
    pasted = _paste(image, labels, background, settings, rng)
    zoom = scale * float(np.exp(rng.uniform(-settings.scale, settings.scale)))
    angle = float(rng.uniform(-settings.rotation, settings.rotation))
    height, width = labels.shape
    size = (max(8, int(width * zoom)), max(8, int(height * zoom)))
    turn = np.vstack([cv2.getRotationMatrix2D((width / 2, height / 2), angle, 1.0), [0, 0, 1]])
    resize = np.diag([size[0] / width, size[1] / height, 1.0])
    if rng.random() < settings.mirrored:
        resize[0] = -resize[0]
        resize[0, 2] = size[0] - 1
    matrix = (resize @ turn)[:2]
    if zoom < 1:  # warpAffine samples points: blur first, or fine texture aliases
        pasted = cv2.GaussianBlur(pasted, (0, 0), PREFILTER / zoom)
    seen = cv2.warpAffine(pasted, matrix, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    seen_labels = cv2.warpAffine(
        labels, matrix, size, flags=cv2.INTER_NEAREST, borderMode=cv2.BORDER_CONSTANT, borderValue=VOID
    )
    gain = 1 + rng.uniform(-settings.gain, settings.gain)
    bias = rng.uniform(-settings.bias, settings.bias)
    seen = cv2.LUT(seen, np.clip(np.arange(256) * gain + bias, 0, 255).astype(np.uint8))
    if rng.random() < settings.blurred:
        seen = cv2.GaussianBlur(seen, (0, 0), float(rng.uniform(0.7, 2.0)))
    return seen, seen_labels


def fill(image: Image, labels: Labels) -> Image:
    """The frame with its objects painted over by what surrounds them, from coarse averages; a frame that
    is all object stays as it is."""
    height, width = labels.shape
    hole = cv2.dilate((labels > 0).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
    known = (~hole).astype(np.float32)
    filled = image.astype(np.float32)
    seen = filled * known[..., None]
    done = ~hole
    step = 4
    while not done.all() and step < 2 * max(height, width):
        size = (max(1, width // step), max(1, height // step))
        weight = cv2.resize(known, size, interpolation=cv2.INTER_AREA)
        total = cv2.resize(seen, size, interpolation=cv2.INTER_AREA)
        mean = cv2.resize(total / np.maximum(weight, 1e-6)[..., None], (width, height))
        near = cv2.resize(weight, (width, height), interpolation=cv2.INTER_NEAREST) > 0.02
        new = near & ~done
        filled[new] = mean[new]
        done |= new
        step *= 2
    return np.clip(filled, 0, 255).astype(np.uint8)


def _paste(
    image: Image, labels: Labels, background: Image, settings: AugmentationSettings, rng: np.random.Generator
) -> Image:
    """The objects where they are, before a background that was moved and perhaps mirrored."""
    height, width = labels.shape
    dx = rng.uniform(-1, 1) * settings.background_shift[0] * width
    dy = rng.uniform(-1, 1) * settings.background_shift[1] * height
    mirrored = rng.random() < 0.5
    matrix = np.array([[-1, 0, width - 1 + dx], [0, 1, dy]] if mirrored else [[1, 0, dx], [0, 1, dy]])
    moved = cv2.warpAffine(background, matrix, (width, height), borderMode=cv2.BORDER_REFLECT)
    box = tight_box(labels > 0)
    if box is None:
        return moved
    part = np.s_[max(0, box[1] - SOFT) : box[3] + 1 + SOFT, max(0, box[0] - SOFT) : box[2] + 1 + SOFT]
    alpha = cv2.GaussianBlur((labels[part] > 0).astype(np.float32), (0, 0), 0.8)[..., None]
    moved[part] = (moved[part] * (1 - alpha) + image[part] * alpha).astype(np.uint8)
    return moved
