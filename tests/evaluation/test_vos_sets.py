"""The protocols of other data sets than DAVIS, each on a case worked by hand."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from davis_fixture import write_grey, write_index
from vos_cli.main import cli

from vos.errors import EvaluationError
from vos.evaluation.registry import PROTOCOLS
from vos.evaluation.vos_sets import dotted_radius, evaluate_vos

SHAPE = (60, 80)


def square(*boxes: tuple[int, int, int, int]) -> np.ndarray:
    """Squares (id, row, column, side)."""
    labels = np.zeros(SHAPE, np.uint8)
    for number, row, column, side in boxes:
        labels[row : row + side, column : column + side] = number
    return labels


ONE, BOTH = (1, 5, 5, 20), (2, 30, 40, 20)
TRUTH = [square(ONE), square(ONE), square(ONE, BOTH), square(ONE, BOTH), square(ONE, BOTH)]
"""Object 2 appears in frame 2."""
FOUND = [
    square(ONE),
    square((1, 5, 15, 20), (2, 0, 60, 9)),  # object 1 half beside itself: J 200/600; 2 is not there yet
    square(ONE),  # the first frame of 2 is not scored
    square(ONE, BOTH),
    square(ONE),  # the last frame: 2 is missed
]


def write(folder: Path, maps: list[np.ndarray], step: int = 5) -> None:
    """Index PNGs, named by every fifth frame."""
    for index, labels in enumerate(maps):
        write_index(folder / f"{index * step:05d}.png", labels)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A set of one video, with results."""
    write(tmp_path / "root/Annotations/v", TRUTH)
    write(tmp_path / "found/v", FOUND)
    meta = {"videos": {"v": {"objects": {"1": {"category": "cat"}, "2": {"category": "yeti"}}}}}
    (tmp_path / "root/meta.json").write_text(json.dumps(meta))
    return tmp_path


def test_youtube_vos(data: Path) -> None:
    """G is the mean of four: seen J of object 1 over frames 5 to 20, unseen J of object 2 over 15 and 20."""
    report = evaluate_vos(data / "found", data / "root", "youtube-vos", seen=["cat", "dog"])
    one, two = report.tracks
    assert one.frames == ("00005", "00010", "00015", "00020")
    assert one.j == pytest.approx((1 / 3 + 3) / 4)
    assert two.frames == ("00015", "00020")
    assert (two.j, two.f) == (0.5, 0.5)
    scores = report.global_scores()
    assert scores["J-seen"] == one.j
    assert scores["G"] == pytest.approx((one.j + one.f + 0.5 + 0.5) / 4)
    assert scores["J&F"] == pytest.approx(((one.j + 0.5) / 2 + (one.f + 0.5) / 2) / 2)


@pytest.mark.parametrize("layout", ["mose", "lvos"])
def test_mose_and_lvos_leave_the_last_frame_out(data: Path, layout: str) -> None:
    """So the miss in the last frame does not count."""
    one, two = evaluate_vos(data / "found", data / "root", layout).tracks
    assert one.j == pytest.approx((1 / 3 + 2) / 3)
    assert (two.frames, two.j, two.f) == (("00015",), 1.0, 1.0)


def test_mosev2(data: Path) -> None:
    """One pixel more in both areas; a tolerance of 2 pixels for a square of 20, where F has 1."""
    one, two = evaluate_vos(data / "found", data / "root", "mosev2").tracks
    assert one.j == pytest.approx((201 / 601 + 2) / 3)
    assert two.j == 1.0
    assert dotted_radius(np.ones((1000, 1000), bool)) == 12  # ceil(0.008 * 1414.2), and not 100
    small = np.zeros((1000, 1000), bool)
    small[:30, :30] = True
    assert dotted_radius(small) == 3  # 0.1 * sqrt(900)
    assert dotted_radius(np.zeros((1000, 1000), bool)) == 12


def test_sa_v(tmp_path: Path) -> None:
    """One folder per object; before an object is in annotation or result there is nothing to score."""
    absent, there = square(), square(ONE)
    truth = [absent, absent, there, there, there]
    found = [absent, absent, there, absent, absent]
    early = [absent, there, there, there, absent]
    for name, maps in (("000", found), ("001", early)):
        for index in range(5):
            write_grey(tmp_path / f"root/Annotations_6fps/v/{name}/{4 * index:05d}.png", truth[index])
            write_grey(tmp_path / f"found/v/{name}/{4 * index:05d}.png", maps[index])
    late, soon = evaluate_vos(tmp_path / "found", tmp_path / "root", "sa-v").tracks
    assert (late.object, late.frames, late.j) == (0, ("00008", "00012"), 0.5)
    assert (soon.object, soon.frames) == (1, ("00004", "00008", "00012"))
    assert soon.j == pytest.approx(2 / 3)


@pytest.mark.parametrize("layout", [name for name, p in PROTOCOLS.items() if not p.per_object])
def test_truth_is_perfect(data: Path, layout: str) -> None:
    """J&F is 1."""
    assert evaluate_vos(data / "root/Annotations", data / "root", layout).global_scores()["J&F"] == 1


def test_bad_input(data: Path) -> None:
    """Missing and lossy results, an unknown layout, video or meta."""
    with pytest.raises(EvaluationError, match="unknown layout 'ytvos'"):
        evaluate_vos(data / "found", data / "root", "ytvos")
    with pytest.raises(EvaluationError, match="no video 'w'"):
        evaluate_vos(data / "found", data / "root", "mose", videos=["w"])
    (data / "root/meta.json").write_text("[]")
    with pytest.raises(EvaluationError, match="cannot read categories"):
        evaluate_vos(data / "found", data / "root", "youtube-vos", seen=["cat"])
    (data / "root/meta.json").write_text('{"videos": {"v": {"objects": {"1": {"category": "cat"}}}}}')
    with pytest.raises(EvaluationError, match="no category of object 2 of v"):
        evaluate_vos(data / "found", data / "root", "youtube-vos", seen=["cat"])
    path = data / "found/v/00005.png"
    path.rename(path.with_suffix(".jpg"))
    with pytest.raises(EvaluationError, match=r"00005\.jpg is compressed with loss"):
        evaluate_vos(data / "found", data / "root", "mose")
    path.with_suffix(".jpg").unlink()
    with pytest.raises(EvaluationError, match=r"00005\.png is missing"):
        evaluate_vos(data / "found", data / "root", "mose")


def test_command(data: Path) -> None:
    """The table has G where the seen categories are given."""
    (data / "seen.txt").write_text("cat\n")
    line = ["evaluate-vos", str(data / "found"), "--data", str(data / "root"), "--layout", "youtube-vos"]
    result = CliRunner().invoke(cli, [*line, "--seen", str(data / "seen.txt"), "--json", "-"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["global"]["J-unseen"] == 0.5
    assert "G " in CliRunner().invoke(cli, [*line, "--seen", str(data / "seen.txt")]).stdout
