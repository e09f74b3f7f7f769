"""Scenes as files, for tests of what reads files."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np

from ..scenes import Scene


def write_images(scene: Scene, folder: str | Path, suffix: str = ".png") -> list[Path]:
    """Each frame as ``<frame name><suffix>`` in ``folder``, which is made; the paths in order of time."""
    from PIL import Image

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{frame.name}{suffix}" for frame in scene.frames]
    for frame, path in zip(scene.frames, paths, strict=True):
        Image.fromarray(frame.image).save(path)
    return paths


def write_labels(scene: Scene, folder: str | Path) -> list[Path]:
    """Each label map as an indexed PNG ``<frame name>.png`` in ``folder``, which is made."""
    from PIL import Image

    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # Any palette will do for a test; these colours differ for ids 0..254 and void is white.
    steps = np.arange(255)
    colours = np.stack([steps * 67 % 256, steps * 151 % 256, steps * 211 % 256], axis=1)
    palette = [0, 0, 0, *colours[1:].ravel().tolist(), 255, 255, 255]
    paths = [folder / f"{frame.name}.png" for frame in scene.frames]
    for labels, path in zip(scene.labels, paths, strict=True):
        image = Image.fromarray(labels)
        image.putpalette(palette)
        image.save(path)
    return paths


def write_video(scene: Scene, path: str | Path, fps: int = 25) -> Path:
    """The frames as a lossless RGB video: FFV1, so ``path`` should end in ``.mkv``."""
    import av

    height, width = scene.labels.shape[1:]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=Fraction(fps))
        stream.width, stream.height, stream.pix_fmt = width, height, "bgr0"
        for frame in scene.frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.image, "rgb24")))
        container.mux(stream.encode())
    return Path(path)
