"""``vos track`` without ``--model``: what it takes, says and records, and that a resumed run keeps to it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from vos_cli.main import cli

from vos.testing import scene, tiny_edgetam_folder, write_images, write_labels
from vos.trackers import recommend

pytestmark = pytest.mark.usefixtures("one_thread", "auto_by_default")


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``images/`` and ``masks/``; no weights anywhere."""
    monkeypatch.setenv("VOS_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    clip = scene("moving", num_frames=5, size=(48, 64), seed=1)
    write_images(clip, tmp_path / "images")
    write_labels(clip, tmp_path / "masks")
    return tmp_path


def track(given: Path, *more: str) -> Result:
    """The command from a mask, into ``out``."""
    mask = given / "masks" / "00000.png"
    where = ["track", str(given / "images"), "-m", str(mask), "-o", str(given / "out"), "--no-overlay"]
    return CliRunner().invoke(cli, [*where, *more])


def record(given: Path) -> dict:
    """``run.json``."""
    found: dict = json.loads((given / "out" / "run.json").read_text())
    return found


def test_without_weights(given: Path) -> None:
    """The model that needs no download, with the command for a better one; the record says both."""
    done = track(given, "--budget", "1000")
    assert done.exit_code == 0, done.output
    assert "vos: --model nano: it needs no download" in done.output
    assert "s per frame" in done.output
    assert "`vos models download sam2.1-large`, 898 MB" in done.output
    found = record(given)
    assert (found["settings"]["model"], found["settings"]["key_every"]) == ("nano", 1)
    assert found["settings"]["dtype"] == "float32"
    assert found["choice"]["asked"] == "auto"
    assert found["choice"]["line"] in done.output


def test_key_frames_and_resume(given: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A strong model from the Hub's cache on key frames; resumed elsewhere, the run keeps to both."""
    pytest.importorskip("timm")
    place = given / "hub" / "models--yonigozlan--EdgeTAM-hf"
    tiny_edgetam_folder(place / "snapshots" / "abc")
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("abc")
    monkeypatch.setattr(recommend, "gflops", lambda device, half=False: 100.0)
    done = track(given, "--budget", "2")
    assert done.exit_code == 0, done.output
    assert "--model edgetam on every 2nd frame" in done.output
    settings = record(given)["settings"]
    assert (settings["model"], settings["key_every"]) == ("edgetam", 2)
    monkeypatch.setattr(recommend, "gflops", lambda device, half=False: 1.0)
    again = track(given, "--budget", "2", "--resume")
    assert again.exit_code == 0, again.output
    assert record(given)["settings"]["model"] == "edgetam"


def test_settings_for_a_model_of_the_users(given: Path) -> None:
    """A recipe with a tracker's settings is for the tracker it was written for; --memory asks for a name."""
    (given / "own.yaml").write_text("tracker: {nonsense: 1}\n")
    done = track(given, "--recipe", str(given / "own.yaml"))
    assert (done.exit_code, "tracker classical: unknown setting 'nonsense'" in done.output) == (2, True)
    refused = track(given, "--memory", "dam", "--overwrite")
    assert refused.exit_code == 2
    assert "auto may choose another" in refused.output
