"""Peak memory of ``vos track`` on a short and on a long video: it must not grow with length.

    python benchmarks/memory.py --frames 200 2000
    python benchmarks/memory.py --frames 100 500 --model mobile-sam --json benchmarks/results/memory-sam.json

The video is synthetic, 854x480, H.264, written frame by frame to a temporary folder. Every run is a process
of its own, whose peak resident memory the system counts; one more reads the first frame only, so that what
imports and models cost is seen. A SAM runs with pseudo-random weights.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
from common import RESULTS, write_json
from sam import CONFIGS

from vos.formats.index_png import encode_index_png
from vos.testing import stream, write_sam_checkpoint

SIZE = (480, 854)

# resource.getrusage tells the peak of all children that have ended: hence one child per interpreter.
_RUN = """
import json, resource, subprocess, sys
done = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE)
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
unit = 2**20 if sys.platform == "darwin" else 2**10
print(json.dumps({"code": done.returncode, "peak_mib": peak / unit}))
"""


def make_video(folder: Path, num_frames: int) -> tuple[Path, Path]:
    """A synthetic clip and the index mask of its first frame."""
    video, mask = folder / "clip.mp4", folder / "first.png"
    with av.open(str(video), "w") as container:
        output = container.add_stream(
            "libx264", rate=Fraction(25), options={"preset": "ultrafast", "crf": "18"}
        )
        output.height, output.width, output.pix_fmt = *SIZE, "yuv420p"
        for frame, labels in stream("moving", num_frames=num_frames, size=SIZE, seed=7):
            if frame.index == 0:
                mask.write_bytes(encode_index_png(labels))
            container.mux(output.encode(av.VideoFrame.from_ndarray(frame.image, "rgb24")))
        container.mux(output.encode(None))
    return video, mask


def measure(video: Path, mask: Path, out: Path, *arguments: str) -> dict[str, Any]:
    """Peak memory and time of one run."""
    command = [
        sys.executable,
        "-m",
        "vos_cli",
        "track",
        str(video),
        "-m",
        str(mask),
        "-o",
        str(out),
        "-q",
        *arguments,
    ]
    start = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", _RUN, *command], capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    if result["code"] != 0:
        raise SystemExit(f"vos track ended with {result['code']}: {done.stderr}")
    record = json.loads((out / "run.json").read_text())
    return {
        "frames": record["counts"]["frames"],
        "peak_mib": round(result["peak_mib"], 1),
        "wall_seconds": round(time.perf_counter() - start, 1),
        "seconds": record["timings"],
    }


def weights(model: str, folder: Path) -> list[str]:
    """The options that give a SAM its pseudo-random weights; none for other models."""
    if model not in CONFIGS:
        return []
    path = folder / "weights.pth"
    if not path.exists():
        write_sam_checkpoint(path, CONFIGS[model])
    return ["--checkpoint", str(path)]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--frames", type=int, nargs="+", default=[200, 2000])
    parser.add_argument("--model", default="classical")
    parser.add_argument("--json", type=Path, default=RESULTS / "memory.json")
    options = parser.parse_args()
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        video, mask = make_video(folder, max(options.frames))
        for count in [1, *sorted(options.frames)]:
            arguments = ["--model", options.model, "--end", str(count), *weights(options.model, folder)]
            row = measure(video, mask, folder / f"out{count}", *arguments)
            print(f"{row['frames']:6} frames {row['peak_mib']:8.1f} MiB {row['wall_seconds']:8.1f} s")
            rows.append(row)
    settings = {
        "model": options.model,
        "size": f"{SIZE[1]}x{SIZE[0]}",
        "outputs": ["masks", "overlay", "coco"],
    }
    write_json(options.json, "peak memory of vos track", settings, rows)


if __name__ == "__main__":
    main()
