"""What a worker says while it works: lines of JSON, and metrics for Prometheus."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from ...files import write_text_atomic
from ...process import peak_memory

LINE_SECONDS = 1.0
METRICS_SECONDS = 15.0


class JsonLines:
    """Observer that writes a line per event: ends of tasks always, progress at most once per second."""

    def __init__(self, write: Callable[[str], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._write = write
        self._clock = clock
        self._last = float("-inf")
        self._starts: dict[str, tuple[float, int]] = {}

    def __call__(self, what: str, task_id: str, facts: dict[str, Any]) -> None:
        """See :data:`~vos.runs.batch.worker.Observer`."""
        now = self._clock()
        if what == "tick":
            return
        if what != "progress":
            self._starts.pop(task_id, None)
            self._line({"event": what, "task": task_id, **facts})
            return
        start, first = self._starts.setdefault(task_id, (now, facts["done"]))
        if now - self._last < LINE_SECONDS:
            return
        self._last = now
        fps = (facts["done"] - first) / (now - start) if now > start else None
        self._line(
            {
                "event": "progress",
                "task": task_id,
                "stage": facts["stage"],
                "frame": facts["done"],
                "frames": facts["total"],
                "fps": None if fps is None else round(fps, 3),
                "rss": peak_memory(),
            }
        )

    def _line(self, document: dict[str, Any]) -> None:
        self._write(json.dumps(document))


class Metrics:
    """Observer that keeps a file in the text format of Prometheus, for node exporter's textfile collector."""

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.path = path
        self._clock = clock
        self._last = float("-inf")
        self._frames = 0
        self._seconds = 0.0
        self._kinds: Counter[str] = Counter()
        self._counts: dict[str, Any] = {}

    def __call__(self, what: str, task_id: str, facts: dict[str, Any]) -> None:
        """See :data:`~vos.runs.batch.worker.Observer`."""
        if what == "done":
            self._frames += facts["frames"]
            self._seconds += facts["seconds"]
        elif what == "failed":
            self._kinds[facts["kind"]] += 1
        elif what == "tick":
            self._counts = facts
            if self._clock() - self._last >= METRICS_SECONDS:
                self.write()

    def write(self) -> None:
        """Replace the file."""
        self._last = self._clock()
        write_text_atomic(self.path, self.text())

    def text(self) -> str:
        """All metrics."""
        states = [
            (f'state="{name}"', self._counts.get(name, 0))
            for name in ("done", "failed", "running", "elsewhere", "waiting")
        ]
        kinds = [(f'kind="{kind}"', count) for kind, count in sorted(self._kinds.items())]
        return "".join(
            [
                _metric("vos_batch_tasks", "gauge", "Tasks of this worker's share by state.", states),
                _metric("vos_batch_frames_total", "counter", "Frames tracked here.", [("", self._frames)]),
                _metric("vos_batch_seconds_total", "counter", "Seconds of tasks.", [("", self._seconds)]),
                _metric("vos_batch_failures_total", "counter", "Failed tasks by kind.", kinds),
            ]
        )


def _metric(name: str, kind: str, text: str, values: Sequence[tuple[str, float]]) -> str:
    lines = [f"# HELP {name} {text}", f"# TYPE {name} {kind}"]
    lines += [f"{name}{{{labels}}} {value:g}" if labels else f"{name} {value:g}" for labels, value in values]
    return "\n".join(lines) + "\n"
