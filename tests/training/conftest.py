"""The training code is no part of the package: it is imported from the repository."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from vos.testing import scene, write_images, write_labels

ROOT = Path(__file__).resolve().parent.parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))


@pytest.fixture(autouse=True)
def same_sums_everywhere(one_thread: None) -> None:
    """Sums come out the same whatever the machine."""


@pytest.fixture(scope="session")
def photographs_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two images of a person in the layout of the training data."""
    root = tmp_path_factory.mktemp("train")
    for kind in ("images", "labels"):
        (root / "ccp" / kind).mkdir(parents=True)
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        image = rng.integers(0, 256, (90, 120, 3), dtype=np.uint8)
        labels = np.zeros((90, 120), np.uint8)
        labels[20:70, 40:80] = 1
        cv2.imwrite(str(root / "ccp" / "images" / f"{name}.jpg"), image)
        cv2.imwrite(str(root / "ccp" / "labels" / f"{name}_0.png"), labels)
    return root


@pytest.fixture(scope="session")
def recordings_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three recorded clips of textures."""
    from training.nano.clips import ClipSettings, make_clip
    from training.nano.recordings import record, save
    from vos.trackers.classical.appearance import AppearanceSettings
    from vos.trackers.classical.tracker import ClassicalSettings

    folder = tmp_path_factory.mktemp("recordings")
    engine = ClassicalSettings(
        pixels=6000, appearance=AppearanceSettings(views=2, samples=400, iterations=30, batch=128)
    )
    for number in range(3):
        rng = np.random.default_rng((5, number))
        clip = make_clip(None, rng, ClipSettings(height=(64, 80), frames=3))
        save(record(clip, rng, engine), folder / f"{number:06d}.npz")
    return folder


@pytest.fixture(scope="session")
def small_davis() -> Callable[[Path], Path]:
    """Writes a data set of one short sequence to a folder, and returns the folder."""
    return _davis


def _davis(root: Path) -> Path:
    """A data set of one short sequence."""
    clip = scene("moving", num_frames=3, size=(48, 64))
    write_images(clip, root / "JPEGImages" / "480p" / "scene")
    write_labels(clip, root / "Annotations" / "480p" / "scene")
    (root / "ImageSets" / "2017").mkdir(parents=True)
    (root / "ImageSets" / "2017" / "dev.txt").write_text("scene\n")
    return root
