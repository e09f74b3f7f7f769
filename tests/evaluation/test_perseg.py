"""mIoU, mAcc and boundary IoU on the layout of PerSeg."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from vos_cli.main import cli

from vos.errors import EvaluationError, MediaError
from vos.evaluation.boundary_band import boundary, boundary_iou
from vos.evaluation.label_png import read_foreground_png
from vos.evaluation.perseg import evaluate_perseg
from vos.formats.index_png import encode_index_png
from vos.testing import scene

OBJECTS = ("cat", "toy 00")
"""The second has the stem of the reference in its name, which empties it in PerSAM's own script."""


@pytest.fixture
def perseg(tmp_path: Path) -> tuple[Path, Path]:
    """A data set of two objects with three images each, and results: the truth, moved by a few pixels."""
    root, results = tmp_path / "data", tmp_path / "results"
    for number, name in enumerate(OBJECTS):
        clip = scene("moving", num_frames=3, size=(60 + 10 * number, 80), seed=number)
        for folder in (root / "Annotations" / name, results / name):
            folder.mkdir(parents=True)
        for frame in range(3):
            mask = (clip.labels[frame] > 0).astype(np.uint8)
            (root / "Annotations" / name / f"{frame:02d}.png").write_bytes(encode_index_png(mask))
            if frame:
                found = np.roll(mask, 2 + number + frame, axis=1)
                (results / name / f"{frame:02d}.png").write_bytes(encode_index_png(found))
    return root, results


def upstream(root: Path, results: Path) -> dict[str, tuple[float, float]]:
    """IoU and Acc by object as PerSAM's script has them: colours to grey, sums, epsilon."""
    scores = {}
    for name in OBJECTS:
        sums = np.zeros(3)
        for truth_path in sorted((root / "Annotations" / name).glob("*.png"))[1:]:
            pair = [
                cv2.cvtColor(cv2.imread(str(path)), cv2.COLOR_BGR2GRAY) > 0
                for path in (truth_path, results / name / truth_path.name)
            ]
            sums += (pair[0] & pair[1]).sum(), (pair[0] | pair[1]).sum(), pair[0].sum()
        scores[name] = sums[0] / (sums[1] + 1e-10), sums[0] / (sums[2] + 1e-10)
    return scores


def cheng_boundary(mask: np.ndarray) -> np.ndarray:
    """The published definition: what d erosions by a 3x3 square take away from the padded mask."""
    distance = max(1, round(0.02 * np.sqrt(mask.shape[0] ** 2 + mask.shape[1] ** 2)))
    padded = np.pad(mask.astype(np.uint8), 1)
    eroded = cv2.erode(padded, np.ones((3, 3), np.uint8), iterations=int(distance))[1:-1, 1:-1]
    return mask & (eroded == 0)


def test_scores_are_those_of_the_script(perseg: tuple[Path, Path]) -> None:
    """IoU and Acc pool an object's images; mIoU and mAcc are the means over objects."""
    report = evaluate_perseg(perseg[1], perseg[0])
    wanted = upstream(*perseg)
    assert [row.name for row in report.objects] == list(OBJECTS)
    for row in report.objects:
        assert (row.iou, row.accuracy) == wanted[row.name]
        assert row.images == 2
        assert 0 < row.boundary_iou < row.iou
    assert report.global_scores()["mIoU"] == np.mean([iou for iou, _ in wanted.values()])
    assert report.global_scores()["mAcc"] == np.mean([accuracy for _, accuracy in wanted.values()])


def test_perfect_and_empty_results(perseg: tuple[Path, Path]) -> None:
    """The truth itself scores 1 in everything, nothing at all scores 0."""
    root, results = perseg
    truth = evaluate_perseg(root / "Annotations", root).global_scores()
    assert truth == pytest.approx({"mIoU": 1, "mAcc": 1, "mbIoU": 1})
    for path in results.rglob("*.png"):
        path.write_bytes(encode_index_png(np.zeros_like(np.array(Image.open(path)))))
    assert evaluate_perseg(results, root).global_scores() == {"mIoU": 0, "mAcc": 0, "mbIoU": 0}


@pytest.mark.parametrize("shape", [(40, 60), (1, 1), (3, 200), (400, 300)])
def test_boundary_is_the_published_one(shape: tuple[int, int]) -> None:
    """The band along the contour, the border of the picture included, pixel for pixel."""
    rng = np.random.default_rng(1)
    mask = cv2.blur(rng.random(shape).astype(np.float32), (31, 31)) > 0.5
    np.testing.assert_array_equal(boundary(mask), cheng_boundary(mask))
    full = np.ones(shape, bool)
    np.testing.assert_array_equal(boundary(full), cheng_boundary(full))


def test_boundary_iou_of_a_shifted_square() -> None:
    """Two frames of width 2 that are moved by one pixel, counted by hand."""
    square = np.zeros((60, 80), bool)  # diagonal 100, so the band is 2 pixels wide
    square[20:30, 20:30] = True
    moved = np.roll(square, 1, axis=1)
    band = 10 * 10 - 6 * 6
    both = 4 * 9 + 2 * 6 * 1  # rows above and below; one column of the two on either side
    assert boundary(square).sum() == band
    assert boundary_iou(square, moved) == both / (2 * band - both)


@pytest.mark.parametrize("kind", ["RGB", "RGBA", "1", "I;16"])
def test_results_in_any_colours(tmp_path: Path, kind: str) -> None:
    """Masks as PerSAM's script writes them, (128, 0, 0) on black, and in other kinds of PNG."""
    mask = np.zeros((20, 30), bool)
    mask[5:12, 7:20] = True
    if kind.startswith("RGB"):
        pixels = np.zeros((20, 30, len(kind)), np.uint8)
        pixels[mask, 0] = 128
        pixels[..., 3:] = 255
        image = Image.fromarray(pixels)
    else:
        image = Image.fromarray(mask if kind == "1" else mask.astype(np.uint16))
    image.save(tmp_path / "mask.png")
    np.testing.assert_array_equal(read_foreground_png(tmp_path / "mask.png"), mask)


def _lacking(results: Path) -> None:
    (results / "cat" / "02.png").unlink()


def _extra(results: Path) -> None:
    shutil.copy(results / "cat" / "02.png", results / "cat" / "07.png")


def _smaller(results: Path) -> None:
    (results / "cat" / "02.png").write_bytes(encode_index_png(np.zeros((30, 40), np.uint8)))


def _no_folder(results: Path) -> None:
    shutil.rmtree(results / "toy 00")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (_lacking, r"cat lacks 02\.png"),
        (_extra, r"cat has 07\.png, which .*Annotations/cat has not"),
        (_smaller, r"02\.png is 40x30 pixels, its annotation .*02\.png 80x60"),
        (_no_folder, r"no folder .*results/toy 00 "),
    ],
)
def test_results_that_do_not_fit(
    perseg: tuple[Path, Path], spoil: Callable[[Path], None], message: str
) -> None:
    """A missing, extra or wrong-sized mask is an error that names it, never a score of something else."""
    spoil(perseg[1])
    with pytest.raises(EvaluationError, match=message):
        evaluate_perseg(perseg[1], perseg[0])


def test_data_that_does_not_fit(perseg: tuple[Path, Path], tmp_path: Path) -> None:
    """No data set, an unknown object, an object with a reference only, a damaged mask."""
    root, results = perseg
    with pytest.raises(EvaluationError, match=r"cannot read .*No such file.*Annotations/<object>/"):
        evaluate_perseg(results, tmp_path / "absent")
    with pytest.raises(EvaluationError, match=r"has no object 'dog'; it has cat, toy 00"):
        evaluate_perseg(results, root, objects=["cat", "dog"])
    damaged = results / "cat" / "01.png"
    damaged.write_bytes(damaged.read_bytes()[:60])
    with pytest.raises(MediaError, match=r"cat/01\.png"):
        evaluate_perseg(results, root)
    for path in (root / "Annotations" / "cat").glob("0[12].png"):
        path.unlink()
    with pytest.raises(EvaluationError, match=r"cat has no mask to score besides the reference 00\.png"):
        evaluate_perseg(results, root)


def test_another_reference_and_the_reference_itself(perseg: tuple[Path, Path]) -> None:
    """The reference may be among the results and is not scored; another image can be the reference."""
    root, results = perseg
    before = evaluate_perseg(results, root)
    for name in OBJECTS:
        (results / name / "00.png").write_bytes(encode_index_png(np.zeros((9, 9), np.uint8)))
    assert evaluate_perseg(results, root) == before
    with pytest.raises(EvaluationError, match=r"00\.png is 9x9"):
        evaluate_perseg(results, root, reference="02")


def test_the_command(perseg: tuple[Path, Path], tmp_path: Path) -> None:
    """A table of objects in percent; the same numbers as JSON and CSV; exit code 2 where files do not fit."""
    root, results = perseg
    report = evaluate_perseg(results, root)
    usual = ["evaluate-perseg", str(results), "--data", str(root)]
    table = CliRunner().invoke(cli, [*usual, "--csv", str(tmp_path / "csv")])
    assert table.exit_code == 0, table.stderr
    assert table.stdout == report.table()
    assert f"{100 * report.global_scores()['mIoU']:.2f}" in table.stdout.splitlines()[-1]
    text = CliRunner().invoke(cli, [*usual, "--json", "-", "--objects", "cat"]).stdout
    assert json.loads(text) == evaluate_perseg(results, root, objects=["cat"]).to_dict()
    rows = (tmp_path / "csv" / "per-object_results-perseg.csv").read_text().splitlines()
    assert rows[0] == "Object,Images,IoU,Acc,bIoU"
    assert rows[1].startswith(f"cat,2,{report.objects[0].iou:.3f},")
    assert len(rows) == 3
    _lacking(results)
    failed = CliRunner().invoke(cli, usual)
    assert (failed.exit_code, "lacks 02.png" in failed.stderr) == (2, True)
