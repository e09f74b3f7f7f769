"""What became of a batch: counts while it runs, and a report of every task."""

from __future__ import annotations

import csv
import io
import json
import statistics
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .failures import FINAL
from .layout import TaskFiles, done_name, fail_name, lease_name, number_of, parse, parse_marker, survey
from .leases import SKEW_SECONDS, Clock
from .manifest import Manifest
from .store import Store, read_many

SLOWEST = 20
"""Tasks that the report lists as the slowest."""
STATES = ("done", "running", "stale", "failed", "waiting")


@dataclass(frozen=True)
class Status:
    """How far a batch is."""

    counts: dict[str, int]
    """State -> tasks; ``running``: its lease is live; ``stale``: its lease has expired."""
    states: dict[str, str]
    """Task -> state."""
    frames: int
    seconds_per_frame: float | None
    """Median of the done tasks."""
    seconds_left: float | None
    """At the rate of the last done tasks, whatever number of workers did them."""

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "tasks": self.counts,
            "frames": self.frames,
            "seconds_per_frame": self.seconds_per_frame,
            "seconds_left": self.seconds_left,
        }


def status_of(store: Store, manifest: Manifest | None = None, *, clock: Clock = time.time) -> Status:
    """How far a batch is, now.

    Args:
        store: the batch.
        manifest: its tasks; without it those that were never begun do not count.
        clock: for leases.
    """
    files = survey(store)
    ids = sorted(files) if manifest is None else manifest.ids
    markers = dict(_markers(store, [task_id for task_id in ids if task_id in files and files[task_id].done]))
    states = {}
    for task_id in ids:
        if task_id in markers:
            states[task_id] = "done"
        else:
            states[task_id] = _state(store, task_id, files.get(task_id, TaskFiles()), clock)
    counts = Counter(states.values())
    speeds = [m["seconds"]["total"] / m["frames"] for m in markers.values() if m["frames"]]
    return Status(
        counts={state: counts[state] for state in STATES},
        states=states,
        frames=sum(marker["frames"] for marker in markers.values()),
        seconds_per_frame=statistics.median(speeds) if speeds else None,
        seconds_left=_seconds_left(markers, len(ids) - counts["done"] - counts["failed"]),
    )


def _state(store: Store, task_id: str, files: TaskFiles, clock: Clock) -> str:
    lease = parse(store.read(lease_name(task_id, files.lease))) if files.lease else None
    expires = number_of(lease or {}, "expires")
    if lease is not None and expires + SKEW_SECONDS >= clock():
        return "running"
    if _is_given_up(_fails(store, task_id, files)):
        return "failed"
    return "stale" if expires else "waiting"


def _seconds_left(markers: Mapping[str, Mapping[str, Any]], tasks: int) -> float | None:
    times = sorted(marker["finished"] for marker in markers.values())[-100:]
    if len(times) < 2 or times[-1] <= times[0]:
        return None
    return tasks * float(times[-1] - times[0]) / (len(times) - 1)


def _markers(store: Store, ids: list[str]) -> Iterator[tuple[str, dict[str, Any]]]:
    contents = read_many(store, [done_name(task_id) for task_id in ids])
    for task_id, (_, data) in zip(ids, contents, strict=True):
        marker = parse_marker(data)
        if marker is not None:
            yield task_id, marker


def _fails(store: Store, task_id: str, files: TaskFiles) -> list[dict[str, Any]]:
    return [parse(store.read(fail_name(task_id, number))) or {} for number in files.fails]


def _is_given_up(fails: list[dict[str, Any]]) -> bool:
    """Whether the worker of the last attempt gave the task up, by the retries that it was allowed."""
    return bool(fails) and bool(fails[-1].get("given_up", fails[-1].get("kind") in FINAL))


def report_of(store: Store, manifest: Manifest | None = None) -> dict[str, Any]:
    """A report on all tasks, sorted by id: equal batches give equal reports.

    Args:
        store: the batch.
        manifest: its tasks; with it the report names the tasks of the batch that it does not have.
    """
    files = survey(store)
    listed = set(files) if manifest is None else set(manifest.ids)
    ids = sorted(listed)
    markers = dict(_markers(store, [task_id for task_id in ids if task_id in files and files[task_id].done]))
    rows, failures = [], []
    warnings: Counter[str] = Counter()
    for task_id in ids:
        marker = markers.get(task_id)
        fails = _fails(store, task_id, files.get(task_id, TaskFiles()))
        kinds = [str(fail.get("kind")) for fail in fails]
        state = "done" if marker else "failed" if _is_given_up(fails) else "waiting"
        rows.append(_row(task_id, state, marker, kinds))
        if state == "failed":
            failures.append((task_id, kinds[-1], str(fails[-1].get("message", ""))))
        warnings.update(marker["warnings"] if marker else ())
    return {
        "totals": _totals(rows, list(markers.values())),
        "failures": _grouped(failures),
        "warnings": dict(sorted(warnings.items(), key=lambda item: (-item[1], item[0]))),
        "slowest": _slowest(rows),
        "workers": _workers(store),
        "versions": dict(sorted(Counter(marker["version"] for marker in markers.values()).items())),
        "not_in_manifest": sorted(set(files) - listed),
        "tasks": rows,
    }


def _row(task_id: str, state: str, marker: dict[str, Any] | None, kinds: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"id": task_id, "state": state, "failed_attempts": kinds}
    if marker is not None:
        names = ("frames", "objects", "seconds", "peak_memory", "worker", "attempt", "place", "meta", "size")
        row |= {name: marker[name] for name in names}
        row["bytes"] = sum(file["size"] for file in marker["files"].values())
    return row


def _totals(rows: list[dict[str, Any]], markers: list[dict[str, Any]]) -> dict[str, Any]:
    states = Counter(row["state"] for row in rows)
    parts: defaultdict[str, float] = defaultdict(float)
    for marker in markers:
        for part, seconds in marker["seconds"].items():
            parts[part] += seconds
    speeds = sorted(m["seconds"]["total"] / m["frames"] for m in markers if m["frames"])
    return {
        "tasks": {state: states[state] for state in ("done", "failed", "waiting")},
        "frames": sum(marker["frames"] for marker in markers),
        "video_hours": round(sum(marker["video_seconds"] or 0.0 for marker in markers) / 3600, 4),
        "bytes": sum(file["size"] for marker in markers for file in marker["files"].values()),
        "seconds": {part: round(seconds, 3) for part, seconds in sorted(parts.items())},
        "seconds_per_frame": {
            "median": round(statistics.median(speeds), 5) if speeds else None,
            "95%": round(speeds[int(0.95 * (len(speeds) - 1))], 5) if speeds else None,
        },
    }


def _grouped(failures: list[tuple[str, str, str]]) -> list[dict[str, Any]]:
    """By kind and first line of the message, the most frequent first."""
    groups: defaultdict[tuple[str, str], list[str]] = defaultdict(list)
    for task_id, kind, message in failures:
        groups[kind, message.split("\n", 1)[0]].append(task_id)
    found = [{"kind": kind, "message": text, "tasks": ids} for (kind, text), ids in groups.items()]
    return sorted(found, key=lambda group: (-len(group["tasks"]), group["kind"], group["message"]))


def _slowest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = [row for row in rows if row["state"] == "done"]
    done.sort(key=lambda row: (-row["seconds"]["total"], row["id"]))
    return [{"id": row["id"], "seconds": row["seconds"]["total"]} for row in done[:SLOWEST]]


def _workers(store: Store) -> list[dict[str, Any]]:
    """From their logs: what each did, how fast, and for how long it had nothing to do."""
    found = []
    for name, data in read_many(store, [f"workers/{name}" for name in store.names("workers")]):
        lines = [line for raw in (data or b"").splitlines() if (line := parse(raw)) is not None]
        if not lines:
            continue
        done = [line for line in lines if line["what"] == "done"]
        lasted = lines[-1]["time"] - lines[0]["time"]
        frames = sum(line["frames"] for line in done)
        found.append(
            {
                "worker": name.removeprefix("workers/").removesuffix(".jsonl"),
                "tasks": len(done),
                "frames": frames,
                "seconds": round(lasted, 3),
                "idle_seconds": round(max(lasted - _busy(lines), 0.0), 3),
                "frames_per_second": round(frames / lasted, 3) if lasted > 0 else None,
                "ended": lines[-1]["what"] if lines[-1]["what"] in ("finished", "stopped") else "unknown",
            }
        )
    return found


def _busy(lines: list[dict[str, Any]]) -> float:
    """Seconds in which at least one task ran."""
    running: set[str] = set()
    busy, since = 0.0, 0.0
    for line in lines:
        if line["what"] == "taken":
            since = since if running else line["time"]
            running.add(line["task"])
        elif line.get("task") in running:
            running.discard(line["task"])
            busy += 0.0 if running else line["time"] - since
    return busy + (lines[-1]["time"] - since if running else 0.0)


def table_csv(report: Mapping[str, Any]) -> str:
    """The tasks of a report as CSV, one line each."""
    columns = ("id", "state", "frames", "objects", "seconds", "bytes", "peak_memory", "worker", "attempt")
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*columns, "failed_attempts"])
    for row in report["tasks"]:
        values = {
            **row,
            "objects": len(row["objects"]) if "objects" in row else None,
            "seconds": row["seconds"]["total"] if "seconds" in row else None,
        }
        writer.writerow([*(values.get(name) for name in columns), " ".join(row["failed_attempts"])])
    return text.getvalue()


def merged_coco(store: Store, report: Mapping[str, Any]) -> Iterator[str]:
    """One COCO document of all tasks that have one, piece by piece; ids follow the order of task ids.

    ``videos`` has an entry per task; images carry ``video_id``, and the place of their mask in the batch as
    ``file_name``, or, where there is no such file, the id of the task and their name. The annotations of one
    task are in memory at a time.
    """
    videos: list[dict[str, Any]] = []
    categories: dict[str, int] = {}
    images: list[str] = []
    annotation_id = 0
    yield '{"annotations": ['
    for row in report["tasks"]:
        data = store.read(f"{row['place']}/annotations.json") if row["state"] == "done" else None
        document = parse(data)
        if document is None:
            continue
        video_id = len(videos) + 1
        videos.append({"id": video_id, "name": row["id"]})
        names = {category["id"]: category["name"] for category in document["categories"]}
        offsets = {}
        folder = f"{row['place']}/masks"
        if not all(store.exists(f"{folder}/{image['file_name']}") for image in document["images"][:1]):
            folder = row["id"]
        for image in document["images"]:
            offsets[image["id"]] = len(images) + 1
            file_name = f"{folder}/{image['file_name']}"
            moved = {**image, "id": len(images) + 1, "video_id": video_id, "file_name": file_name}
            images.append(json.dumps(moved))
        for annotation in document["annotations"]:
            category = categories.setdefault(names[annotation["category_id"]], len(categories) + 1)
            moved = {
                **annotation,
                "id": annotation_id + 1,
                "image_id": offsets[annotation["image_id"]],
                "video_id": video_id,
                "category_id": category,
            }
            yield (", " if annotation_id else "") + json.dumps(moved)
            annotation_id += 1
    yield '], "images": [' + ", ".join(images)
    listed = [{"id": number, "name": name} for name, number in categories.items()]
    yield f'], "videos": {json.dumps(videos)}, "categories": {json.dumps(listed)}}}\n'


def retry(store: Store, kinds: tuple[str, ...] = ()) -> list[str]:
    """Clear the failed attempts, of these kinds or all; the tasks that the next run takes again."""
    cleared = []
    for task_id, files in sorted(survey(store).items()):
        fails = _fails(store, task_id, files)
        if files.done or not fails or (kinds and fails[-1].get("kind") not in kinds):
            continue
        for number in reversed(files.fails):
            store.remove(fail_name(task_id, number))
        cleared.append(task_id)
    return cleared
