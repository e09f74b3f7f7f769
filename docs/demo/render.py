"""Render a demonstration clip and its exact masks: what vos/assets/demo and vos/assets/train hold.

    python docs/demo/render.py OUT                    # all of it: about a quarter of an hour on one core
    python docs/demo/render.py OUT --clip train       # the clip of the tutorial
    python docs/demo/render.py OUT --masks-only       # the masks alone: half a minute
    python docs/demo/render.py OUT --size 320x180 --samples 4 --frames 0:96:12

The masks come out the same everywhere, pixel for pixel; the clip does up to the last digits of sines and the
video encoder. Frames already in OUT/frames are not rendered again, so a run can be interrupted; delete the
folder after changing the scene.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).parent))

from toyroom import darkroom, film
from toyroom.stories import STORIES
from toyroom.story import FPS, Story

from vos.results import davis_palette
from vos.runs.demo import CLIPS


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(arguments.threads)
    story, clip = STORIES[arguments.clip], CLIPS[arguments.clip]
    width, height = (
        (int(number) for number in arguments.size.split("x")) if arguments.size else story.size[::-1]
    )
    frames = range(story.num_frames)[slice(*(int(n) if n else None for n in arguments.frames.split(":")))]
    write_masks(story, arguments.out, clip.annotations, frames, (height, width))
    if not arguments.masks_only:
        samples = arguments.samples or story.num_samples
        write_pictures(story, arguments.out / "frames", frames, (height, width), samples)
        paths = [arguments.out / "frames" / f"{frame:05d}.png" for frame in frames]
        write_clip(paths, arguments.out / "clip.mp4", arguments.crf)
        print(f"{arguments.out / 'clip.mp4'}: {(arguments.out / 'clip.mp4').stat().st_size / 1e6:.2f} MB")


def write_masks(story: Story, out: Path, annotations: Path, frames: range, size: tuple[int, int]) -> None:
    """Indexed PNGs in the DAVIS layout, and the first one again as ``first_mask.png``."""
    folder = out / annotations
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        save_mask(film.true_labels(story, frame, size), folder / f"{frame:05d}.png")
    (out / "first_mask.png").write_bytes((folder / f"{frames[0]:05d}.png").read_bytes())


def save_mask(labels: NDArray[np.uint8], path: Path) -> None:
    """A label map as an indexed PNG, as small as it gets."""
    image = Image.fromarray(labels)
    image.putpalette(davis_palette().tobytes())
    image.save(path, optimize=True)


def write_pictures(story: Story, folder: Path, frames: range, size: tuple[int, int], samples: int) -> None:
    """Render the frames that are not there yet."""
    folder.mkdir(parents=True, exist_ok=True)
    for frame in frames:
        path = folder / f"{frame:05d}.png"
        if path.exists():
            continue
        start = time.perf_counter()
        image = darkroom.develop(darkroom.denoise(film.expose(story, frame, size, samples)), frame)
        aside = path.with_suffix(".part")
        Image.fromarray(image).save(aside, format="png")
        aside.rename(path)
        print(f"frame {frame}: {time.perf_counter() - start:.1f} s", flush=True)


def write_clip(paths: list[Path], out: Path, crf: int) -> None:
    """H.264 in MP4, 4:2:0, BT.709, playable while it loads."""
    import av

    with av.open(str(out), "w", options={"movflags": "+faststart"}) as container:
        options = {"crf": str(crf), "preset": "veryslow", "tune": "film"}
        stream = container.add_stream("libx264", rate=FPS, options=options)
        stream.pix_fmt = "yuv420p"
        stream.width, stream.height = Image.open(paths[0]).size
        context = stream.codec_context
        context.color_primaries = context.color_trc = context.colorspace = 1  # BT.709
        context.color_range = 1
        for path in paths:
            picture = av.VideoFrame.from_ndarray(np.asarray(Image.open(path)), "rgb24")
            container.mux(stream.encode(picture.reformat(format="yuv420p", dst_colorspace="ITU709")))
        container.mux(stream.encode())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder to write to")
    parser.add_argument("--clip", choices=STORIES, default="toys")
    parser.add_argument("--size", metavar="WxH", help="default: that of the clip")
    parser.add_argument("--samples", type=int, help="rays per pixel (default: that of the clip)")
    parser.add_argument("--frames", default=":", metavar="START:STOP:STEP", help="a slice of the frames")
    parser.add_argument("--crf", type=int, default=18, help="quality of the clip, lower is better and larger")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--masks-only", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
