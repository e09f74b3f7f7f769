"""How fast video files are read, beside OpenCV and decord, and how much memory it takes in both directions.

    python benchmarks/reading.py --video clip.mp4

Every row reads all frames as (H, W, 3) RGB arrays in memory; the best of a few repeats counts, taken in
turns so that a busy moment of the machine does not fall on one of them alone. Memory is the peak of a process
of its own over that of one that reads the first frame only, on synthetic 854x480 clips with a keyframe every
250 frames (Linux only).
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from importlib import metadata
from pathlib import Path
from typing import Any

import av
import cv2
from common import RESULTS, data_root, write_json

from vos.testing import stream
from vos.video import open_video

# The high-water mark of this program alone: the one getrusage gives begins with that of the parent process.
_PEAK = """
import re, sys
from vos.video import open_video
direction, path = sys.argv[1:]
frames = open_video(path).frames(stop=1 if direction == "first" else None, reverse=direction == "backwards")
count = sum(1 for _ in frames)
print(count, int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1]) / 2**10)
"""


def read_with_vos(path: Path, **options: Any) -> int:
    """Our readers."""
    reverse = options.pop("reverse", False)
    with open_video(path, **options) as video:
        return sum(frame.image.shape[2] == 3 for frame in video.frames(reverse=reverse))


def read_with_opencv(path: Path) -> int:
    """cv2.VideoCapture and a conversion from BGR."""
    capture = cv2.VideoCapture(str(path))
    count = 0
    while True:
        there, image = capture.read()
        if not there:
            return count
        cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        count += 1


def read_with_decord(path: Path) -> int:
    """decord alone, frame by frame."""
    import decord

    reader = decord.VideoReader(str(path))
    return sum(reader[i].asnumpy().shape[2] == 3 for i in range(len(reader)))


WAYS: dict[str, Callable[[Path], int]] = {
    "vos": read_with_vos,
    "vos --reader decord": lambda path: read_with_vos(path, reader="decord"),
    "vos, backwards": lambda path: read_with_vos(path, reverse=True),
    "vos --reader decord, backwards": lambda path: read_with_vos(path, reader="decord", reverse=True),
    "cv2.VideoCapture + cvtColor": read_with_opencv,
    "decord.VideoReader": read_with_decord,
}


def decord_version() -> str | None:
    """None where decord is not installed."""
    try:
        return metadata.version("decord")
    except metadata.PackageNotFoundError:
        return None


def speeds(path: Path, repeats: int) -> list[dict[str, Any]]:
    """Frames per second of every way that is installed."""
    ways = WAYS if decord_version() else {name: way for name, way in WAYS.items() if "decord" not in name}
    wall: dict[str, float] = {}
    processor: dict[str, float] = {}
    counts: dict[str, int] = {}
    for _ in range(repeats):
        for name, way in ways.items():
            start, start_processor = time.perf_counter(), time.process_time()
            counts[name] = way(path)
            seconds, processor_seconds = time.perf_counter() - start, time.process_time() - start_processor
            wall[name] = min(wall.get(name, seconds), seconds)
            processor[name] = min(processor.get(name, processor_seconds), processor_seconds)
    return [
        {
            "way": name,
            "frames": counts[name],
            "frames_per_second": round(counts[name] / wall[name], 1),
            "processor_ms_per_frame": round(1000 * processor[name] / counts[name], 2),
        }
        for name in ways
    ]


def write_clip(path: Path, num_frames: int) -> Path:
    """A synthetic 854x480 clip with a keyframe every 250 frames."""
    with av.open(str(path), "w") as container:
        output = container.add_stream(
            "libx264", rate=Fraction(25), options={"preset": "veryfast", "g": "250"}
        )
        output.width, output.height, output.pix_fmt = 854, 480, "yuv420p"
        for frame, _ in stream("moving", num_frames=num_frames, size=(480, 854)):
            container.mux(output.encode(av.VideoFrame.from_ndarray(frame.image, "rgb24")))
        container.mux(output.encode(None))
    return path


def memory(lengths: list[int]) -> list[dict[str, Any]]:
    """Peak memory of reading in both directions, for clips of several lengths."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for length in lengths:
            path = write_clip(Path(folder) / f"{length}.mp4", length)
            peaks = {}
            for direction in ("first", "forwards", "backwards"):
                command = [sys.executable, "-c", _PEAK, direction, str(path)]
                count, peak = subprocess.run(
                    command, capture_output=True, text=True, check=True
                ).stdout.split()
                peaks[direction] = float(peak)
                if direction != "first":
                    above = round(peaks[direction] - peaks["first"], 1)
                    rows.append(
                        {"way": f"vos, {direction}", "frames": int(count), "mib_above_one_frame": above}
                    )
    return rows


def main() -> None:
    """Measure, print, and write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--video", type=Path, default=data_root() / "clips_unlabelled" / "02_cups.mp4")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--lengths", type=int, nargs="*", default=[500, 2000])
    parser.add_argument("--json", type=Path, default=RESULTS / "reading.json")
    arguments = parser.parse_args()
    with open_video(arguments.video) as video:
        info = video.info
    settings = {
        "video": arguments.video.name,
        "size": f"{info.width}x{info.height}",
        "repeats": arguments.repeats,
        "decord": decord_version(),
    }
    rows = speeds(arguments.video, arguments.repeats)
    if sys.platform == "linux":
        rows += memory(arguments.lengths)
    for row in rows:
        print(*row.values(), sep="\t")
    write_json(arguments.json, "reading", settings, rows)


if __name__ == "__main__":
    main()
