"""J&F after some corrections by a simulated annotator, for several ways of choosing the frames to correct.

The annotator gives the true masks of frame 0 and tracks; then, again and again, a policy names a frame, the
true masks of that frame become anchors, and what they touch is tracked again. Policies: the review queue,
evenly spaced frames, random frames, and an oracle that names the frame with the lowest J.

    python benchmarks/corrections.py --sequences bmx-trees,breakdance --frames 40 --size 240
    python benchmarks/corrections.py --fit

With ``--fit`` the weights of the queue's signals are fitted to the frames of all sequences (before and after
corrections) and printed beside the areas under the ROC curve for "J < 0.75".
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from common import RESULTS, data_root, write_json
from numpy.typing import NDArray
from scipy.optimize import minimize

from vos.evaluation.boundary import contour_accuracies
from vos.evaluation.label_png import read_foreground_png, read_label_png
from vos.evaluation.pair import pair_labels
from vos.evaluation.region import region_similarities
from vos.projects import Draft, Project, ProjectSettings, doubt, engine_of, review_queue, track_project
from vos.projects.signals import SIGNALS
from vos.video import open_video

COUNTS = (0, 1, 2, 3, 5, 10)
BAD = 0.75
VIDEO = "clip"
MULTI = ("schoolgirls",)
"""Sequences whose masks tell several objects apart."""

Labels = NDArray[np.uint8]


@dataclass
class Sequence:
    """A sequence with its truth, at the size that is tracked."""

    name: str
    folder: Path
    """With the frames as PNG, and nothing else."""
    truth: list[Labels]
    ids: tuple[int, ...]


@dataclass
class Samples:
    """Signals and J of tracked masks, to fit the weights to."""

    signals: list[NDArray[np.float64]] = field(default_factory=list)
    js: list[float] = field(default_factory=list)
    us: list[float] = field(default_factory=list)


def sequences(wanted: list[str], frames: int, size: int, root: Path) -> Iterator[Sequence]:
    """The wanted sequences; all of DAVIS 2016 dev, DAVIS-2016-train and schoolgirls if none are named."""
    data = data_root()
    sources: dict[str, tuple[Path, Path]] = {}
    for path in sorted((data / "DAVIS" / "JPEGImages" / "480p").glob("*")):
        sources[path.name] = (path, data / "DAVIS" / "Annotations" / "480p" / path.name)
    for path in sorted((data / "DAVIS-2016-train").glob("*.mp4")):
        sources.setdefault(path.stem, (path, path.with_suffix("")))
    for path in sorted((data / "DAVIS-2017-240p" / "JPEGImages" / "480p").glob("*")):
        sources[path.name] = (path, data / "DAVIS-2017-240p" / "Annotations" / "480p" / path.name)
    for name in wanted or sources:
        images, masks = sources[name]
        folder = root / name / "images"
        folder.mkdir(parents=True)
        truth = []
        with open_video(images, end=frames or None, size=size or None) as video:
            for frame, mask in zip(video, sorted(masks.glob("*.png")), strict=False):
                cv2.imwrite(str(folder / f"{frame.index:05d}.png"), frame.image[..., ::-1])
                labels = read_label_png(mask) if name in MULTI else read_foreground_png(mask).astype(np.uint8)
                width, height = frame.size[1], frame.size[0]
                truth.append(cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST))
        ids = tuple(int(k) for k in np.unique(truth[0]) if k)
        yield Sequence(name, folder, truth, ids)


def scores(project: Project, sequence: Sequence) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """(T, N) J and F of all frames and objects."""
    js, fs = [], []
    pairs = np.array([(k, k) for k in sequence.ids])
    for frame, truth in enumerate(sequence.truth):
        labels = pair_labels(truth, project.frame(VIDEO, frame).labels.astype(np.uint8))
        js.append(region_similarities(labels, pairs))
        fs.append(contour_accuracies(labels, pairs))
    return np.stack(js), np.stack(fs)


def start(sequence: Sequence, folder: Path, settings: ProjectSettings) -> Project:
    """A project with the truth of frame 0."""
    project = Project.create(folder, settings=settings)
    project.add_video(sequence.folder, VIDEO)
    for k in sequence.ids:
        project.add_object(object_id=k)
    correct(project, sequence, 0)
    return project


def correct(project: Project, sequence: Sequence, frame: int) -> None:
    """The truth of a frame, as anchors of all objects."""
    project.append(
        [
            Draft("anchor", {"video": VIDEO, "frame": frame, "object": k, "mask": _digest(project, mask)})
            for k in sequence.ids
            for mask in [sequence.truth[frame] == k]
        ]
    )


def _digest(project: Project, mask: NDArray[np.bool_]) -> str | None:
    return project.put_mask(VIDEO, mask) if mask.any() else None


def by_queue(project: Project, sequence: Sequence, done: set[int], j: NDArray[np.float64]) -> int | None:
    """The first frame of the review queue that is not corrected yet."""
    return next((item.frame for item in review_queue(project).items if item.frame not in done), None)


def by_oracle(project: Project, sequence: Sequence, done: set[int], j: NDArray[np.float64]) -> int | None:
    """The frame with the lowest J."""
    return next((int(f) for f in np.argsort(j.mean(axis=1), kind="stable") if int(f) not in done), None)


def at_random(seed: int) -> Callable[..., int | None]:
    """A policy that draws frames."""
    rng = np.random.default_rng(seed)

    def choose(project: Project, sequence: Sequence, done: set[int], j: NDArray[np.float64]) -> int | None:
        left = [f for f in range(len(sequence.truth)) if f not in done]
        return int(rng.choice(left)) if left else None

    return choose


POLICIES: dict[str, Callable[..., int | None]] = {
    "queue": by_queue,
    "random": at_random(0),
    "oracle": by_oracle,
}


def j_and_f(j: NDArray[np.float64], f: NDArray[np.float64]) -> float:
    """Mean of J and F in percent, without first and last frame as DAVIS has it."""
    return round(50 * float((j[1:-1] + f[1:-1]).mean()), 2)


def annotate(
    sequence: Sequence, policy: str, folder: Path, settings: ProjectSettings, most: int, samples: Samples
) -> dict[str, Any]:
    """One annotator: J&F by number of corrections."""
    engine, found, frames = engine_of(settings), {}, []
    began = time.process_time()
    with start(sequence, folder, settings) as project:
        for count in range(most + 1):
            track_project(project, engine=engine)
            j, f = scores(project, sequence)
            found[count] = j_and_f(j, f)
            if policy == "queue":
                collect(project, sequence, j, samples)
            chosen = POLICIES[policy](project, sequence, {0, *frames}, j)
            if chosen is None or count == most:
                break
            frames.append(chosen)
            correct(project, sequence, chosen)
    return {
        "sequence": sequence.name,
        "policy": policy,
        "j_and_f": {str(count): found.get(count, found[max(found)]) for count in COUNTS if count <= most},
        "frames": frames,
        "seconds": round(time.process_time() - began, 1),
    }


def evenly(sequence: Sequence, folder: Path, settings: ProjectSettings, most: int) -> dict[str, Any]:
    """Evenly spaced corrections: for each number of them other frames."""
    engine, found = engine_of(settings), {}
    began = time.process_time()
    for count in [count for count in COUNTS if count <= most]:
        with start(sequence, folder / str(count), settings) as project:
            for frame in np.linspace(0, len(sequence.truth), count + 1, endpoint=False)[1:]:
                correct(project, sequence, round(float(frame)))
            track_project(project, engine=engine)
            found[str(count)] = j_and_f(*scores(project, sequence))
    return {
        "sequence": sequence.name,
        "policy": "even",
        "j_and_f": found,
        "seconds": round(time.process_time() - began, 1),
    }


def collect(project: Project, sequence: Sequence, j: NDArray[np.float64], samples: Samples) -> None:
    """Signals and J of all tracked masks."""
    names = list(SIGNALS)
    for column, k in enumerate(sequence.ids):
        track = project.state.track(VIDEO, k)
        values = np.zeros((track.num_frames, len(names)))
        for span in track.results:
            signals = project.state.tracked[span.value.event].payload["signals"][str(span.value.object_id)]
            for name, frames in signals.items():
                for text, value in frames.items():
                    if span.first <= int(text) <= span.last:
                        values[int(text), names.index(name)] = value
        u = doubt(project.state, track)
        for frame in range(track.num_frames):
            if not track.is_locked(frame):
                samples.signals.append(values[frame])
                samples.js.append(float(j[frame, column]))
                samples.us.append(float(u[frame]))


def auroc(scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> float:
    """Area under the ROC curve: the chance that a positive scores above a negative, ties count half."""
    from scipy.stats import rankdata

    count = int(positive.sum())
    if count in (0, len(positive)):
        return float("nan")
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(positive) - count)))


def fit(samples: Samples) -> dict[str, float]:
    """Weights that make u the likeliest probability of J < 0.75."""
    values, bad = np.array(samples.signals), np.array(samples.js) < BAD

    def loss(weights: NDArray[np.float64]) -> float:
        u = np.clip(1 - np.prod(1 - weights * values, axis=1), 1e-3, 1 - 1e-3)
        return float(-np.where(bad, np.log(u), np.log(1 - u)).mean())

    solved = minimize(loss, np.full(values.shape[1], 0.4), bounds=[(0.0, 0.95)] * values.shape[1])
    return {name: round(float(weight), 3) for name, weight in zip(SIGNALS, solved.x, strict=True)}


def report(samples: Samples, weights: dict[str, float]) -> dict[str, Any]:
    """Areas under the ROC curve of u, of u with fitted weights, and of 1 - confidence alone."""
    values, bad = np.array(samples.signals), np.array(samples.js) < BAD
    fitted = 1 - np.prod(1 - np.array(list(weights.values())) * values, axis=1)
    score = values[:, list(SIGNALS).index("score")]
    return {
        "masks": len(bad),
        "bad": int(bad.sum()),
        "auroc": {
            "u": round(auroc(np.array(samples.us), bad), 3),
            "u fitted": round(auroc(fitted, bad), 3),
            "score": round(auroc(score, bad), 3),
        },
    }


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sequences", default="", help="names, by commas; default: all")
    parser.add_argument("--policies", default="queue,even,random,oracle")
    parser.add_argument("--model", default="classical")
    parser.add_argument("--frames", type=int, default=0, help="first so many frames; 0: all")
    parser.add_argument("--size", type=int, default=0, help="shorter side in pixels; 0: as it is")
    parser.add_argument("--corrections", type=int, default=max(COUNTS))
    parser.add_argument("--memory", type=int, default=ProjectSettings().memory)
    parser.add_argument("--fit", action="store_true", help="fit the queue's weights to these sequences")
    parser.add_argument("--json", default=str(RESULTS / "corrections.json"))
    options = parser.parse_args()
    settings = ProjectSettings(model=options.model, memory=options.memory)
    samples, rows = Samples(), []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        wanted = [part for part in options.sequences.split(",") if part]
        for sequence in sequences(wanted, options.frames, options.size, root):
            for policy in options.policies.split(","):
                folder = root / sequence.name / policy
                if policy == "even":
                    folder.mkdir()
                    row = evenly(sequence, folder, settings, options.corrections)
                else:
                    row = annotate(sequence, policy, folder, settings, options.corrections, samples)
                rows.append(row)
                print(row["sequence"], row["policy"], row["j_and_f"], f"{row['seconds']} s", flush=True)
                summary = {**vars(options)}
                if samples.js:
                    weights = fit(samples) if options.fit else {}
                    summary |= report(samples, weights) if weights else {}
                    summary |= {"weights": weights} if weights else {}
                write_json(options.json, "corrections", summary, rows)
    for policy in options.policies.split(","):
        chosen = [row["j_and_f"] for row in rows if row["policy"] == policy]
        means = {count: round(float(np.mean([one[count] for one in chosen])), 2) for count in chosen[0]}
        print(f"mean {policy}: {means}")
    if options.fit and samples.js:
        weights = fit(samples)
        print(weights, report(samples, weights))


if __name__ == "__main__":
    main()
