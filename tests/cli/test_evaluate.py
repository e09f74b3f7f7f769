"""``vos evaluate``: options, output, exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from vos_cli.main import cli


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A DAVIS 2016 folder with one sequence of five frames, and results for it that are half right."""
    (tmp_path / "davis/ImageSets/2016").mkdir(parents=True)
    (tmp_path / "davis/ImageSets/2016/dev.txt").write_text("ball\n")
    for folder, rows in (("davis/Annotations/480p/ball", 20), ("results/ball", 10)):
        (tmp_path / folder).mkdir(parents=True)
        for i in range(5):
            labels = np.zeros((40, 60), np.uint8)
            labels[10 : 10 + rows, 10 + i : 30 + i] = 255
            Image.fromarray(labels).save(tmp_path / folder / f"{i:05d}.png")
    return tmp_path


def run(data: Path, *options: str) -> Result:
    """``vos evaluate`` on the data."""
    arguments = [str(data / "results"), "--davis", str(data / "davis"), "--set", "2016/dev", *options]
    return CliRunner().invoke(cli, ["evaluate", *arguments])


def test_the_table_is_on_stdout(data: Path) -> None:
    """Without options: a table, no files."""
    result = run(data)
    assert result.exit_code == 0, result.stderr
    assert "ball" in result.stdout
    assert "50.0" in result.stdout
    assert sorted(p.name for p in data.iterdir()) == ["davis", "results"]


def test_json_and_csv_files(data: Path) -> None:
    """Both are written, the table is printed as well."""
    result = run(data, "--json", str(data / "scores.json"), "--csv", str(data / "csv"))
    assert result.exit_code == 0, result.stderr
    assert "ball" in result.stdout
    document = json.loads((data / "scores.json").read_text())
    assert document["global"]["J-Mean"] == 0.5
    assert document["per_sequence"][0]["frames"] == [1, 2, 3]
    mean = (data / "csv/global_results-dev.csv").read_text().splitlines()[1]
    assert mean.split(",")[1] == "0.500"
    assert "ball_1,0.500," in (data / "csv/per-sequence_results-dev.csv").read_text()


def test_json_on_stdout_is_alone_there(data: Path) -> None:
    """``--json -`` can be piped."""
    result = run(data, "--json", "-")
    assert json.loads(result.stdout)["global"]["J-Mean"] == 0.5


def test_quiet_prints_nothing(data: Path) -> None:
    """``-q`` leaves the files to speak."""
    result = run(data, "-q", "--json", str(data / "scores.json"))
    assert (result.exit_code, result.output) == (0, "")
    assert (data / "scores.json").exists()


def test_the_task_and_the_jobs_are_passed_on(data: Path) -> None:
    """The unsupervised task scores all frames; one thread will do."""
    document = json.loads(run(data, "--task", "unsupervised", "--jobs", "1", "--json", "-").stdout)
    assert document["task"] == "unsupervised"
    assert document["per_sequence"][0]["frames"] == [0, 1, 2, 3, 4]


def test_sequences_are_passed_on(data: Path) -> None:
    """A sequence that the set has not got is an error that lists what it has."""
    assert run(data, "--sequences", "ball").exit_code == 0
    result = run(data, "--sequences", "ball, cat")
    assert result.exit_code == 2
    assert "no sequence 'cat'" in result.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(["--task", "interactive"], "'interactive' is not one of", id="unknown task"),
        pytest.param(["--jobs", "0"], "0 is not in the range x>=1", id="no threads"),
        pytest.param(["--set", "2016/nope"], "nope", id="unknown set"),
        pytest.param(["--csv", "davis/ImageSets/2016/dev.txt/below"], "dev.txt", id="csv below a file"),
    ],
)
def test_usage_errors_exit_2(
    data: Path, options: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be done as asked, and nothing is written."""
    monkeypatch.chdir(data)
    before = sorted(data.rglob("*"))
    result = run(data, *options)
    assert result.exit_code == 2
    assert message in result.stderr
    assert sorted(data.rglob("*")) == before


def test_a_missing_frame_exits_2_and_is_named(data: Path) -> None:
    """The message is one line on stderr; nothing is written."""
    (data / "results/ball/00002.png").unlink()
    result = run(data, "--json", str(data / "scores.json"))
    assert result.exit_code == 2
    assert "results/ball/00002.png is missing" in result.stderr
    assert result.stdout == ""
    assert not (data / "scores.json").exists()


def test_a_damaged_mask_exits_3_and_is_named(data: Path) -> None:
    """A file that is no picture is bad media."""
    (data / "results/ball/00002.png").write_bytes(b"no picture")
    result = run(data)
    assert result.exit_code == 3
    assert "results/ball/00002.png" in result.stderr


def test_neither_torch_nor_scipy_is_imported(data: Path) -> None:
    """Scoring starts quickly; matching proposals alone needs scipy."""
    code = (
        "import sys; from vos_cli.main import cli; cli(sys.argv[1:], standalone_mode=False); "
        "print(*sorted({m.split('.')[0] for m in sys.modules} & {'torch', 'transformers', 'scipy', 'av'}))"
    )
    arguments = ["evaluate", str(data / "results"), "--davis", str(data / "davis"), "--set", "2016/dev", "-q"]
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
