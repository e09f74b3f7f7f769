"""``vos probe``."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result
from PIL import Image
from vos_cli.main import cli

from vos.testing import scene, write_video


def run(*arguments: str | Path) -> Result:
    """Run ``vos probe``."""
    return CliRunner().invoke(cli, ["probe", *map(str, arguments)])


def test_facts_of_a_file(tmp_path: Path) -> None:
    """The facts come one to a line on stdout."""
    path = write_video(scene("moving", num_frames=5, size=(48, 64)), tmp_path / "a.mkv")
    result = run(path)
    assert result.exit_code == 0
    lines = dict(line.split(maxsplit=1) for line in result.stdout.splitlines())
    assert lines["source"] == str(path)
    assert lines["size"] == "64x48"
    assert lines["frames"] == "5, counted by packets"
    assert lines["rate"] == "25.000 frames/s, constant"
    assert lines["codec"] == "ffv1, bgr0, 8 bits"
    assert "5, counted by decoding" in run(path, "--count").stdout


def test_json(tmp_path: Path) -> None:
    """With --json stdout is one JSON document with the same facts."""
    for i in (0, 1, 3):
        Image.new("L", (8, 6)).save(tmp_path / f"{i}.png")
    result = run(tmp_path, "--json")
    assert result.exit_code == 0
    found = json.loads(result.stdout)
    assert (found["kind"], found["width"], found["height"]) == ("images", 8, 6)
    assert (found["num_frames"], found["counted_by"], found["fps"]) == (3, "files", None)
    assert found["unusual"][0].startswith("grey")
    assert "numbering has gaps, the first after 1.png" in run(tmp_path).stdout


def test_bad_media_is_exit_3(tmp_path: Path) -> None:
    """What cannot be read is one message on stderr, nothing on stdout, and exit code 3."""
    (tmp_path / "a.mp4").touch()
    result = run(tmp_path / "a.mp4")
    assert result.exit_code == 3
    assert result.stderr == f"vos: cannot read {tmp_path}/a.mp4: the file is empty (0 bytes)\n"
    assert result.stdout == ""


def test_quiet(tmp_path: Path) -> None:
    """With -q only the exit code speaks."""
    Image.new("L", (8, 6)).save(tmp_path / "0.png")
    result = run(tmp_path, "-q")
    assert (result.exit_code, result.stdout) == (0, "")
