"""Whole scenes: shapes over a panning textured background, with the exact label of every pixel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ..frame import Frame
from ..ops.boxes import tight_box
from ..prompts import Target, mask_targets
from ..results import FrameResult, Source, object_ids
from .kinds import KINDS, Stage
from .shapes import Path, Shape, line
from .texture import random_generator, texture, window

Box = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Scene:
    """A synthetic video and its truth."""

    frames: list[Frame]
    labels: NDArray[np.uint8]
    """(T, H, W) uint8: id of the frontmost object at every pixel centre, 0 for background."""
    ids: tuple[int, ...]
    """Ids of all objects of the scene, ascending, whether or not they are visible in frame 0."""

    @property
    def boxes(self) -> list[dict[int, Box]]:
        """Per frame, the (x0, y0, x1, y1) of every visible object by id, inclusive pixel indices."""
        return [
            {object_id: box for object_id in self.ids if (box := tight_box(labels == object_id))}
            for labels in self.labels
        ]

    def masks(self, object_id: int) -> NDArray[np.bool_]:
        """(T, H, W) bool masks of one object."""
        return self.labels == object_id

    def result(self, index: int) -> FrameResult:
        """The truth of one frame with the objects visible in it."""
        labels = self.labels[index]
        return FrameResult(index, labels.copy(), dict.fromkeys(object_ids(labels), 1.0), source=Source.USER)

    def targets(self, index: int) -> list[Target]:
        """The objects visible in one frame, prompted with their true masks."""
        return mask_targets(self.labels[index], frame_index=index)

    def __len__(self) -> int:
        return len(self.frames)


def scene(
    what: str | Sequence[Shape],
    *,
    num_frames: int = 24,
    size: tuple[int, int] = (120, 160),
    seed: int = 0,
    camera: Path | None = None,
    noise: int = 0,
    antialias: bool = False,
) -> Scene:
    """A synthetic video with exact truth, always the same for the same arguments.

    Args:
        what: a name in :data:`~vos.scenes.SCENES`, or the shapes, back to front.
        num_frames: T.
        size: (height, width) in pixels, any numbers from 1 on, odd ones too.
        seed: of textures, colours and noise, and of the small variations of a named scene.
        camera: background texel at the image's top left corner; shapes have image coordinates of their own.
            By default a named scene pans as it likes and a list of shapes stands still.
        noise: amplitude of sensor noise in grey levels, different in every frame.
        antialias: blend colours along outlines over one pixel; the labels are the same either way.

    Raises:
        ValueError: for an unknown name, fewer than one frame, or an empty image.

    Example:
        >>> from vos.scenes import scene
        >>> clip = scene("crossing", num_frames=12)
        >>> clip.labels.shape, clip.ids
        ((12, 120, 160), (1, 2))
    """
    frames, labels = [], []
    for frame, truth in stream(
        what, num_frames=num_frames, size=size, seed=seed, camera=camera, noise=noise, antialias=antialias
    ):
        frames.append(frame)
        labels.append(truth)
    stage = _stage(what, num_frames, size, seed)
    ids = sorted({shape.object_id for shape in stage.shapes} - {0})
    return Scene(frames, np.stack(labels), tuple(ids))


def stream(
    what: str | Sequence[Shape],
    *,
    num_frames: int = 24,
    size: tuple[int, int] = (120, 160),
    seed: int = 0,
    camera: Path | None = None,
    noise: int = 0,
    antialias: bool = False,
) -> Iterator[tuple[Frame, NDArray[np.uint8]]]:
    """The frames of :func:`scene` with their (H, W) uint8 labels, one at a time: for long videos."""
    if num_frames < 1 or min(size) < 1:
        raise ValueError(f"need at least one frame and one pixel, got {num_frames} frames of {size}")
    stage = _stage(what, num_frames, size, seed)
    camera = camera or stage.camera
    ground = texture(seed + 1000, stage.ground, 30.0)
    for index in range(num_frames):
        image = window(ground, *camera(index), size)
        labels = np.zeros(size, dtype=np.uint8)
        for shape in stage.shapes:
            _paint(image, labels, shape, index, antialias)
        if noise:
            image += random_generator(seed, index).integers(-noise, noise, image.shape, endpoint=True)
        pixels = np.clip(np.rint(image), 0, 255).astype(np.uint8)
        yield Frame(index, pixels, f"{index:05d}", index / 25), labels


def _stage(what: str | Sequence[Shape], num_frames: int, size: tuple[int, int], seed: int) -> Stage:
    if not isinstance(what, str):
        return Stage(tuple(what), line((0, 0)))
    if what not in KINDS:
        raise ValueError(f"unknown scene {what!r}; choose one of {', '.join(KINDS)}")
    return KINDS[what](num_frames, size, random_generator(seed))


def _paint(
    image: NDArray[np.float32], labels: NDArray[np.uint8], shape: Shape, index: int, antialias: bool
) -> None:
    """Draw one shape over what is there, in the part of the image it can reach."""
    height, width = labels.shape
    (x, y), reach = shape.centre(index), shape.reach(index)
    top, bottom = max(int(np.floor(y - reach)), 0), min(int(np.ceil(y + reach)) + 1, height)
    left, right = max(int(np.floor(x - reach)), 0), min(int(np.ceil(x + reach)) + 1, width)
    if top >= bottom or left >= right:
        return
    grid_y, grid_x = np.mgrid[top:bottom, left:right].astype(np.float64)
    distance = shape.signed_distance(index, grid_x, grid_y)
    inside = distance < 0
    labels[top:bottom, left:right][inside] = shape.object_id
    cover = np.clip(0.5 - distance, 0, 1) if antialias else inside
    alpha = cover.astype(np.float32)[..., None]
    patch = image[top:bottom, left:right]
    patch += alpha * (shape.shade(index, grid_x, grid_y) - patch)
