"""The screenshots of docs/annotate.md: ``VOS_SCREENSHOTS=docs/images pytest -m slow`` with this file."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vos.scenes.shapes import line, loop
from vos.testing import Scene, Shape, scene, write_images

from .annotator import Annotator
from .conftest import FRAMES, Server

pytestmark = pytest.mark.slow
SIZE = (270, 480)
QUALITY = 85


@pytest.fixture(scope="session")
def truth() -> Scene:
    """Three shapes, larger and without a bar code."""
    shapes = [
        Shape(1, line((110, 140), (2.2, 0.4)), 46, "blob", colour=(220, 110, 60), texture_seed=1, spin=0.02),
        Shape(2, loop((330, 130), (70, 30), 80), 38, "box", colour=(80, 120, 210), texture_seed=2),
        Shape(3, line((420, 225), (-1.5, -0.2)), 26, "disc", colour=(225, 215, 120), texture_seed=3),
    ]
    return scene(shapes, num_frames=FRAMES, size=SIZE, antialias=True)


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory, truth: Scene) -> Path:
    folder = tmp_path_factory.mktemp("screenshots") / "shapes"
    write_images(replace(truth), folder)
    return folder


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Annotator, str], None]:
    """Writes a screenshot as a small file."""
    folder = Path(os.environ.get("VOS_SCREENSHOTS", tmp_path))

    def write(annotator: Annotator, name: str) -> None:
        annotator.page.mouse.move(640, 15)
        annotator.page.wait_for_timeout(300)
        picture = Image.open(io.BytesIO(annotator.screenshot())).convert("RGB")
        picture.save(folder / f"annotate-{name}.webp", quality=QUALITY, method=6)

    return write


def test_screenshots(
    server: Server, open_page: Callable[..., Annotator], save: Callable[[Annotator, str], None], truth: Scene
) -> None:
    """From the first click to the export."""
    annotator = open_page(server.address, is_new=True, color_scheme="light").wait_until_shown(0)
    page = annotator.page
    annotator.click(*centre(truth, 0, 1))
    annotator.wait_for("Enter keeps it")
    save(annotator, "click")
    annotator.press("Enter")
    annotator.wait_for("Kept")
    for object_id in (2, 3):
        annotator.press("n").mark(*centre(truth, 0, object_id))
    annotator.track("Shift+T")
    page.fill("#object-name", "ball")
    page.press("#object-name", "Enter")
    annotator.press("j")
    page.wait_for_selector("#queue [aria-current=true]")
    save(annotator, "review")
    annotator.press("Shift+A")
    annotator.wait_for("Accepted")
    annotator.go_to(60).press("1", "p").drag((190, 120), (215, 150), (230, 180))
    annotator.wait_for("Enter keeps it")
    save(annotator, "correct")
    annotator.press("Escape", "q", "?")
    save(annotator, "keys")
    annotator.press("Escape", "Control+e")
    page.wait_for_selector("dialog fieldset")
    page.emulate_media(color_scheme="dark")
    save(annotator, "export")


def centre(truth: Scene, frame: int, object_id: int) -> tuple[float, float]:
    """Of an object."""
    rows, columns = np.nonzero(truth.labels[frame] == object_id)
    return float(columns.mean()), float(rows.mean())
