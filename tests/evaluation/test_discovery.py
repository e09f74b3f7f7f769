"""Recall and precision of discovered objects."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vos.errors import EvaluationError
from vos.evaluation.discovery import evaluate_discovery
from vos.formats.discoveries import image_entry, write_discoveries

SIZE = (40, 60)


def box(x: int, y: int, side: int = 10) -> np.ndarray:
    """A square mask."""
    mask = np.zeros(SIZE, bool)
    mask[y : y + side, x : x + side] = True
    return mask


def write(path: Path, *images: tuple[str, list[tuple[str, float, np.ndarray]]]) -> Path:
    """A COCO file of images with objects."""
    write_discoveries(path, {"program": "test"}, [image_entry(name, SIZE, found) for name, found in images])
    return path


@pytest.fixture
def truth(tmp_path: Path) -> Path:
    """Three objects in two images."""
    return write(
        tmp_path / "truth.json",
        ("one.jpg", [("dog", 1, box(5, 5)), ("cat", 1, box(30, 20))]),
        ("two.jpg", [("bird", 1, box(10, 10, 20))]),
    )


def test_perfect(truth: Path, tmp_path: Path) -> None:
    """The same masks under other names, in another order of images and with other endings: all ones."""
    results = write(
        tmp_path / "results.json",
        ("two.png", [("thing", 0.3, box(10, 10, 20))]),
        ("one.png", [("thing", 0.9, box(30, 20)), ("stuff", 0.2, box(5, 5))]),
    )
    for kind in ("segm", "bbox"):
        score = evaluate_discovery(results, truth, kind=kind)
        assert (score.ar, score.ar50, score.ar75, score.ap, score.ap50, score.ap75) == (1,) * 6
    assert (score.images, score.images_without_result, score.objects, score.detections) == (2, 0, 3, 3)
    assert "100.0" in score.table()
    assert "without a result" not in score.table()


def test_recall_by_threshold(truth: Path, tmp_path: Path) -> None:
    """One of three found exactly, one with IoU 0.739: recall 2/3 at 0.50, 1/3 at 0.75; misses count."""
    results = write(
        tmp_path / "results.json",
        ("one.png", [("a", 0.9, box(5, 5)), ("c", 0.7, box(48, 2))]),
        ("two.png", [("b", 0.8, box(13, 10, 20))]),
    )
    score = evaluate_discovery(results, truth)
    assert score.ar50 == pytest.approx(2 / 3)
    assert score.ar75 == pytest.approx(1 / 3)
    # Thresholds 0.50 to 0.70 take both, the other five one.
    assert score.ar == pytest.approx((5 * 2 / 3 + 5 * 1 / 3) / 10)
    assert score.ap50 == pytest.approx(67 / 101)  # precision 1 up to recall 0.66 of 101 points
    assert score.ap75 == pytest.approx(34 / 101)


def test_images_without_a_result_count(truth: Path, tmp_path: Path) -> None:
    """As missed, and the table says so."""
    score = evaluate_discovery(write(tmp_path / "results.json", ("one.png", [("a", 1, box(5, 5))])), truth)
    assert score.ar50 == pytest.approx(1 / 3)
    assert score.images_without_result == 1
    assert "1 of them without a result" in score.table()


def test_the_best_count(truth: Path, tmp_path: Path) -> None:
    """With one find an image, the one of the highest score."""
    results = write(
        tmp_path / "results.json",
        ("one.png", [("a", 0.1, box(5, 5)), ("b", 0.8, box(48, 2))]),
        ("two.png", [("c", 0.5, box(10, 10, 20))]),
        ("three.png", [("c", 0.5, box(10, 10, 20))]),
    )
    assert evaluate_discovery(results, truth, max_detections=1).ar50 == pytest.approx(1 / 3)
    both = evaluate_discovery(results, truth, max_detections=2)
    assert both.ar50 == pytest.approx(2 / 3)
    assert both.detections == 3


def test_nothing_found(truth: Path, tmp_path: Path) -> None:
    """An image without finds is a result: zeros."""
    results = write(tmp_path / "results.json", ("one.png", []), ("two.png", []))
    score = evaluate_discovery(results, truth)
    assert (score.ar, score.ap, score.detections) == (0, 0, 0)


def broken(content: dict[str, Any], what: str) -> dict[str, Any]:
    """A results file with a mistake in it."""
    if what == "no score":
        del content["annotations"][0]["score"]
    elif what == "no masks":
        del content["annotations"][0]["segmentation"]
    elif what == "strangers":
        content["images"][0]["file_name"] = "nine.png"
    elif what == "size":
        content["annotations"][0]["segmentation"]["size"] = [20, 120]
    elif what == "form":
        del content["images"]
    elif what == "another image":
        content["annotations"][0]["image_id"] = str(content["images"][0]["id"])
    elif what == "one id for two":
        content["images"].append({**content["images"][0], "file_name": "other.png"})
    elif what == "no image":
        del content["annotations"][0]["image_id"]
    return content


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("no score", "annotation 1 .* has no score"),
        ("no masks", "no segmentation; score boxes"),
        ("strangers", "no image in common"),
        ("size", "120x20 pixels"),
        ("form", "not a COCO file"),
        ("another image", "annotation 1 .* is of image '0', which the file does not list"),
        ("one id for two", "two images have the id 0"),
        ("no image", r"not a COCO file.*image_id"),
    ],
)
def test_mistakes(truth: Path, tmp_path: Path, what: str, message: str) -> None:
    """Each is named, with what to do."""
    results = write(tmp_path / "results.json", ("one.png", [("a", 0.9, box(5, 5))]))
    results.write_text(json.dumps(broken(json.loads(results.read_text()), what)))
    with pytest.raises(EvaluationError, match=message):
        evaluate_discovery(results, truth)


def test_a_very_long_file_name(truth: Path, tmp_path: Path) -> None:
    """It is shortened in the message."""
    results = write(tmp_path / "results.json", ("9" * 5000 + ".png", []))
    with pytest.raises(EvaluationError, match="no image in common") as caught:
        evaluate_discovery(results, truth)
    assert len(str(caught.value)) < 1000


def test_files_and_numbers(truth: Path, tmp_path: Path) -> None:
    """A file that is not there, two images of one name, no detection to count."""
    with pytest.raises(EvaluationError, match="cannot read"):
        evaluate_discovery(tmp_path / "nothing.json", truth)
    twice = write(tmp_path / "twice.json", ("one.png", []), ("one.jpg", []))
    with pytest.raises(EvaluationError, match="two images"):
        evaluate_discovery(truth, twice)
    with pytest.raises(EvaluationError, match="max_detections"):
        evaluate_discovery(truth, truth, max_detections=0)
