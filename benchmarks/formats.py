"""How fast annotations are written and read in every format, and how much memory that takes.

    python benchmarks/formats.py -o benchmarks/results/formats.json [--jobs 16]
    python benchmarks/formats.py --table docs/formats.md

Moving ellipses with holes, at 854x480 unless told otherwise, over a picture that moves along. Every format
is written and read in a process of its own, with its pieces on disk, as `vos track` keeps them; memory is the
peak of that process over one that only makes the frames (Linux only). Seconds are processor time, and making
the frames is not counted. The last rows encode the same masks as COCO run lengths, here and with pycocotools
alone, in turns, and, with `--oracles PYTHON`, as CVAT and Label Studio have them, here and with their SDKs,
one process after the other. Rows of formats that are not measured now are kept from an earlier file of the
same settings.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from common import RESULTS, write_json
from pycocotools import mask as coco_mask

from vos import formats
from vos.files import make_folder
from vos.formats.base import VideoFacts
from vos.formats.registry import FORMATS, build_writer, readers, writer_class, writers
from vos.frame import Frame
from vos.ops.boxes import tight_box
from vos.ops.brush import encode_brush
from vos.ops.rle import compress, label_counts, row_runs
from vos.results import FrameResult

SIZE = (480, 854)


def frames(count: int, objects: int, size: tuple[int, int]) -> Iterator[tuple[Frame, FrameResult]]:
    """Ellipses with a hole that move along, one beside the other."""
    height, width = size
    rows, columns = np.mgrid[:height, : width + 64]
    texture = (np.sin(rows / 9) * np.cos(columns / 7) * 60 + columns * 160 / width + 30).clip(0, 255)
    picture = np.stack([texture, texture[::-1], 255 - texture], axis=2).astype(np.uint8)
    step = width / objects
    for index in range(count):
        labels = np.zeros(size, np.uint8)
        for k in range(1, objects + 1):
            centre = (
                round((k - 0.5) * step + 20 * np.sin(index / 9 + k)),
                round(height / 2 + 60 * np.cos(index / 7 + k)),
            )
            cv2.ellipse(labels, centre, (round(step / 2.2), height // 5), index + 20 * k, 0, 360, k, -1)
            cv2.circle(labels, centre, round(step / 8), 0, -1)
        yield (
            Frame(
                index, np.ascontiguousarray(picture[:, index % 64 :][:, :width]), f"{index:05d}", index / 25
            ),
            FrameResult(index, labels, dict.fromkeys(range(1, objects + 1), 0.9)),
        )


def measure(name: str, count: int, objects: int, size: tuple[int, int]) -> dict[str, Any]:
    """Seconds to write and read, bytes, and the peak of memory of this process in MiB after writing."""
    result: dict[str, Any] = {}
    for each in writers():  # so that imports do not count
        writer_class(each)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "out", FORMATS[name].default_name if name else "")
        make_folder(path.parent)
        if name:
            facts = VideoFacts(25.0, {k: f"object {k}" for k in range(1, objects + 1)}, sequence="clip")
            writer = build_writer(name, path, work=Path(folder, "work"), facts=facts)
        seconds = 0.0
        for index, (frame, labels) in enumerate(frames(count, objects, size), start=1):
            if name:
                start = time.process_time()
                writer.write(frame, labels)
                if index % 25 == 0:
                    writer.checkpoint()
                seconds += time.process_time() - start
        if name:
            start = time.process_time()
            writer.close()
            result["write_seconds"] = seconds + time.process_time() - start
            result["bytes"] = sum(p.stat().st_size for p in [path, *path.rglob("*")] if p.is_file())
        result["peak"] = peak()
        if name in readers():
            start = time.process_time()
            annotations = formats.read(path, name, size=size)
            for _ in annotations:
                pass
            result["read_seconds"] = time.process_time() - start
            result["read_peak"] = peak()
    return result


def peak() -> float:
    """MiB of this process's largest resident size so far."""
    found = re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text())
    return 0.0 if found is None else int(found[1]) / 2**10


def in_process(name: str, count: int, objects: int, size: tuple[int, int]) -> dict[str, Any]:
    """:func:`measure` in a process of its own."""
    command = [sys.executable, __file__, "--measure", name, "--frames", str(count), "--objects", str(objects)]
    command += ["--size", f"{size[1]}x{size[0]}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def encoders(objects: int, size: tuple[int, int]) -> list[dict[str, Any]]:
    """Milliseconds per frame to make COCO strings, ours and pycocotools', medians of 60 frames in turns."""
    ours, theirs = [], []
    for _, result in frames(60, objects, size):
        start = time.process_time()
        first = {k: compress(counts) for k, counts in label_counts(result.labels).items()}
        middle = time.process_time()
        second = {
            k: coco_mask.encode(np.asfortranarray((result.labels == k).astype(np.uint8)))["counts"].decode()
            for k in result.ids
        }
        theirs.append(time.process_time() - middle)
        ours.append(middle - start)
        assert first == second
    return [
        {"encoder": name, "milliseconds_per_frame": round(1000 * statistics.median(values), 3)}
        for name, values in (("vos", ours), ("pycocotools", theirs))
    ]


def sdk_encoders(python: str, objects: int, size: tuple[int, int]) -> list[dict[str, Any]]:
    """Milliseconds per frame to make the run lengths of CVAT and Label Studio, ours and their SDKs'."""
    clip = [result.labels for _, result in frames(60, objects, size)]
    with tempfile.TemporaryDirectory() as folder:
        np.save(Path(folder, "labels.npy"), np.stack(clip))
        command = [python, str(Path(__file__).with_name("sdk_encoders.py")), str(Path(folder, "labels.npy"))]
        theirs = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    rows = []
    for key, sdk, encode in (("cvat", "cvat-sdk", cvat_runs), ("brush", "label-studio-sdk", encode_brush)):
        times, first = [], None
        for labels in clip:
            start = time.process_time()
            found = [encode(labels == k) for k in range(1, objects + 1)]
            times.append(time.process_time() - start)
            first = first or found
        # The SDK of Label Studio ends a whole byte with a byte of zeros.
        assert all(a[: len(b)] == b and not any(a[len(b) :]) for a, b in zip(theirs[key], first, strict=True))
        ours = 1000 * statistics.median(times)
        for name, value in ((f"vos for {sdk}", ours), (sdk, theirs[sdk])):
            rows.append({"encoder": name, "milliseconds_per_frame": round(value, 3)})
    return rows


def cvat_runs(mask: np.ndarray) -> list[int]:
    """Row-wise runs inside the tight box, and the box, as in a shape of CVAT."""
    box = tight_box(mask)
    assert box is not None
    x0, y0, x1, y1 = box
    return [*row_runs(mask[y0 : y1 + 1, x0 : x1 + 1]).tolist(), x0, y0, x1, y1]


def row_of(name: str, found: dict[str, Any], count: int, base: float) -> dict[str, Any]:
    """What is reported of one format."""
    row = {
        "format": name,
        "write_frames_per_cpu_second": round(count / found["write_seconds"], 1),
        "write_peak_mib": round(max(0.0, found["peak"] - base), 1),
        "bytes_per_frame": round(found["bytes"] / count),
    }
    if "read_seconds" in found:
        row["read_frames_per_cpu_second"] = round(count / found["read_seconds"], 1)
        row["read_peak_mib"] = round(found["read_peak"] - base, 1)
    return row


def earlier_rows(path: Path, settings: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Rows of an earlier file of the same settings, by format or encoder."""
    if not path.is_file():
        return {}
    earlier = json.loads(path.read_text())
    if earlier["settings"] != settings:
        return {}
    return {row.get("format") or row["encoder"]: row for row in earlier["rows"]}


def write_table(results: Path, page: Path) -> None:
    """Replace the section "Speed" of a page by the table of the results."""
    found = json.loads(results.read_text())
    rows = found["rows"]
    settings = found["settings"]
    encoder = {row["encoder"]: row["milliseconds_per_frame"] for row in rows if "encoder" in row}
    width, height = settings["size"]
    lines = [
        "## Speed",
        "",
        f"Frames per second of processor time, {settings['frames']} frames of {width}x{height} with "
        f"{settings['objects']} objects, and the memory above that of making the frames "
        "([benchmarks/results/formats.json](../benchmarks/results/formats.json), made by "
        "`benchmarks/formats.py`):",
        "",
        "| format | write | read | memory, MiB (write, read) | bytes per frame |",
        "|---|--:|--:|--:|--:|",
    ]
    order = {name: n for n, name in enumerate(FORMATS)}
    for row in sorted((r for r in rows if "format" in r), key=lambda r: order[r["format"]]):
        read, peak = row.get("read_frames_per_cpu_second"), row.get("read_peak_mib")
        cells = [
            f"`{row['format']}`",
            f"{row['write_frames_per_cpu_second']:.0f}",
            "" if read is None else f"{read:.0f}",
            f"{row['write_peak_mib']}" + ("" if peak is None else f", {peak}"),
            str(row["bytes_per_frame"]),
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"Making the COCO strings of a frame takes {encoder['vos']:.1f} ms, with pycocotools alone "
        f"{encoder['pycocotools']:.1f} ms, in turns in one process.",
        *(
            f"The run lengths of {title} take {encoder[f'vos for {sdk}']:.1f} ms per frame, with {sdk} "
            f"{encoder[sdk]:.1f} ms."
            for title, sdk in (("CVAT", "cvat-sdk"), ("Label Studio", "label-studio-sdk"))
            if sdk in encoder
        ),
    ]
    text = page.read_text(encoding="utf-8")
    section = re.compile(r"^## Speed\n.*?(?=^## |\Z)", flags=re.MULTILINE | re.DOTALL)
    page.write_text(section.sub(lambda _: "\n".join(lines) + "\n", text), encoding="utf-8")


def main() -> None:
    """Measure what was asked for and write the JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("-o", "--output", default=str(RESULTS / "formats.json"))
    parser.add_argument("--frames", type=int, default=2000)
    parser.add_argument("--objects", type=int, default=7)
    parser.add_argument("--size", default=f"{SIZE[1]}x{SIZE[0]}")
    parser.add_argument("--format", action="append", help="only this one; may be given several times")
    parser.add_argument("--jobs", type=int, default=1, help="formats measured side by side")
    parser.add_argument("--oracles", help="interpreter of the environment that `make oracles` makes")
    parser.add_argument("--encoders", action="store_true", help="measure no format, only the encoders")
    parser.add_argument("--table", type=Path, help="write the table of the results into this page, and stop")
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    size = (height, width)
    if options.measure is not None:
        print(json.dumps(measure(options.measure, options.frames, options.objects, size)))
        return
    if options.table is not None:
        write_table(Path(options.output), options.table)
        return
    settings = {"frames": options.frames, "objects": options.objects, "size": [width, height]}
    rows = earlier_rows(Path(options.output), settings)
    base = in_process("", options.frames, options.objects, size)["peak"]

    def measured(name: str) -> dict[str, Any]:
        return row_of(name, in_process(name, options.frames, options.objects, size), options.frames, base)

    # Those that encode pictures take longest: they come first, so that none is left alone at the end.
    names = [] if options.encoders else options.format or writers()
    names = sorted(names, key=lambda name: not FORMATS[name].needs_frames)
    with ThreadPoolExecutor(options.jobs) as pool:
        for row in pool.map(measured, names):
            rows[row["format"]] = row
            print(row, flush=True)
            write_json(options.output, "formats", settings, list(rows.values()))
    rows |= {row["encoder"]: row for row in encoders(options.objects, size)}
    if options.oracles:
        rows |= {row["encoder"]: row for row in sdk_encoders(options.oracles, options.objects, size)}
    write_json(options.output, "formats", settings, list(rows.values()))


if __name__ == "__main__":
    main()
