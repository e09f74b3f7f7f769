"""Scores of published masks against the published scores: the parity that is claimed is tested."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from davis_fixture import write_index
from PIL import Image

from vos.evaluation.davis import evaluate_davis

HALF_A_DIGIT = 0.0005
"""The published values have three decimals."""


@pytest.mark.parametrize("method", ["osvos", "siammask"])
def test_every_published_frame(davis_root: Path, test_data: Path, method: str) -> None:
    """J and F of all 681 scored frames of ten DAVIS 2016 sequences."""
    published = test_data / "davis_published/2016"
    if not (published / "masks" / method).is_dir():
        pytest.skip(f"no published masks of {method} below {published}")
    expected = json.loads((published / f"per_frame/{method}_davis.json").read_text())
    report = evaluate_davis(published / "masks" / method, davis_root, "2016/dev")
    assert len(report.objects) == 10
    assert sum(len(row.frames) for row in report.objects) == 681
    for row in report.objects:
        for values, name in ((row.j, "J"), (row.f, "F")):
            official = np.array(expected[row.sequence][name])
            assert values.shape == official.shape
            worst = int(np.abs(values - official).argmax())
            assert values[worst] == pytest.approx(official[worst], abs=HALF_A_DIGIT + 1e-9), (
                f"{name} of {row.sequence}, frame {row.frames[worst]}"
            )


def test_seven_objects_against_themselves(davis_multi_root: Path, tmp_path: Path) -> None:
    """A real palette sequence scores 1 in both tasks; with ids exchanged, in the unsupervised one only."""
    truth = davis_multi_root / "Annotations/480p"
    report = evaluate_davis(truth, davis_multi_root, "2017/val")
    assert [row.object for row in report.objects] == [1, 2, 3, 4, 5, 6, 7]
    assert report.objects[0].frames == tuple(range(1, 79))
    assert report.global_scores()["J&F-Mean"] == 1

    exchanged = np.array([0, 3, 1, 2, 7, 6, 5, 4], np.uint8)
    for path in (truth / "schoolgirls").glob("*.png"):
        write_index(tmp_path / "schoolgirls" / path.name, exchanged[np.asarray(Image.open(path))])
    assert evaluate_davis(tmp_path, davis_multi_root, "2017/val").global_scores()["J&F-Mean"] < 0.5
    report = evaluate_davis(tmp_path, davis_multi_root, "2017/val", "unsupervised")
    assert report.objects[0].frames == tuple(range(80))
    assert {row.object: row.proposal for row in report.objects} == dict(enumerate(exchanged[1:].tolist(), 1))
    assert report.global_scores()["J&F-Mean"] == 1
