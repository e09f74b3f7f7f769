"""From annotated frames to fitted models: recording, reading and fitting fit together."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from training.confidence.fit import fit_all
from training.confidence.record import Annotated, record_decoding, record_tracking, write_rows
from training.confidence.records import DECODING, TRACKING, read_records
from vos.backbones.classical.backbone import GraphCutBackbone
from vos.ops.monotone_logistic import MonotoneLogistic
from vos.testing import scene, write_images
from vos.trackers.classical.confidence import REFERENCE


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Annotated:
    """Three frames with one object, as image files."""
    folder = tmp_path_factory.mktemp("clip")
    clip = scene("moving", num_frames=3, size=(96, 128))
    write_images(clip, folder / "frames")
    (folder / "truth").mkdir()
    for index, labels in enumerate(clip.labels):
        cv2.imwrite(str(folder / "truth" / f"{index:05d}.png"), 255 * (labels == 1).astype(np.uint8))
    return Annotated("clip", folder / "frames", folder / "truth")


def test_recorded_rows_are_read_and_fitted(annotated: Annotated, tmp_path: Path) -> None:
    """Every row has J and all signals, and what is fitted to them is a model that the package can load."""
    decoded = record_decoding(GraphCutBackbone(), annotated)
    assert [row["prompt"] for row in decoded][:2] == ["box", "1 click"]
    tracked = record_tracking("classical", annotated, "box", frames=1)
    assert [row["frame"] for row in tracked] == [1]
    for rows, names in ((decoded, set().union(*DECODING.values())), (tracked, {*TRACKING, REFERENCE})):
        assert all(set(row["signals"]) == names and 0 <= row["j"] <= 1 for row in rows)
    write_rows(tmp_path / "decoding-interactive" / "clip.jsonl", decoded)
    write_rows(tmp_path / "tracking-classical-box" / "clip.jsonl", tracked)
    records = read_records(tmp_path)
    assert records.starts("classical").tolist() == ["box"]
    models = fit_all(records)
    assert set(models) == {"interactive", "classical"}
    assert set(models["interactive"]) == {"box", "click", "points"}
    confidence = MonotoneLogistic(**models["classical"]["tracked"])(tracked[0]["signals"])
    assert 0 <= confidence <= 1


def test_a_tracked_mask_knows_how_its_first_mask_was_made(tmp_path: Path) -> None:
    """The factor is that of the expected J of the first mask: of its prompt's, and 1 for a true mask."""
    for number in range(12):
        signals = dict.fromkeys(set().union(*DECODING.values()), number / 12)
        rows = [
            {"prompt": prompt, "j": 0.2 + 0.05 * number, "signals": signals}
            for prompt in ("box", "1 click", "2 clicks", "3 clicks")
        ]
        write_rows(tmp_path / "decoding-interactive" / f"s{number:02d}.jsonl", rows)
        for start in ("mask", "box"):
            row = {"frame": 1, "j": 0.5, "signals": dict.fromkeys(TRACKING, 0.0)}
            write_rows(tmp_path / f"tracking-classical-{start}" / f"s{number:02d}.jsonl", [row])
    records = read_records(tmp_path)
    factor = records.tracking("classical", held_out=True).factor
    starts = records.starts("classical")
    assert set(factor[starts == "mask"]) == {1.0}
    assert factor[starts == "box"].max() < 1
    assert np.corrcoef(factor[starts == "box"], np.arange(12))[0, 1] > 0.9
