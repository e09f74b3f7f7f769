"""Results for looking at: overlays, comparisons with the truth, contact sheets, plots, GIF and WebP."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from ..errors import InputError, SettingsError
from ..files import replacing, write_text_atomic
from ..formats.base import VideoFacts
from ..formats.drawing import OverlaySettings, bright_palette, draw_overlay
from ..formats.reading import Annotations
from ..formats.video_writer import X264, Encoding, VideoWriter
from ..formats.with_frames import Pictures, audio_source, with_frames
from ..frame import Frame
from ..results import FrameResult, Labels

SUFFIXES = (".mp4", ".gif", ".webp", ".png", ".svg")
"""Video, animations, contact sheet, plot."""
HIT, MISS, FALSE = (0, 158, 115), (230, 159, 0), (213, 94, 0)
"""Colours of pixels that are right, left out, and too many."""
CELLS = 12
"""Pictures of a contact sheet."""
ANIMATION_WIDTH = 480
"""Pixels, at most: animations are for pages."""
DEFAULT_STEP = 0.04
"""Seconds between frames without times."""


def visualize(
    annotations: Annotations,
    output: Path,
    pictures: Pictures | None,
    settings: OverlaySettings,
    *,
    truth: Annotations | None = None,
) -> None:
    """Write one picture of a result; the suffix of ``output`` says which.

    Args:
        annotations: what to show.
        output: ``.mp4``, ``.gif``, ``.webp``, ``.png`` (contact sheet) or ``.svg`` (confidence and area).
        pictures: the video; not needed for ``.svg``.
        settings: how the overlay looks.
        truth: shown beside the overlay as hits, misses and false pixels.

    Raises:
        SettingsError: for another suffix.
        InputError: there is no frame, or the truth has other frames or another size.
    """
    suffix = output.suffix.lower()
    if suffix not in SUFFIXES:
        raise SettingsError(f"{output} must end in {', '.join(SUFFIXES)}: that says what is drawn")
    if suffix == ".svg":
        write_text_atomic(output, plot(annotations))
        return
    if pictures is None:
        raise InputError(f"{output} shows the frames: give the video with --video")
    shown = _drawn(annotations, pictures, settings, truth)
    if suffix == ".mp4":
        writer = _Shown(output, VideoFacts(annotations.fps, audio=audio_source(pictures)), settings.crf)
        with writer:
            for frame, picture in shown:
                writer.drawn = picture
                nothing = FrameResult(frame.index, np.zeros(frame.size, np.uint8))
                writer.write(frame, nothing)
    elif suffix == ".png":
        count = sum(1 for _ in annotations.records())
        _sheet(output, shown, count)
    else:
        _animation(output, shown, suffix[1:].upper())


class _Shown(VideoWriter):
    """A video of pictures that are drawn already."""

    def __init__(self, path: Path, facts: VideoFacts, crf: int) -> None:
        encoding = Encoding("libx264", "yuv420p", {**X264, "crf": str(crf)}, even=True)
        super().__init__(path, encoding, facts=facts)
        self.drawn: NDArray[np.uint8]

    def picture(self, frame: Frame, segmentation: FrameResult) -> NDArray[np.uint8]:
        return self.drawn


def _drawn(
    annotations: Annotations, pictures: Pictures, settings: OverlaySettings, truth: Annotations | None
) -> Iterator[tuple[Frame, NDArray[np.uint8]]]:
    """Every frame with what is shown of it."""
    expected = None if truth is None else iter(truth)
    for frame, result in with_frames(annotations, pictures):
        drawn = draw_overlay(frame.image, result, settings=settings, names=annotations.names)
        if expected is not None:
            right = next((r for f, r in expected if f.name == frame.name), None)
            if right is None:
                raise InputError(f"the truth has no frame {frame.name}, or its frames are in another order")
            drawn = np.hstack([drawn, compare(frame.image, result.labels, right.labels)])
        yield frame, drawn


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
    """At most :data:`CELLS` pictures, evenly over time, in rows of four."""
    wanted = set(np.linspace(0, count - 1, min(CELLS, count)).round().astype(int).tolist())
    cells = [_small(picture) for n, (_, picture) in enumerate(shown) if n in wanted]
    if not cells:
        raise InputError("there is no frame to show")
    cells += [np.zeros_like(cells[0])] * (-len(cells) % min(4, len(cells)))
    across = min(4, len(cells))
    sheet = np.vstack([np.hstack(cells[n : n + across]) for n in range(0, len(cells), across)])
    with replacing(output) as temporary:
        Image.fromarray(sheet).save(temporary, format="PNG")


def _animation(output: Path, shown: Iterator[tuple[Frame, NDArray[np.uint8]]], kind: str) -> None:
    """A GIF or WebP that repeats; every frame lasts until the next."""
    pictures: list[Image.Image] = []
    times: list[float] = []
    for frame, picture in shown:
        pictures.append(Image.fromarray(_small(picture)))
        times.append(frame.index * DEFAULT_STEP if frame.time is None else frame.time)
    if not pictures:
        raise InputError("there is no frame to show")
    steps = [round(1000 * step) if step > 0 else round(1000 * DEFAULT_STEP) for step in np.diff(times)]
    steps.append(steps[-1] if steps else round(1000 * DEFAULT_STEP))
    with replacing(output) as temporary:
        pictures[0].save(
            temporary, format=kind, save_all=True, append_images=pictures[1:], duration=steps, loop=0
        )


def _small(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    if width <= ANIMATION_WIDTH:
        return picture
    size = (ANIMATION_WIDTH, max(1, round(height * ANIMATION_WIDTH / width)))
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def plot(annotations: Annotations) -> str:
    """SVG: confidence (0 to 1) and area (as a part of the largest) of every object over the frames."""
    confidence: dict[int, list[tuple[int, float]]] = {}
    area: dict[int, list[tuple[int, float]]] = {}
    for record in annotations.records():
        for found in record.objects:
            area.setdefault(found.object_id, []).append((record.index, found.area))
            if found.confidence is not None:
                confidence.setdefault(found.object_id, []).append((record.index, found.confidence))
    indices = [index for line in area.values() for index, _ in line]
    if not indices:
        raise InputError("there is no object to plot")
    largest = max(value for line in area.values() for _, value in line) or 1
    first, span = min(indices), max(max(indices) - min(indices), 1)
    parts = [
        '<svg xmlns="http://www.w3.org/2000/svg" width="900" height="460" font-family="sans-serif" '
        'font-size="12"><rect width="900" height="460" fill="white"/>'
    ]
    panels = ((confidence, 1.0, "confidence, 0 to 1", 30), (area, largest, f"area, 0 to {largest} px", 240))
    for lines, top, title, y in panels:
        parts.append(f'<rect x="40" y="{y}" width="700" height="180" fill="none" stroke="#999"/>')
        parts.append(f'<text x="40" y="{y - 6}">{title}</text>')
        for object_id, line in sorted(lines.items()):
            points = " ".join(
                f"{40 + 700 * (index - first) / span:.1f},{y + 180 * (1 - value / top):.1f}"
                for index, value in line
            )
            colour = "#" + bytes(bright_palette()[(object_id - 1) % 254 + 1]).hex()
            parts.append(f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2"/>')
    for row, object_id in enumerate(sorted(area)):
        colour = "#" + bytes(bright_palette()[(object_id - 1) % 254 + 1]).hex()
        name = escape(f"{object_id} {annotations.names.get(object_id, '')}".rstrip())
        parts.append(f'<text x="755" y="{42 + 16 * row}" fill="{colour}">{name}</text>')
    parts.append(f'<text x="40" y="440">frame {first} to {first + span}</text></svg>\n')
    return "\n".join(parts)
