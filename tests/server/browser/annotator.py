"""Somebody in front of the page: what they do, and what they see."""

from __future__ import annotations

from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray
from playwright.sync_api import Page, TimeoutError

from .barcode import BITS, centres

SECONDS = 60.0
"""After which something that does not come counts as missing."""

GEOMETRY = """() => {
  const { x, y, scale } = document.getElementById("overlay").dataset;
  const { left, top } = document.getElementById("stage").getBoundingClientRect();
  return [left + Number(x), top + Number(y), Number(scale)];
}"""

PIXELS = """([id, points]) => {
  const canvas = document.getElementById(id);
  const { x, y, scale } = document.getElementById("overlay").dataset;
  const ratio = canvas.width / canvas.clientWidth;
  const { width, height } = canvas;
  const { data } = canvas.getContext("2d").getImageData(0, 0, width, height);
  const at = (px, py) => 4 * (Math.round((Number(y) + (py + 0.5) * scale) * ratio - 0.5) * width
    + Math.round((Number(x) + (px + 0.5) * scale) * ratio - 0.5));
  if (points.length) return points.map(([px, py]) => data[at(px, py)]);
  return null;
}"""

OPAQUE = """([width, height]) => {
  const canvas = document.getElementById("overlay");
  const { x, y, scale } = canvas.dataset;
  const ratio = canvas.width / canvas.clientWidth;
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  const found = new Uint8Array(width * height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const px = Math.round((Number(x) + (column + 0.5) * scale) * ratio - 0.5);
      const py = Math.round((Number(y) + (row + 0.5) * scale) * ratio - 0.5);
      found[row * width + column] = data[4 * (py * canvas.width + px) + 3] > 0 ? 1 : 0;
    }
  }
  let text = "";
  for (const value of found) text += value;
  return text;
}"""


class Annotator:
    """Drives a page. Positions are (x, y) in pixels of the frame."""

    def __init__(self, page: Page) -> None:
        self.page = page
        page.set_default_timeout(1000 * SECONDS)

    def wait_until_shown(self, frame: int) -> Self:
        """Until a frame and its masks are on screen."""
        self.page.wait_for_selector(f'#overlay[data-frame="{frame}"][data-masks="current"]')
        return self

    def wait_for(self, text: str) -> str:
        """Until the line of messages contains a text; all of it."""
        condition = "(text) => document.getElementById('message').textContent.includes(text)"
        try:
            self.page.wait_for_function(condition, arg=text)
        except TimeoutError as error:
            raise AssertionError(f"{text!r} does not come; there is {self.message!r}") from error
        return self.message

    @property
    def message(self) -> str:
        """The line of messages."""
        return self.page.inner_text("#message")

    def press(self, *keys: str) -> Self:
        """Keys, one after the other."""
        for key in keys:
            self.page.keyboard.press(key)
        return self

    def go_to(self, frame: int) -> Self:
        """By the dialog."""
        self.press("g")
        self.page.fill("dialog input", str(frame))
        self.press("Enter")
        return self.wait_until_shown(frame)

    def on_screen(self, x: float, y: float) -> tuple[float, float]:
        """Where the centre of a pixel of the frame is in the window."""
        left, top, scale = self.page.evaluate(GEOMETRY)
        return left + (x + 0.5) * scale, top + (y + 0.5) * scale

    def click(self, x: float, y: float, **options: Any) -> Self:
        """The mouse on the frame."""
        self.page.mouse.click(*self.on_screen(x, y), **options)
        return self

    def drag(self, *points: tuple[float, float]) -> Self:
        """The mouse along points of the frame."""
        self.page.mouse.move(*self.on_screen(*points[0]))
        self.page.mouse.down()
        for point in points[1:]:
            self.page.mouse.move(*self.on_screen(*point))
        self.page.mouse.up()
        return self

    def mark(self, x: float, y: float) -> Self:
        """Click on an object, and keep what comes."""
        self.click(x, y)
        self.wait_for("Enter keeps it")
        self.press("Enter")
        self.wait_for("Kept")
        return self

    def track(self, key: str = "t") -> Self:
        """Until tracking is done."""
        self.press(key)
        self.wait_for("Tracking is done")
        return self

    def overlay(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """(H, W): where something is drawn over the frame. Labels of objects are switched off meanwhile."""
        self._labels(False)
        found = self.drawn(size)
        self._labels(True)
        return found

    def drawn(self, size: tuple[int, int]) -> NDArray[np.bool_]:
        """(H, W): where something is drawn over the frame, labels of objects included."""
        height, width = size
        text = self.page.evaluate(OPAQUE, [width, height])
        return np.frombuffer(text.encode(), np.uint8).reshape(height, width) == ord("1")

    def barcode(self) -> int:
        """The number in the picture on screen."""
        values = self.page.evaluate(PIXELS, ["picture", centres()])
        return sum((value > 127) << (BITS - 1 - bit) for bit, value in enumerate(values))

    def screenshot(self) -> bytes:
        """PNG of the page."""
        return self.page.screenshot()

    def _labels(self, wanted: bool) -> None:
        button = self.page.locator("[data-action=labels]")
        if (button.get_attribute("aria-pressed") == "true") != wanted:
            button.click()
            self.page.evaluate(
                "() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))"
            )


def iou(one: NDArray[np.bool_], two: NDArray[np.bool_]) -> float:
    """Intersection over union."""
    return float((one & two).sum() / max((one | two).sum(), 1))


def is_drawn(seen: NDArray[np.bool_], mask: NDArray[np.bool_]) -> bool:
    """Whether what is drawn over a frame is this mask and the line around it, two pixels wide at most."""
    around = cv2.dilate(mask.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    return bool(mask.any() and seen[mask].all() and not seen[~around].any())
