"""How long ``vos evaluate`` takes, and how long the official way of scoring takes on the same masks.

Both are timed as whole commands, start of Python included, taking turns; their scores must agree.

* Ours: ``vos evaluate ... --json FILE``, one thread per core.
* The official way, transcribed below: one process, Pillow, all masks of a sequence as float64, split into
  objects, and for each object and frame both contours and both dilations over the whole picture. Left out are
  its heavier imports (pandas, scikit-image) and the memory for all objects of a sequence at once.

    python benchmarks/evaluator.py
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import common
import cv2
import numpy as np
from PIL import Image

# The official way ---------------------------------------------------------------------------------------


def official_boundary(mask: np.ndarray) -> np.ndarray:
    """(H, W) bool contour map of an (H, W) bool mask."""
    right, below, diagonal = (np.zeros_like(mask) for _ in range(3))
    right[:, :-1] = mask[:, 1:]
    below[:-1, :] = mask[1:, :]
    diagonal[:-1, :-1] = mask[1:, 1:]
    contour = (mask ^ right) | (mask ^ below) | (mask ^ diagonal)
    contour[-1, :] = mask[-1, :] ^ right[-1, :]
    contour[:, -1] = mask[:, -1] ^ below[:, -1]
    contour[-1, -1] = False
    return contour


def official_f(truth: np.ndarray, prediction: np.ndarray) -> float:
    """F of two (H, W) bool masks."""
    void = np.zeros_like(truth)
    radius = int(np.ceil(0.008 * np.linalg.norm(truth.shape)))
    offsets = np.arange(-radius, radius + 1)
    disk = (offsets[:, None] ** 2 + offsets[None, :] ** 2 <= radius**2).astype(np.uint8)
    predicted = official_boundary(prediction * np.logical_not(void))
    true = official_boundary(truth * np.logical_not(void))
    predicted_wide = cv2.dilate(predicted.astype(np.uint8), disk)
    true_wide = cv2.dilate(true.astype(np.uint8), disk)
    true_match, predicted_match = true * predicted_wide, predicted * true_wide
    num_predicted, num_true = np.sum(predicted), np.sum(true)
    if num_predicted == 0 or num_true == 0:
        return float(num_predicted == num_true)
    precision = np.sum(predicted_match) / float(num_predicted)
    recall = np.sum(true_match) / float(num_true)
    return 0.0 if precision + recall == 0 else 2 * precision * recall / (precision + recall)


def official_j(truth: np.ndarray, prediction: np.ndarray) -> np.ndarray:
    """(n,) J of two stacks (n, H, W) of bool masks."""
    void = np.zeros_like(prediction)
    intersection = np.sum((prediction & truth) & np.logical_not(void), axis=(-2, -1))
    union = np.sum((prediction | truth) & np.logical_not(void), axis=(-2, -1))
    return np.where(union == 0, 1.0, intersection / np.maximum(union, 1))


def official_stack(paths: list[Path], one_object: bool) -> np.ndarray:
    """(n, H, W) float64 labels."""
    first = np.array(Image.open(paths[0]))
    stack = np.zeros((len(paths), *first.shape))
    for index, path in enumerate(paths):
        stack[index] = np.array(Image.open(path))
    return (stack > 0).astype(np.float64) if one_object else stack


def official_evaluation(root: Path, results: Path, subset: str) -> dict[str, Any]:
    """Mean J and F over the objects of a set, semi-supervised, and the time spent on masks in memory."""
    one_object = subset.startswith("2016")
    j_means, f_means, seconds, measured = [], [], 0.0, 0
    for name in (root / "ImageSets" / f"{subset}.txt").read_text().split():
        paths = sorted((root / "Annotations/480p" / name).glob("*.png"))
        truth = official_stack(paths, one_object)
        prediction = official_stack([results / name / path.name for path in paths[1:-1]], one_object)
        for k in range(1, int(truth[0].max()) + 1):
            start = time.perf_counter()
            true = (np.ones(truth.shape) * k == truth)[1:-1]
            predicted = np.ones(prediction.shape) * k == prediction
            j_means.append(np.mean(official_j(true, predicted)))
            f_means.append(np.mean([official_f(t, p) for t, p in zip(true, predicted, strict=True)]))
            seconds += time.perf_counter() - start
            measured += len(predicted)
    return {
        "J-Mean": float(np.mean(j_means)),
        "F-Mean": float(np.mean(f_means)),
        "ms_per_object_and_frame": 1000 * seconds / measured,
    }


# The cases ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    """Results to score, and against what."""

    name: str
    root: Path
    results: Path
    subset: str


def cases(data: Path, work: Path) -> list[Case]:
    """One object at 480p, seven at 240p as they are, and seven, then one of them, at 480p."""
    made = [
        Case(
            "DAVIS 2016 dev, OSVOS, 1 object, 854x480",
            data / "DAVIS",
            data / "davis_published/2016/masks/osvos",
            "2016/dev",
        )
    ]
    girls = data / "DAVIS-2017-240p/Annotations/480p/schoolgirls"
    for name, scale, ids in (
        ("schoolgirls, 7 objects, 432x240", 1, 7),
        ("schoolgirls, 7 objects, 864x480", 2, 7),
        ("schoolgirls, 1 of the objects, 864x480", 2, 1),
    ):
        made.append(_girls(name, girls, work / f"{scale}-{ids}", scale, ids))
    return made


def _girls(name: str, girls: Path, folder: Path, scale: int, ids: int) -> Case:
    """Truth enlarged by repetition; as a result, every frame's truth moved and worn at the edges."""
    results, truth = folder / "results/schoolgirls", folder / "Annotations/480p/schoolgirls"
    for made in (results, truth, folder / "ImageSets/2017"):
        made.mkdir(parents=True)
    (folder / "ImageSets/2017/val.txt").write_text("schoolgirls\n")
    for index, path in enumerate(sorted(girls.glob("*.png"))):
        labels = np.array(Image.open(path))
        labels[labels > ids] = 0
        labels = labels.repeat(scale, axis=0).repeat(scale, axis=1)
        moved = np.roll(cv2.medianBlur(labels, 5), (index % 7, index % 11), (0, 1))
        for target, picture in ((truth, labels), (results, moved)):
            image = Image.fromarray(picture)
            image.putpalette([value for index in range(256) for value in (index, 255 - index, 128)])
            image.save(target / path.name)
    return Case(name, folder, folder / "results", "2017/val")


# Timing -------------------------------------------------------------------------------------------------


def seconds_of(command: list[str]) -> tuple[float, float]:
    """Wall time of a command, from start to exit, and the processor time it used."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    wall = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(case: Case, repeats: int, work: Path) -> dict[str, Any]:
    """Time both commands in turns and compare what they say."""
    ours_json, official_json = work / "ours.json", work / "official.json"
    places = ["--davis", str(case.root), "--set", case.subset]
    ours = [sys.executable, "-m", "vos_cli.main", "evaluate", str(case.results), *places]
    ours += ["--json", str(ours_json)]
    official = [sys.executable, __file__, "--official", str(official_json), str(case.results), *places]
    times: dict[str, list[tuple[float, float]]] = {"ours": [], "official": []}
    for _ in range(repeats):
        times["official"].append(seconds_of(official))
        times["ours"].append(seconds_of(ours))
    scores, reference = json.loads(ours_json.read_text()), json.loads(official_json.read_text())
    for key in ("J-Mean", "F-Mean"):
        if abs(scores["global"][key] - reference[key]) > 1e-9:
            raise SystemExit(f"{case.name}: {key} is {scores['global'][key]}, officially {reference[key]}")
    frames = sum({row["sequence"]: len(row["frames"]) for row in scores["per_sequence"]}.values())
    wall = {name: [seconds for seconds, _ in values] for name, values in times.items()}
    cpu = {name: min(seconds for _, seconds in values) for name, values in times.items()}
    return {
        "case": case.name,
        "frames": frames,
        "objects_and_frames": sum(len(row["frames"]) for row in scores["per_sequence"]),
        "official_ms_per_object_and_frame": reference["ms_per_object_and_frame"],
        "official_seconds": wall["official"],
        "our_seconds": wall["ours"],
        "ratio_of_best": min(wall["official"]) / min(wall["ours"]),
        "ratio_of_medians": statistics.median(wall["official"]) / statistics.median(wall["ours"]),
        "official_cpu_seconds": cpu["official"],
        "our_cpu_seconds": cpu["ours"],
        "our_cpu_ms_per_frame_in_process": cpu_ms_per_frame(case, frames),
    }


def cpu_ms_per_frame(case: Case, frames: int, repeats: int = 3) -> float:
    """Processor time of our scoring alone, reading included, start-up not; the best of a few runs."""
    from vos.evaluation.davis import evaluate_davis

    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        evaluate_davis(case.results, case.root, case.subset, jobs=1)
        best = min(best, time.process_time() - start)
    return 1000 * best / frames


def main() -> None:
    """Parse, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--data", type=Path, default=common.data_root(), help="folder with DAVIS and the like"
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", type=Path, default=common.RESULTS / "evaluator.json")
    parser.add_argument("--official", nargs=2, type=Path, metavar=("JSON", "RESULTS"), help=argparse.SUPPRESS)
    parser.add_argument("--davis", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--set", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.official:
        target, results = arguments.official
        target.write_text(json.dumps(official_evaluation(arguments.davis, results, arguments.set)))
        return
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        found = [measure(case, arguments.repeats, work) for case in cases(arguments.data, work)]
    print(f"{'':40} {'wall s':^21} {'CPU s':^15} {'CPU ms/frame':>12}")
    print(f"{'case':40} {'official':>8} {'ours':>5} {'ratio':>6} {'official':>9} {'ours':>5} {'ours':>12}")
    for row in found:
        print(
            f"{row['case']:40} {min(row['official_seconds']):8.2f} {min(row['our_seconds']):5.2f} "
            f"{row['ratio_of_best']:6.1f} {row['official_cpu_seconds']:9.2f} {row['our_cpu_seconds']:5.2f} "
            f"{row['our_cpu_ms_per_frame_in_process']:12.2f}"
        )
    common.write_json(
        arguments.json, "vos evaluate beside the official way", {"repeats": arguments.repeats}, found
    )


if __name__ == "__main__":
    main()
