"""``vos benchmark perseg``: every object learned, found and scored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from vos_cli.main import cli

from vos.errors import EvaluationError, SettingsError
from vos.evaluation.perseg import evaluate_perseg
from vos.formats.index_png import encode_index_png
from vos.runs.persam_settings import PersamRunSettings
from vos.runs.perseg import benchmark_perseg
from vos.testing import scene

COLOURS = {"apple": "moving", "box": "affine"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two objects with three images each, in the layout of PerSeg; one has a JPEG among them."""
    for name, kind in COLOURS.items():
        clip = scene(kind, num_frames=3, size=(90, 120), seed=4)
        for folder in ("Images", "Annotations"):
            (tmp_path / "data" / folder / name).mkdir(parents=True)
        for n, frame in enumerate(clip.frames):
            suffix = ".jpg" if (name, n) == ("box", 2) else ".png"
            Image.fromarray(frame.image).save(tmp_path / "data/Images" / name / f"{n:02d}{suffix}")
            mask = (clip.labels[n] > 0).astype(np.uint8)
            (tmp_path / "data/Annotations" / name / f"{n:02d}.png").write_bytes(encode_index_png(mask))
    return tmp_path / "data"


def test_results_are_where_the_evaluation_looks(root: Path, tmp_path: Path) -> None:
    """The command prints the scores that vos evaluate-perseg gives its masks, and resumes for nothing."""
    out = tmp_path / "out"
    arguments = ["benchmark", "perseg", str(root), "-o", str(out)]
    result = CliRunner().invoke(cli, [*arguments, "--json", str(tmp_path / "scores.json")])
    assert result.exit_code == 0, result.stderr
    report = evaluate_perseg(out, root)
    assert report.global_scores()["mIoU"] > 0.9
    assert result.stdout.startswith(report.table())
    document = json.loads((tmp_path / "scores.json").read_text())
    assert document["global"] == report.global_scores()
    assert document["settings"]["model"] == "classical"
    assert [(run["object"], run["images"]) for run in document["runs"]] == [("apple", 2), ("box", 2)]
    files = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert files == {
        *(f"{name}/{n:02d}.png" for name in COLOURS for n in (1, 2)),
        *(f"runs/{name}.json" for name in COLOURS),
    }
    refused = CliRunner().invoke(cli, arguments)
    assert (refused.exit_code, "2 of the 2 objects" in refused.stderr) == (2, True)
    times = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    assert CliRunner().invoke(cli, [*arguments, "--resume"]).exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.png")} == times
    assert CliRunner().invoke(cli, [*arguments, "--overwrite", "--objects", "box"]).exit_code == 0
    assert evaluate_perseg(out, root) == report


def test_data_that_does_not_fit(root: Path, tmp_path: Path) -> None:
    """An image without its mask's partner, a missing reference, and several instances are refused early."""
    with pytest.raises(SettingsError, match="one instance"):
        benchmark_perseg(root, tmp_path / "out", PersamRunSettings(objects=3))
    (root / "Images/box/02.jpg").unlink()
    with pytest.raises(EvaluationError, match=r"no image .*box/02"):
        benchmark_perseg(root, tmp_path / "out")
    (root / "Annotations/apple/00.png").unlink()
    with pytest.raises(EvaluationError, match=r"no reference mask .*apple/00\.png"):
        benchmark_perseg(root, tmp_path / "out")
    assert not (tmp_path / "out").exists()
