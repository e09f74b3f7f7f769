"""Results as curves over the frames: confidence, area, and J where the truth is known; SVG or PNG."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Protocol

from PIL import Image, ImageDraw, ImageFont

from ..errors import InputError
from ..evaluation.region import region_similarity
from ..files import replacing, write_text_atomic
from ..formats.drawing import bright_palette
from ..formats.reading import Annotations
from ..results import FrameResult, object_ids

Points = list[tuple[float, float]]

WIDTH, LEFT, RIGHT = 900, 40, 740
"""Pixels: of the image, and where its curves begin and end."""
HEIGHT, GAP, MARGIN = 180, 30, 20
"""Pixels: of a panel, above it, and below the last."""
FONT = 12
SCALE = 2
"""Pixels of a PNG per unit of the drawing."""


@dataclass
class Panel:
    """Curves of all objects over the same axes."""

    title: str
    top: float = 1.0
    """Value at the upper edge; the lower is 0."""
    curves: dict[int, list[tuple[int, float]]] = field(default_factory=dict)
    """By object, (frame index, value) in order."""

    def add(self, object_id: int, index: int, value: float) -> None:
        """One more point of an object's curve."""
        self.curves.setdefault(object_id, []).append((index, value))


def panels_of(annotations: Annotations, truth: Annotations | None = None) -> list[Panel]:
    """Confidence, where it is known, area, and J of every object, where the truth is given.

    Raises:
        InputError: there is no object, or the truth has other frames or another size.
    """
    confidence, area, similarity = Panel("confidence, 0 to 1"), Panel("area"), Panel("J, 0 to 1")
    for record in annotations.records():
        for found in record.objects:
            area.add(found.object_id, record.index, found.area)
            if found.confidence is not None:
                confidence.add(found.object_id, record.index, found.confidence)
    if not area.curves:
        raise InputError("there is no object to plot")
    area.top = max(value for curve in area.curves.values() for _, value in curve) or 1
    area.title = f"area, 0 to {area.top} px"
    if truth is not None:
        for result, right in with_truth(annotations, truth):
            for object_id in sorted({*object_ids(result.labels), *object_ids(right.labels)}):
                value = region_similarity(right.labels == object_id, result.labels == object_id)
                similarity.add(object_id, result.frame_index, value)
    return [panel for panel in (confidence, area, similarity) if panel.curves]


def with_truth(annotations: Annotations, truth: Annotations) -> Iterator[tuple[FrameResult, FrameResult]]:
    """Every frame with the truth of that name.

    Raises:
        InputError: the truth lacks a frame, or one is of another size.
    """
    expected = iter(truth)
    for frame, result in annotations:
        right = next((r for f, r in expected if f.name == frame.name), None)
        if right is None:
            raise InputError(f"the truth has no frame {frame.name}, or its frames are in another order")
        if right.labels.shape != result.labels.shape:
            (height, width), (high, wide) = result.labels.shape, right.labels.shape
            raise InputError(f"masks are {width}x{height}, the truth {wide}x{high}")
        yield result, right


def write_plot(output: Path, annotations: Annotations, truth: Annotations | None = None) -> None:
    """Draw :func:`panels_of` into an ``.svg`` or ``.png`` file.

    Raises:
        InputError: there is nothing to plot, or the truth does not fit.
    """
    panels = panels_of(annotations, truth)
    height = len(panels) * (HEIGHT + GAP) + MARGIN + GAP
    canvas: _Svg | _Png = _Svg(height) if output.suffix.lower() == ".svg" else _Png(height)
    ids = sorted({object_id for panel in panels for object_id in panel.curves})
    names = {k: f"{k} {annotations.names.get(k, '')}".rstrip() for k in ids}
    _draw(canvas, panels, names, height)
    canvas.save(output)


class _Canvas(Protocol):
    def text(self, x: float, y: float, text: str, colour: str) -> None: ...

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float) -> None: ...


def _draw(canvas: _Canvas, panels: Sequence[Panel], names: dict[int, str], height: int) -> None:
    indices = [index for panel in panels for curve in panel.curves.values() for index, _ in curve]
    first, last = min(indices), max(indices)
    span = max(last - first, 1)
    for number, panel in enumerate(panels):
        y = GAP + number * (HEIGHT + GAP)
        canvas.text(LEFT, y - 6, panel.title, "#000000")
        frame = [(LEFT, y), (RIGHT, y), (RIGHT, y + HEIGHT), (LEFT, y + HEIGHT), (LEFT, y)]
        canvas.line(frame, "#999999", 1)
        for object_id, curve in sorted(panel.curves.items()):
            for part in _unbroken(curve):
                points = [
                    (LEFT + (RIGHT - LEFT) * (index - first) / span, y + HEIGHT * (1 - value / panel.top))
                    for index, value in part
                ]
                x, y_end = points[-1]
                canvas.line([*points, (x + 0.1, y_end)], _colour(object_id), 2)
    for row, (object_id, name) in enumerate(names.items()):
        canvas.text(RIGHT + 15, GAP + FONT + 16 * row, name, _colour(object_id))
    canvas.text(LEFT, height - MARGIN, f"frame {first} to {last}", "#000000")


def _unbroken(curve: Sequence[tuple[int, float]]) -> Iterator[list[tuple[int, float]]]:
    """The stretches of a curve without missing frames; frames may have any step, the smallest that occurs."""
    step = min((b[0] - a[0] for a, b in itertools.pairwise(curve)), default=1)
    part: list[tuple[int, float]] = []
    for point in curve:
        if part and point[0] - part[-1][0] > step:
            yield part
            part = []
        part.append(point)
    yield part


def _colour(object_id: int) -> str:
    return "#" + bytes(bright_palette()[(object_id - 1) % 254 + 1]).hex()


class _Svg:
    def __init__(self, height: int) -> None:
        self._parts = [
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
            f'font-family="sans-serif" font-size="{FONT}">'
            f'<rect width="{WIDTH}" height="{height}" fill="white"/>'
        ]

    def text(self, x: float, y: float, text: str, colour: str) -> None:
        self._parts.append(f'<text x="{x}" y="{y}" fill="{colour}">{escape(text)}</text>')

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float) -> None:
        places = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        look = f'fill="none" stroke="{colour}" stroke-width="{width}" stroke-linecap="round"'
        self._parts.append(f'<polyline points="{places}" {look}/>')

    def save(self, path: Path) -> None:
        write_text_atomic(path, "\n".join([*self._parts, "</svg>"]) + "\n")


class _Png:
    def __init__(self, height: int) -> None:
        self._image = Image.new("RGB", (WIDTH * SCALE, height * SCALE), "white")
        self._draw = ImageDraw.Draw(self._image)
        self._font = ImageFont.load_default(FONT * SCALE)

    def text(self, x: float, y: float, text: str, colour: str) -> None:
        self._draw.text((x * SCALE, y * SCALE), text, fill=colour, font=self._font, anchor="ls")

    def line(self, points: Sequence[tuple[float, float]], colour: str, width: float) -> None:
        scaled = [(x * SCALE, y * SCALE) for x, y in points]
        self._draw.line(scaled, fill=colour, width=round(width * SCALE), joint="curve")

    def save(self, path: Path) -> None:
        with replacing(path) as temporary:
            self._image.save(temporary, format="PNG")
