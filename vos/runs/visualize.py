"""Results for looking at: overlays, comparisons with the truth, contact sheets, plots, GIF and WebP."""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import InputError, SettingsError
from ..files import refuse_input, replacing
from ..formats.base import VideoFacts
from ..formats.drawing import (
    PALETTES,
    OverlaySettings,
    colour_index,
    contour_colours,
    draw_overlay,
    line_width,
)
from ..formats.reading import Annotations
from ..formats.video_writer import X264, Encoding, VideoWriter
from ..formats.with_frames import ImageSource, audio_source, with_frames
from ..frame import Frame
from ..results import FrameResult, Labels, object_ids
from .plot import with_truth, write_plot

SUFFIXES = (".mp4", ".gif", ".webp", ".png", ".svg")
"""Video, animations, contact sheet, plot."""
PLOTS = (".svg", ".png")
HIT, MISS, FALSE = (0, 158, 115), (230, 159, 0), (213, 94, 0)
"""Colours of pixels that are right, left out, and too many."""
CELLS = 12
"""Images of a contact sheet."""
ANIMATION_WIDTH = 480
"""Pixels, at most: animations are for pages."""
DEFAULT_STEP = 0.04
"""Seconds between frames without times."""


def visualize(
    annotations: Annotations,
    output: Path,
    images: ImageSource | None,
    settings: OverlaySettings,
    *,
    truth: Annotations | None = None,
    trails: int = 0,
    plot: bool = False,
) -> None:
    """Write one image of a result; the suffix of ``output`` says which.

    Args:
        annotations: what to show.
        output: ``.mp4``, ``.gif``, ``.webp``, ``.png`` (contact sheet, or plot) or ``.svg`` (plot).
        images: the video; not needed for a plot.
        settings: how the overlay looks.
        truth: shown beside the overlay as hits, misses and false pixels; a plot shows J.
        trails: frames over which the way of an object's centroid is drawn, 0 for none.
        plot: draw confidence, area and J over the frames, as ``.svg`` always does.

    Raises:
        SettingsError: for another suffix.
        InputError: there is no frame, or the truth has other frames or another size.
        OutputError: ``output`` is the video, or one of its images.
    """
    suffix = output.suffix.lower()
    if suffix not in SUFFIXES:
        raise SettingsError(f"{output} must end in {', '.join(SUFFIXES)}: the suffix selects what is drawn")
    if plot and suffix not in PLOTS:
        raise SettingsError(f"{output}: a plot is written as {' or '.join(PLOTS)}")
    if plot or suffix == ".svg":
        write_plot(output, annotations, truth)
        return
    if images is None:
        raise InputError(f"{output} shows the frames: give the video with --video")
    refuse_input(output, images.paths)
    shown = _drawn(annotations, images, settings, truth, trails)
    if suffix == ".mp4":
        writer = _Shown(output, VideoFacts(annotations.fps, audio=audio_source(images)), settings.crf)
        with writer:
            for frame, image in shown:
                writer.drawn = image
                nothing = FrameResult(frame.index, np.zeros(frame.size, np.uint8))
                writer.write(frame, nothing)
    elif suffix == ".png":
        count = sum(1 for _ in annotations.records())
        _sheet(output, shown, count)
    else:
        _animation(output, shown, suffix[1:].upper())


class _Shown(VideoWriter):
    """A video of images that are drawn already."""

    def __init__(self, path: Path, facts: VideoFacts, crf: int) -> None:
        encoding = Encoding("libx264", "yuv420p", {**X264, "crf": str(crf)}, even=True)
        super().__init__(path, encoding, facts=facts)
        self.drawn: NDArray[np.uint8]

    def draw(self, frame: Frame, segmentation: FrameResult) -> NDArray[np.uint8]:
        return self.drawn


def _drawn(
    annotations: Annotations,
    images: ImageSource,
    settings: OverlaySettings,
    truth: Annotations | None,
    trails: int,
) -> Iterator[tuple[Frame, NDArray[np.uint8]]]:
    """Every frame with what is shown of it."""
    expected = None if truth is None else with_truth(annotations, truth)
    ways = Trails(trails, settings.palette) if trails else None
    for frame, result in with_frames(annotations, images):
        drawn = draw_overlay(frame.image, result, settings=settings, names=annotations.names)
        if ways is not None:
            ways.draw(drawn, result)
        if expected is not None:
            _, right = next(expected)
            drawn = np.hstack([drawn, compare(frame.image, result.labels, right.labels)])
        yield frame, drawn


class Trails:
    """The way of every object's centroid over the latest frames; broken where it was not visible.

    Args:
        length: frames.
        palette: a name in :data:`vos.formats.drawing.PALETTES`.
    """

    def __init__(self, length: int, palette: str) -> None:
        self._colours = contour_colours(PALETTES[palette]())
        self._places: deque[dict[int, tuple[int, int]]] = deque(maxlen=length + 1)

    def draw(self, drawn: NDArray[np.uint8], result: FrameResult) -> None:
        """Draw the ways up to this frame, the next one, onto ``drawn`` (H, W, 3)."""
        moments = {k: cv2.moments(result.mask(k).astype(np.uint8), True) for k in object_ids(result.labels)}
        centres = {k: (round(m["m10"] / m["m00"]), round(m["m01"] / m["m00"])) for k, m in moments.items()}
        self._places.append(centres)
        width = line_width(drawn.shape[0]) + 1
        for before, after in itertools.pairwise(self._places):
            for object_id in sorted(set(before) & set(after)):
                colour = self._colours[colour_index(np.array(object_id, np.uint16))].tolist()
                cv2.line(drawn, before[object_id], after[object_id], colour, width, cv2.LINE_AA)


def compare(image: NDArray[np.uint8], labels: Labels, truth: Labels) -> NDArray[np.uint8]:
    """(H, W, 3): hits green, misses orange, false pixels red (a wrong id is false) over a grey frame.

    Raises:
        InputError: the sizes differ.
    """
    if labels.shape != truth.shape:
        raise InputError(
            f"masks are {labels.shape[1]}x{labels.shape[0]}, the truth {truth.shape[1]}x{truth.shape[0]}"
        )
    grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
    drawn = np.repeat(np.asarray(grey)[..., None], 3, axis=2).astype(np.float32)
    hit = (labels == truth) & (labels > 0)
    for mask, colour in ((hit, HIT), ((labels == 0) & (truth > 0), MISS), ((labels > 0) & ~hit, FALSE)):
        drawn[mask] = drawn[mask] * 0.4 + np.array(colour, np.float32) * 0.6
    return np.rint(drawn).astype(np.uint8)


def _sheet(output: Path, shown: Iterator[tuple[Frame, NDArray[np.uint8]]], count: int) -> None:
    """At most :data:`CELLS` images, evenly over time, in rows of four."""
    wanted = set(np.linspace(0, count - 1, min(CELLS, count)).round().astype(int).tolist())
    cells = [_small(image) for n, (_, image) in enumerate(shown) if n in wanted]
    if not cells:
        raise InputError("there is no frame to show")
    cells += [np.zeros_like(cells[0])] * (-len(cells) % min(4, len(cells)))
    across = min(4, len(cells))
    sheet = np.vstack([np.hstack(cells[n : n + across]) for n in range(0, len(cells), across)])
    with replacing(output) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")


def _animation(output: Path, shown: Iterator[tuple[Frame, NDArray[np.uint8]]], kind: str) -> None:
    """A GIF or WebP that repeats; every frame lasts until the next."""
    images: list[Image.Image] = []
    times: list[float] = []
    for frame, image in shown:
        images.append(Image.fromarray(_small(image)))
        times.append(frame.index * DEFAULT_STEP if frame.time is None else frame.time)
    if not images:
        raise InputError("there is no frame to show")
    steps = [round(1000 * step) if step > 0 else round(1000 * DEFAULT_STEP) for step in np.diff(times)]
    steps.append(steps[-1] if steps else round(1000 * DEFAULT_STEP))
    with replacing(output) as temporary:
        images[0].save(
            temporary, format=kind, save_all=True, append_images=images[1:], duration=steps, loop=0
        )


def _small(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    if width <= ANIMATION_WIDTH:
        return image
    size = (ANIMATION_WIDTH, max(1, round(height * ANIMATION_WIDTH / width)))
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
