"""Frames of real clips, and masks where a teacher and the built-in backbone agree on an object.

``python -m training.nano.real_clips --clips FOLDER --teacher FILE.tflite --out FOLDER`` writes one file per
video: JPEG frames, and tracks of one object each as :func:`training.nano.footage.clips_of` finds them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np
import torch

from .footage import FootageSettings, Teacher, asked_twice, clips_of
from .footage import _read as read_frames

SETTINGS = FootageSettings(
    pixels=115_000, every=6, strides=(1, 2), frames=6, least=3, area=(0.004, 0.35), steady=0.25
)


def main() -> None:
    """Write the file of every video that has none."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=Path, required=True, help="folder of videos")
    parser.add_argument("--teacher", type=Path, required=True, help="a .tflite file of DeepLabv3")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--each", type=int, default=16, help="tracks tried per video")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    teacher = Teacher(options.teacher)
    options.out.mkdir(parents=True, exist_ok=True)
    for number, path in enumerate(sorted(options.clips.glob("*.mp4"))):
        target = options.out / f"{path.stem}.npz"
        if target.exists():
            continue
        frames = read_frames(path, SETTINGS)
        maps = [asked_twice(teacher, frame) for frame in frames]
        index = {id(frame): t for t, frame in enumerate(frames)}
        arrays = {}
        for t, frame in enumerate(frames):
            arrays[f"frame{t}"] = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 95])[1]
        rng = np.random.default_rng((0, number))
        kept = 0
        for clip in clips_of(frames, maps, options.each, rng, SETTINGS):
            arrays[f"times{kept}"] = np.array([index[id(image)] for image in clip.images])
            arrays[f"labels{kept}"] = np.stack(clip.labels)
            kept += 1
        np.savez_compressed(target, **arrays)
        print(f"{path.name}: {len(frames)} frames, {kept} tracks", flush=True)


if __name__ == "__main__":
    main()
