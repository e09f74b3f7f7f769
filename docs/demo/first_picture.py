"""Make the README's first picture: a synthetic scene, tracked from boxes by the classical tracker.

    python docs/demo/first_picture.py docs/images/boxes.jpg

Prints the mean J over all frames and objects; the truth is exact.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image

import vos
from vos.formats.drawing import draw_overlay
from vos.testing import scene

MOMENTS = (0, 8, 16, 23)
"""Frames of the picture, from left to right."""
FIRST_ID = 1
"""Added to the ids of the scene."""
GAP = 6
"""White pixels between them."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="JPEG to write")
    arguments = parser.parse_args()
    clip = scene("crossing", num_frames=24, size=(180, 240))
    # Ids whose colours differ from the blue of the discs.
    boxes = [
        f"{k + FIRST_ID}:" + ",".join(str(int(side)) for side in box) for k, box in clip.boxes[0].items()
    ]
    results = list(vos.track(clip.frames, vos.load_prompts(boxes=boxes)))
    overlaps = []
    for result, truth in zip(results, clip.labels, strict=True):
        for k in clip.boxes[0]:
            mine, true = result.labels == k + FIRST_ID, truth == k
            overlaps.append(np.count_nonzero(mine & true) / max(1, np.count_nonzero(mine | true)))
    print(f"mean J {100 * np.mean(overlaps):.1f} %, lowest {100 * np.min(overlaps):.1f} %")
    plain = [clip.frames[k].image for k in MOMENTS]
    drawn = [draw_overlay(clip.frames[k].image, results[k]) for k in MOMENTS]
    rows = [np.hstack([_framed(image) for image in row]) for row in (plain, drawn)]
    Image.fromarray(np.vstack(rows)[:-GAP, :-GAP]).save(arguments.out, quality=88, optimize=True)


def _framed(image: np.ndarray) -> np.ndarray:
    return np.pad(image, ((0, GAP), (0, GAP), (0, 0)), constant_values=255)


if __name__ == "__main__":
    main()
