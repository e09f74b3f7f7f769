"""J&F after some corrections by a simulated annotator, for several ways of choosing the frames to correct.

The annotator gives the true masks of frame 0 and tracks; then, again and again, a policy names a frame, the
true masks of that frame become anchors, and what they touch is tracked again. Policies: the review queue,
evenly spaced frames, random frames, an oracle that names the frame with the lowest J, and one that tries
every third frame and names the one whose correction gains most (``trial``; slow, for single sequences).

    python benchmarks/corrections.py --sequences bmx-trees,breakdance --frames 40 --size 240
    python benchmarks/corrections.py --models classical,nano --frames 40 --size 240 --jobs 16
    python benchmarks/corrections.py --fit

Every annotator is one line of ``--rows``, which is only appended to: the same command goes on where it was
stopped. ``--json`` sums the lines up. The annotators of a sequence share the passes of the tracker that they
have in common, such as the first one: passes that begin alike give the same masks. ``--fit`` fits the weights
of the queue's signals to the lines that are there, and ``--accepted`` says how many of the masks that the
queue has no doubt about are wrong, see ``queue_weights.py``. Without ``--frames`` and
``--size`` whole sequences are tracked as they are.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from common import RESULTS, ROOT, write_json
from numpy.typing import NDArray
from queue_weights import fit_queue, measure_accepted
from sequences import MULTI, Sequence, names_of, read_sequence

from vos.evaluation.boundary import contour_accuracies
from vos.evaluation.pair import pair_labels
from vos.evaluation.region import region_similarities
from vos.projects import Draft, Project, ProjectSettings, engine_of, review_queue, track_project
from vos.projects.benefit import distances, locked_frames
from vos.projects.passes import PASSES
from vos.projects.queue import distance_signal
from vos.projects.signals import SIGNALS

COUNTS = (0, 1, 2, 3, 5, 10)
ENOUGH = 90.0
"""J&F at which an annotator is content."""
FILES = ("rows", "passes", "json", "asset", "fit", "accepted", "minutes")
"""Options that say nothing about what was measured."""
TRIAL_STEP = 3
"""Every this many frames are tried."""
VIDEO = "clip"
Chooser = Callable[[Project, Sequence, set[int], NDArray[np.float64]], int | None]


@dataclass(frozen=True)
class Task:
    """One annotator, and how the sequence is cut."""

    sequence: str
    model: str
    policy: str
    frames: int
    size: int
    corrections: int
    memory: int
    fill: int

    def run(self, until: float, passes: Path) -> dict[str, Any] | None:
        """The row of this annotator; None after the time ``until``.

        Args:
            passes: folder for the passes that annotators share.
        """
        if time.time() > until:
            return None
        cv2.setNumThreads(1)
        torch.set_num_threads(1)
        settings = ProjectSettings(model=self.model, memory=self.memory, fill=self.fill)
        shared = passes / f"{self.sequence}-{self.model}"
        shared.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory() as name:
            sequence = read_sequence(self.sequence, self.frames, self.size, Path(name))
            annotator = Annotator(sequence, settings, Path(name), shared)
            annotate = annotator.evenly if self.policy == "even" else annotator.one_by_one
            return {**vars(self), **annotate(self.policy, self.corrections)}


@dataclass(frozen=True)
class Annotator:
    """Who corrects a sequence."""

    sequence: Sequence
    settings: ProjectSettings
    root: Path
    """Folder for projects."""
    passes: Path
    """Folder for the passes that annotators share."""

    def start(self, name: str) -> Project:
        """A project with the truth of frame 0."""
        project = Project.create(self.root / name, settings=self.settings)
        shared = project.folder / PASSES
        shared.parent.mkdir(exist_ok=True)
        shared.symlink_to(self.passes.resolve())
        project.add_video(self.sequence.folder, VIDEO)
        for k in self.sequence.ids:
            project.add_object(object_id=k)
        correct(project, self.sequence, 0)
        return project

    def one_by_one(self, policy: str, most: int) -> dict[str, Any]:
        """Corrections one after the other; the last J&F stays where there is nothing left to correct."""
        engine, choose = engine_of(self.settings), POLICIES[policy]
        assert choose is not None
        found: list[float] = []
        frames: list[int] = []
        samples: list[list[Any]] = []
        with self.start(policy) as project:
            for count in range(most + 1):
                track_project(project, engine=engine)
                j, f = scores(project, self.sequence)
                found.append(j_and_f(j, f))
                samples += [[*sample, count] for sample in collect(project, self.sequence, j)]
                chosen = choose(project, self.sequence, {0, *frames}, j) if count < most else None
                if chosen is None:
                    break
                frames.append(chosen)
                correct(project, self.sequence, chosen)
        by_count = {count: found[min(count, len(found) - 1)] for count in range(most + 1)}
        return {"j_and_f": by_count, "corrected": frames, "samples": samples}

    def evenly(self, policy: str, most: int) -> dict[str, Any]:
        """Evenly spaced corrections: for each number of them other frames."""
        engine, found = engine_of(self.settings), {}
        samples: list[list[Any]] = []
        for count in [count for count in COUNTS if count <= most]:
            with self.start(str(count)) as project:
                for frame in np.linspace(0, len(self.sequence.truth), count + 1, endpoint=False)[1:]:
                    correct(project, self.sequence, round(float(frame)))
                track_project(project, engine=engine)
                j, f = scores(project, self.sequence)
                found[count] = j_and_f(j, f)
                samples += [[*sample, count] for sample in collect(project, self.sequence, j)]
        return {"j_and_f": found, "samples": samples}


def scores(project: Project, sequence: Sequence) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(T, N) J and F of all frames and objects."""
    js, fs = [], []
    pairs = np.array([(k, k) for k in sequence.ids])
    for frame, truth in enumerate(sequence.truth):
        labels = pair_labels(truth, project.frame(VIDEO, frame).labels.astype(np.uint8))
        js.append(region_similarities(labels, pairs))
        fs.append(contour_accuracies(labels, pairs))
    return np.stack(js), np.stack(fs)


def j_and_f(j: NDArray[np.float64], f: NDArray[np.float64]) -> float:
    """Mean of J and F in percent, without first and last frame as DAVIS has it."""
    return round(50 * float((j[1:-1] + f[1:-1]).mean()), 2)


def correct(project: Project, sequence: Sequence, frame: int) -> None:
    """The truth of a frame, as anchors of all objects."""
    drafts = []
    for k in sequence.ids:
        mask = sequence.truth[frame] == k
        digest = project.put_mask(VIDEO, mask) if mask.any() else None
        drafts.append(Draft("anchor", {"video": VIDEO, "frame": frame, "object": k, "mask": digest}))
    project.append(drafts)


def by_queue(project: Project, sequence: Sequence, done: set[int], j: NDArray[np.float64]) -> int | None:
    """The first frame of the review queue that is not corrected yet."""
    return next((item.frame for item in review_queue(project).items if item.frame not in done), None)


def by_oracle(project: Project, sequence: Sequence, done: set[int], j: NDArray[np.float64]) -> int | None:
    """The frame with the lowest J."""
    return next((int(f) for f in np.argsort(j.mean(axis=1), kind="stable") if int(f) not in done), None)


def by_trial(project: Project, sequence: Sequence, done: set[int], j: NDArray[np.float64]) -> int | None:
    """The frame whose correction gains most, found by correcting each of them and undoing it."""
    engine, gains = engine_of(project.settings), {}
    for frame in range(TRIAL_STEP, len(sequence.truth), TRIAL_STEP):
        if frame not in done:
            correct(project, sequence, frame)
            track_project(project, engine=engine)
            gains[frame] = j_and_f(*scores(project, sequence))
            project.undo()
    return max(gains, key=lambda frame: gains[frame], default=None)


def at_random(project: Project, sequence: Sequence, done: set[int], j: NDArray[np.float64]) -> int | None:
    """Any other frame; the same ones every time."""
    left = [f for f in range(len(sequence.truth)) if f not in done]
    return int(np.random.default_rng(len(done)).choice(left)) if left else None


POLICIES: dict[str, Chooser | None] = {
    "queue": by_queue,
    "even": None,
    "random": at_random,
    "oracle": by_oracle,
    "trial": by_trial,
}


def collect(project: Project, sequence: Sequence, j: NDArray[np.float64]) -> list[list[Any]]:
    """All tracked masks: ``[J, {signal: value}, frame, object, distance, is_filled]``; the distance is in
    frames, from the nearest locked one."""
    samples: list[list[Any]] = []
    for column, k in enumerate(sequence.ids):
        track = project.state.track(VIDEO, k)
        far, away = distance_signal(track), distances(locked_frames(track))
        for span in track.results:
            payload = project.state.tracked[span.value.event].payload
            signals = payload["signals"][str(span.value.object_id)]
            for frame in range(span.first, span.last + 1):
                if not track.is_locked(frame):
                    values = {n: v[str(frame)] for n, v in signals.items() if str(frame) in v}
                    values["far"] = round(float(far[frame]), 3)
                    found = [frame, k, int(away[frame]), payload["filled"]]
                    samples.append([round(float(j[frame, column]), 4), values, *found])
    assert all(set(values) <= set(SIGNALS) for _, values, *_ in samples)
    return samples


def summarize(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """By model and policy: mean J&F by number of corrections, and corrections to be content with."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["model"], row["policy"]), []).append(row)
    summary = []
    for (model, policy), found in sorted(groups.items()):
        counts = [c for c in COUNTS if all(str(c) in row["j_and_f"] for row in found)]
        needed = [corrections_needed(row) for row in found]
        most = max(counts)
        summary.append(
            {
                "model": model,
                "policy": policy,
                "sequences": len(found),
                "j_and_f": {
                    str(c): round(float(np.mean([r["j_and_f"][str(c)] for r in found])), 2) for c in counts
                },
                f"reached {ENOUGH:g}": sum(n is not None for n in needed),
                # Who never gets there counts with one more than was tried.
                f"mean corrections to {ENOUGH:g}": round(
                    float(np.mean([most + 1 if n is None else n for n in needed])), 2
                ),
            }
        )
    return summary


def complete(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows of the sequences that all policies of a model were run on, model by model."""
    done: dict[tuple[str, str], set[str]] = {}
    used: dict[str, set[str]] = {}
    for row in rows:
        done.setdefault((row["sequence"], row["model"]), set()).add(row["policy"])
        used.setdefault(row["model"], set()).add(row["policy"])
    return [row for row in rows if done[row["sequence"], row["model"]] == used[row["model"]]]


def as_table(summary: list[dict[str, Any]]) -> str:
    """The summary as a Markdown table."""
    counts = list(summary[0]["j_and_f"]) if summary else []
    needed = f"mean corrections to {ENOUGH:g}"
    lines = [
        f"| tracker | frames chosen by | {' | '.join(counts)} | {needed} |",
        f"|---|---|{'---|' * (len(counts) + 1)}",
    ]
    for entry in summary:
        scores_ = " | ".join(f"{entry['j_and_f'][count]:.1f}" for count in counts)
        lines.append(f"| {entry['model']} | {entry['policy']} | {scores_} | {entry[needed]:.1f} |")
    return "\n".join(lines)


def corrections_needed(row: dict[str, Any]) -> int | None:
    """After how many corrections J&F is enough; None: never."""
    return min((int(c) for c, score in row["j_and_f"].items() if score >= ENOUGH), default=None)


def read_rows(path: Path) -> list[dict[str, Any]]:
    """The lines that are there; a torn last one is not."""
    rows = []
    for line in path.read_text().splitlines() if path.exists() else []:
        try:
            rows.append(json.loads(line))
        except ValueError:
            continue
    return rows


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sequences", default="", help="names, by commas; default: all")
    parser.add_argument("--policies", default="queue,even,random,oracle")
    parser.add_argument("--models", default="classical")
    parser.add_argument("--frames", type=int, default=0, help="first this many frames; 0: all")
    parser.add_argument("--size", type=int, default=0, help="shorter side in pixels; 0: as it is")
    parser.add_argument("--corrections", type=int, default=max(COUNTS))
    parser.add_argument("--memory", type=int, default=ProjectSettings().memory)
    parser.add_argument("--fill", type=int, default=ProjectSettings().fill)
    parser.add_argument("--jobs", type=int, default=1, help="processes")
    parser.add_argument("--minutes", type=float, default=0, help="begin no annotator after that; 0: no limit")
    parser.add_argument("--rows", default="corrections.jsonl", help="appended to; what is there is not run")
    parser.add_argument("--passes", help="folder for the passes that are shared; default: beside --rows")
    parser.add_argument("--json", default=str(RESULTS / "corrections.json"))
    parser.add_argument("--fit", action="store_true", help="fit the queue's weights to the lines of --rows")
    parser.add_argument(
        "--accepted", action="store_true", help="count what is wrong among masks that would be accepted"
    )
    asset = ROOT / "vos" / "assets" / "review_queue.json"
    parser.add_argument(
        "--asset", default=str(asset), help="where --fit writes them; default: where they are read"
    )
    options = parser.parse_args()
    path = Path(options.rows)
    passes = Path(options.passes or path.parent / "passes")
    if options.fit:
        fit_queue(read_rows(path), Path(options.asset), RESULTS / "review-queue.json")
        return
    if options.accepted:
        measure_accepted(read_rows(path), Path(options.asset), RESULTS / "review-accepted.json")
        return
    names = names_of(options.sequences)
    random.Random(0).shuffle(names)  # so that the first of them are a fair sample
    names.sort(key=lambda name: name not in MULTI)
    policies = options.policies.split(",")
    tasks = [
        Task(name, model, policy, options.frames, options.size, options.corrections, *_settings(options))
        for name in names
        for model in options.models.split(",")
        for policy in policies
    ]
    done = [Task(**{k: row[k] for k in Task.__dataclass_fields__}) for row in read_rows(path)]
    left = [task for task in tasks if task not in done]
    print(f"{len(tasks) - len(left)} of {len(tasks)} annotators are done", flush=True)
    until = time.time() + 60 * options.minutes if options.minutes else float("inf")
    with ProcessPoolExecutor(options.jobs) as pool, path.open("a") as lines:
        for future in as_completed([pool.submit(task.run, until, passes) for task in left]):
            row = future.result()
            if row is None:
                continue
            lines.write(json.dumps(row) + "\n")
            lines.flush()
            shown = {c: row["j_and_f"][c] for c in COUNTS if c in row["j_and_f"]}
            print(row["sequence"], row["model"], row["policy"], shown, flush=True)
    rows = [r for r in read_rows(path) if Task(**{k: r[k] for k in Task.__dataclass_fields__}) in tasks]
    rows = complete(rows)
    summary = summarize(rows)
    bare = [{key: value for key, value in row.items() if key != "samples"} for row in rows]
    settings = {key: value for key, value in vars(options).items() if key not in FILES}
    write_json(options.json, "corrections", {**settings, "summary": summary}, bare)
    print(as_table(summary))


def _settings(options: argparse.Namespace) -> tuple[int, int]:
    return options.memory, options.fill


if __name__ == "__main__":
    main()
