"""Kill ``vos annotate`` at random moments, and look for what was acknowledged.

    python benchmarks/annotate_kill.py --runs 200 --jobs 16

Each run starts a server on a small clip and does at random what annotators do: objects, masks, reviews,
swaps, undo and redo, tracking. After a random time the server is killed (SIGKILL). Then every event whose
answer was given has to be in the project, ``vos project check`` has to find nothing wrong, and the same
annotator has to be able to open it again. Ten runs share a project: later kills meet a longer journal.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import numpy as np
from common import RESULTS, write_json

from vos.projects import Project, check
from vos.server.runs import MEDIA_TYPE, encode_frame, join_frames
from vos.testing import scene, write_images

SIZE, FRAMES, KEY = (96, 128), 20, "clip"
LONGEST = 6.0
"""Seconds that a server lives at most."""
ROUNDS = 10
"""Kills of one project."""


class Annotator:
    """Does random things, and remembers what was acknowledged."""

    def __init__(self, address: str, rng: random.Random) -> None:
        parsed = urlparse(address)
        self.netloc, self.rng = parsed.netloc, rng
        self.headers = {"Origin": f"http://{self.netloc}", "X-Vos": "1"}
        self.acknowledged: list[str] = []
        self.requests = 0
        token = parsed.fragment.removeprefix("token=")
        answer = self._send("POST", "/api/session", json.dumps({"token": token}))
        self.headers["Cookie"] = answer.headers["set-cookie"].split(";")[0]

    def add_objects(self) -> None:
        """The objects that everything else is about."""
        for number in (1, 2, 3):
            self._post("/api/events", {"events": [{"kind": "object", "object": number}]})

    def work(self) -> None:
        """Until the server is gone."""
        try:
            while True:
                self._act()
        except (OSError, http.client.HTTPException, ValueError):
            return

    def _send(self, method: str, path: str, body: Any = None, kind: str = "") -> http.client.HTTPResponse:
        connection = http.client.HTTPConnection(self.netloc, timeout=60)
        connection.request(method, path, body, {**self.headers, "Content-Type": kind or "application/json"})
        return connection.getresponse()

    def _post(self, path: str, content: Any) -> Any:
        answer = json.load(self._send("POST", path, json.dumps(content)))
        self.requests += 1
        self.acknowledged += [event["id"] for event in answer.get("events", []) if "error" not in answer]
        return answer

    def _act(self) -> None:
        rng = self.rng
        first = rng.randrange(FRAMES)
        part = {"video": KEY, "first": first, "last": rng.randrange(first, FRAMES)}
        one, two = rng.sample((1, 2, 3), 2)
        match rng.choice(("object", "anchor", "anchor", "absent", "review", "swap", "undo", "redo", "track")):
            case "object":
                event = {"kind": "object", "object": one, "name": f"name {rng.random()}"}
            case "anchor":
                mask = np.zeros(SIZE, np.uint8)
                y, x = rng.randrange(60), rng.randrange(90)
                mask[y : y + 30, x : x + 30] = 1
                body = join_frames([encode_frame(first, mask)])
                answer = self._send("POST", f"/api/videos/{KEY}/masks/{first}/{one}", body, MEDIA_TYPE)
                event = {"kind": "anchor", "video": KEY, "frame": first, "object": one}
                event["mask"] = json.load(answer)["digest"]
            case "absent":
                event = {"kind": "anchor", "video": KEY, "frame": first, "object": one, "mask": None}
            case "review":
                event = {"kind": "review", **part, "state": rng.choice(("accepted", "rejected", "open"))}
            case "swap":
                event = {"kind": "swap", "a": one, "b": two, **part}
            case "track":
                self._post("/api/jobs", {"kind": "track"})
                return
            case action:
                self._post(f"/api/{action}", {})
                return
        self._post("/api/events", {"events": [event]})


def one_kill(folder: Path, rng: random.Random) -> dict[str, Any]:
    """Start, work, kill, look."""
    command = [
        sys.executable,
        "-m",
        "vos_cli",
        "annotate",
        KEY,
        "--no-browser",
        "--quiet",
        "--annotator",
        "anna",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=folder, env=environment)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    annotator = Annotator(address, rng)
    annotator.add_objects()
    working = threading.Thread(target=annotator.work)
    working.start()
    time.sleep(rng.uniform(0, LONGEST))
    process.send_signal(signal.SIGKILL)
    process.wait()
    working.join()
    project = folder / f"{KEY}.vosproject"
    problems = list(check(project).problems)
    with Project.open(project, annotator="anna") as opened:
        known = {event.id for event in opened.events()}
        for index in range(FRAMES):
            opened.frame(KEY, index)
    lost = [event for event in annotator.acknowledged if event not in known]
    return {
        "requests": annotator.requests,
        "acknowledged": len(annotator.acknowledged),
        "lost": lost,
        "problems": problems,
        "events": len(known),
    }


def many_kills(seed: int, until: float) -> list[dict[str, Any]]:
    """:data:`ROUNDS` kills of one project, none begun after the time ``until``."""
    rng = random.Random(seed)
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        write_images(scene("crossing", num_frames=FRAMES, size=SIZE), Path(name) / KEY)
        while len(rows) < ROUNDS and time.time() < until:
            rows.append({"seed": seed, "round": len(rows), **one_kill(Path(name), rng)})
    return rows


def main() -> None:
    """Run and write; exit code 1 if anything was lost."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="servers at the same time")
    parser.add_argument("--minutes", type=float, default=0, help="begin no run after that; 0: no limit")
    parser.add_argument("--json", type=Path, default=RESULTS / "annotate_kill.json")
    arguments = parser.parse_args()
    with ThreadPoolExecutor(arguments.jobs) as pool:
        until = time.time() + 60 * arguments.minutes if arguments.minutes else float("inf")
        seeds = range(-(-arguments.runs // ROUNDS))
        found = list(pool.map(many_kills, seeds, [until] * len(seeds)))
    rows = [row for rows in found for row in rows]
    bad = [row for row in rows if row["lost"] or row["problems"]]
    print(
        f"{len(rows)} kills, {sum(row['acknowledged'] for row in rows)} events acknowledged, "
        f"{sum(len(row['lost']) for row in rows)} lost, {len(bad)} kills with a problem"
    )
    for row in bad:
        print(row)
    settings = {"runs": len(rows), "jobs": arguments.jobs, "longest_s": LONGEST, "rounds": ROUNDS}
    write_json(arguments.json, "annotate_kill", settings, rows)
    raise SystemExit(1 if bad else 0)


if __name__ == "__main__":
    main()
