"""How fast ``vos annotate`` answers: a click to its mask, the next frame, a jump, scrubbing, the timeline.

    python benchmarks/annotate.py --clicks DAVIS/JPEGImages/480p/bmx-trees --scrub long.mp4

The server runs in a process of its own and is asked over HTTP, as by a page. Every row has the wall time and
the processor time of the server; the yardstick is decoding and encoding one frame as JPEG in this process, in
the same run, so that ratios can be compared between machines that are busy or not.

Without --scrub a clip of ten minutes at 1920x1080 is made (H.264, a keyframe every 250 frames).
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import av
import cv2
import numpy as np
from common import RESULTS, data_root, write_json

from vos.server.runs import mask_from_json
from vos.testing import scene, write_images, write_labels
from vos.video import open_video

PAGE_WIDTH = 1280
PERIOD = 500
"""Frames of the long clip that differ."""
AT_ONCE = 6
"""Requests that a browser has open to one server."""


class Server:
    """``vos annotate`` in a process of its own, and a session with it."""

    def __init__(self, source: Path, *options: str) -> None:
        command = [sys.executable, "-m", "vos_cli", "annotate", str(source), "--no-browser", *options]
        start = time.perf_counter()
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout is not None
        address = urlparse(self.process.stdout.readline().strip())
        self.started = time.perf_counter() - start
        self.netloc = address.netloc
        self.headers = {"Origin": f"http://{self.netloc}", "X-Vos": "1"}
        token = address.fragment.removeprefix("token=")
        answer = self._send("POST", "/api/session", {"token": token})
        self.headers["Cookie"] = answer.headers["set-cookie"].split(";")[0]
        self.video = self.ask("GET", "/api/project")["videos"][0]

    def _send(self, method: str, path: str, body: Any = None) -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.netloc, timeout=600)
        connection.request(method, path, None if body is None else json.dumps(body), self.headers)
        answer = connection.getresponse()
        if answer.status >= 400:
            raise SystemExit(f"{method} {path}: {answer.status} {answer.read().decode()}")
        return answer

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        """JSON."""
        return json.load(self._send(method, path, body))

    def get(self, path: str) -> bytes:
        """Bytes."""
        return self._send("GET", path).read()

    def picture(self, index: int, width: int = PAGE_WIDTH) -> bytes:
        """A JPEG."""
        return self.get(f"/api/videos/{self.video['key']}/frames/{index}.jpg?w={width}")

    def processor_time(self) -> float:
        """Seconds of all its threads."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / 100

    def close(self) -> None:
        """Stop it."""
        self.process.terminate()
        self.process.wait()


def measured(
    server: Server,
    what: str,
    repeats: int,
    action: Callable[[int], Any],
    prepare: Callable[[int], Any] | None = None,
) -> dict[str, Any]:
    """A row: wall and processor milliseconds of an action, by median and worst; ``prepare`` is not timed."""
    walls, processor = [], 0.0
    for number in range(repeats):
        if prepare is not None:
            prepare(number)
        before, start = server.processor_time(), time.perf_counter()
        action(number)
        walls.append(1000 * (time.perf_counter() - start))
        processor += 1000 * (server.processor_time() - before) / repeats
    return {
        "what": what,
        "repeats": repeats,
        "wall_ms_median": round(statistics.median(walls), 1),
        "wall_ms_worst": round(max(walls), 1),
        "processor_ms_mean": round(processor, 1),
    }


def yardstick(source: Path) -> float:
    """Processor milliseconds to decode a frame and encode it as JPEG."""
    with open_video(source) as video:
        frames = video.frames(stop=40)
        next(frames)
        start = time.process_time()
        count = 0
        for frame in frames:
            cv2.imencode(".jpg", cv2.cvtColor(frame.image, cv2.COLOR_RGB2BGR))
            count += 1
        return 1000 * (time.process_time() - start) / count


def click_rows(server: Server, truth: Path | None, backbone: str, clicks: int) -> list[dict[str, Any]]:
    """First click on a frame, prepared or not, a further one, the refined mask, and a stroke of the brush.

    Every click is a new one, for the mask of a click that was made before is kept.
    """
    video = server.video
    address = f"/api/videos/{video['key']}"
    rng = random.Random(0)
    frames = rng.sample(range(video["frames"]), min(2 * clicks, video["frames"]))
    cold, warm = frames[: len(frames) // 2], frames[len(frames) // 2 :]
    overlaps: list[float] = []

    def decode(frame: int, points: list[list[int]], refine: bool = False) -> Any:
        prompt = {"frame": frame, "object": 1, "points": points, "labels": [1] * len(points)}
        seq = int(1000 * time.time())
        return server.ask("POST", f"{address}/decode", {**prompt, "refine": refine, "seq": seq})["mask"]

    def first(frame: int) -> list[list[int]]:
        return [_point(truth, frame, video, rng)]

    def further(frame: int) -> list[list[int]]:
        return [*first(frame), _inside(truth, frame, video, random.Random(frame))]

    def refined(number: int) -> None:
        frame = warm[number]
        overlap = _overlap(truth, frame, decode(frame, first(frame), True), video)
        if overlap is not None:
            overlaps.append(overlap)

    def prepare(frame: int) -> None:
        server.picture(frame)
        server.ask("POST", f"{address}/prepare", {"frame": frame})

    decode(cold[0], [[1, 1]])  # loads the model
    count, ready = len(warm), len(cold)

    def row(what: str, repeats: int, action: Callable[[int], Any], before: Callable[[int], Any]) -> Any:
        return measured(server, what, repeats, action, before)

    def click(number: int) -> None:
        decode(warm[number], first(warm[number]))

    def prepared_click(number: int) -> None:
        prepare(warm[number])
        click(number)

    rows = [
        row("click on a frame that was not prepared", ready, lambda n: decode(cold[n], first(cold[n])),
            lambda n: server.picture(cold[n])),
        row("prepare a frame", count, lambda n: prepare(warm[n]), lambda n: server.picture(warm[n])),
        row("first click on a prepared frame", count, click, lambda n: prepare(warm[n])),
        row("a further click", count, lambda n: decode(warm[n], further(warm[n])), prepared_click),
        row("the refined mask of a click", count, refined, prepared_click),
    ]  # fmt: skip
    stroke = {"tool": "brush", "points": [[20, 20], [200, 100], [220, 130]], "size": 30}
    draw = {"frame": frames[0], "object": 1, "base": "none", "strokes": [stroke]}
    rows.append(measured(server, "a stroke", clicks, lambda _: server.ask("POST", f"{address}/draw", draw)))
    if overlaps:
        rows[4]["iou_mean"] = round(statistics.mean(overlaps), 3)
    return [{**row, "backbone": backbone} for row in rows]


def _labels(truth: Path | None, frame: int) -> np.ndarray | None:
    path = None if truth is None else truth / f"{frame:05d}.png"
    if path is None or not path.is_file():
        return None
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)) > 0


def _point(truth: Path | None, frame: int, video: dict[str, Any], rng: random.Random) -> list[int]:
    labels = _labels(truth, frame)
    if labels is None or not labels.any():
        return [rng.randrange(video["width"]), rng.randrange(video["height"])]
    distance = cv2.distanceTransform(labels.astype(np.uint8), cv2.DIST_L2, 3)
    y, x = np.unravel_index(distance.argmax(), distance.shape)
    return [int(x), int(y)]


def _inside(truth: Path | None, frame: int, video: dict[str, Any], rng: random.Random) -> list[int]:
    """A random place on the object."""
    labels = _labels(truth, frame)
    if labels is None or not labels.any():
        return [rng.randrange(video["width"]), rng.randrange(video["height"])]
    y, x = rng.choice(np.argwhere(labels))
    return [int(x), int(y)]


def _overlap(truth: Path | None, frame: int, mask: Any, video: dict[str, Any]) -> float | None:
    labels = _labels(truth, frame)
    if labels is None or not labels.any():
        return None
    found = mask_from_json(mask, (video["height"], video["width"]))
    return float((found & labels).sum() / (found | labels).sum())


def scrub_rows(server: Server, jumps: int) -> list[dict[str, Any]]:
    """Playing, playing backwards, jumping, dragging, and coming back to what was seen."""
    frames = server.video["frames"]
    rng = random.Random(0)
    middle, span = frames // 2, min(200, frames // 4)
    rows = [
        measured(server, "first picture", 1, lambda _: server.picture(0)),
        measured(server, "next frame, forwards", span, lambda n: server.picture(middle + n)),
        measured(server, "next frame, backwards", span // 2, lambda n: server.picture(middle - span - n)),
        measured(server, "the same frames again", span, lambda n: server.picture(middle + n)),
        measured(server, "jump to a frame", jumps, lambda _: server.picture(rng.randrange(frames))),
        measured(
            server,
            "the nearest picture at once",
            jumps,
            lambda _: server.get(
                f"/api/videos/{server.video['key']}/frames/{rng.randrange(frames)}.jpg?near=1&w=320"
            ),
        ),
    ]

    def play(_: int) -> None:
        with ThreadPoolExecutor(AT_ONCE) as pool:
            first = frames // 3
            list(pool.map(server.picture, range(first, first + span)))

    row = measured(server, f"{span} frames, six at a time", 1, play)
    return [*rows, {**row, "frames_per_second": round(1000 * span / row["wall_ms_median"], 1)}]


def timeline_rows(server: Server) -> list[dict[str, Any]]:
    """What a page asks for when it opens, and an event with its fsync."""
    key = server.video["key"]
    last = min(49, server.video["frames"] - 1)
    event = {"events": [{"kind": "object", "object": 1, "name": "object"}]}
    return [
        measured(server, "an event", 20, lambda _: server.ask("POST", "/api/events", event)),
        measured(server, "the project", 20, lambda _: server.get("/api/project")),
        measured(server, "the timeline", 20, lambda _: server.get(f"/api/videos/{key}/strip")),
        measured(server, "the queue", 5, lambda _: server.get(f"/api/queue?video={key}")),
        measured(
            server,
            "50 frames of masks",
            5,
            lambda _: server.get(f"/api/videos/{key}/masks?first=0&last={last}"),
        ),
    ]


def write_clip(folder: Path) -> tuple[Path, Path]:
    """A small clip with its masks, where there is no real one."""
    made = scene("crossing", num_frames=20, size=(480, 854))
    write_images(made, folder / "made" / "crossing", ".jpg")
    write_labels(made, folder / "made" / "labels")
    return folder / "made" / "crossing", folder / "made" / "labels"


def write_long_video(path: Path, seconds: int, size: tuple[int, int]) -> None:
    """A clip with movement everywhere, H.264 with a keyframe every 250 frames; it repeats after a while."""
    width, height = size
    rng = np.random.default_rng(0)
    texture = cv2.resize(rng.integers(0, 256, (80, 140, 3), np.uint8), (width + 512, height + 512))
    period = min(PERIOD, 30 * seconds)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(30))
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "ultrafast", "crf": "23", "g": "250"}
        packets = []
        for index in range(period):
            x, y = int(256 + 250 * np.cos(index / 90)), int(256 + 250 * np.sin(index / 70))
            image = np.ascontiguousarray(texture[y : y + height, x : x + width])
            cv2.putText(
                image, str(index), (50, height // 2), cv2.FONT_HERSHEY_SIMPLEX, 5, (255, 255, 255), 12
            )
            packets += stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24"))
        packets += stream.encode()
        data = [(bytes(packet), packet.is_keyframe) for packet in packets]
        ticks = (packets[1].pts or 0) - (packets[0].pts or 0)
        time_base = packets[0].time_base
        for number in range(30 * seconds):
            content, is_keyframe = data[number % period]
            packet = av.Packet(content)
            packet.stream, packet.time_base, packet.is_keyframe = stream, time_base, is_keyframe
            packet.pts = packet.dts = number * ticks
            container.mux(packet)


@contextlib.contextmanager
def serving(source: Path, folder: Path, *options: str) -> Iterator[Server]:
    """A server for a link to the source, so that nothing is written beside it."""
    link = folder / f"{source.stem}{source.suffix}"
    if not link.exists():
        link.symlink_to(source.resolve())
    server = Server(link, *options)
    try:
        yield server
    finally:
        server.close()


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    images = data_root() / "DAVIS" / "JPEGImages" / "480p" / "bmx-trees"
    parser.add_argument("--clicks", type=Path, default=images, help="video or folder of images to click on")
    parser.add_argument("--truth", type=Path, help="its masks, to click on objects")
    parser.add_argument("--scrub", type=Path, help="video to scrub")
    parser.add_argument("--seconds", type=int, default=600, help="of the video that is made without --scrub")
    parser.add_argument("--backbones", nargs="*", default=["interactive"])
    parser.add_argument("--repeats", type=int, default=10)
    parser.add_argument("--json", type=Path, default=RESULTS / "annotate.json")
    arguments = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        truth = arguments.truth
        if truth is None and arguments.clicks == images:
            truth = data_root() / "DAVIS" / "Annotations" / "480p" / "bmx-trees"
            if not images.is_dir():
                arguments.clicks, truth = write_clip(folder)
        for backbone in arguments.backbones:
            with serving(arguments.clicks, folder, "--backbone", backbone) as server:
                unit = yardstick(arguments.clicks)
                found = click_rows(server, truth, backbone, arguments.repeats)
                rows += [
                    {**row, "video": arguments.clicks.name, "yardstick_ms": round(unit, 1)} for row in found
                ]
        scrub = arguments.scrub
        if scrub is None:
            scrub = folder / "long.mp4"
            write_long_video(scrub, arguments.seconds, (1920, 1080))
        with serving(scrub, folder) as server:
            unit = yardstick(scrub)
            found = [{"what": "start", "wall_ms_median": round(1000 * server.started, 1)}]
            found += scrub_rows(server, arguments.repeats) + timeline_rows(server)
            rows += [{**row, "video": scrub.name, "yardstick_ms": round(unit, 1)} for row in found]
    for row in rows:
        print(f"{row['what']:42} {row['wall_ms_median']:9.1f} ms", row.get("processor_ms_mean", ""))
    settings = {
        key: value.name if isinstance(value, Path) else str(value)
        for key, value in vars(arguments).items()
        if key not in ("json", "truth")
    }
    write_json(arguments.json, "annotate", settings, rows)


if __name__ == "__main__":
    main()
