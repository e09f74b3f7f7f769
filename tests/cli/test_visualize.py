"""vos visualize."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from click.testing import CliRunner
from PIL import Image
from vos_cli.main import cli

from vos.runs.visualize import FALSE, HIT, MISS, compare
from vos.testing import scene, write_images, write_labels


def test_compare() -> None:
    """Hits, misses, false pixels and wrong ids, over black."""
    labels = np.array([[0, 1, 0, 1, 2]], np.uint8)
    truth = np.array([[0, 1, 1, 0, 1]], np.uint8)
    drawn = compare(np.zeros((1, 5, 3), np.uint8), labels, truth)
    expected = np.array([(0, 0, 0), HIT, MISS, FALSE, FALSE])
    assert np.array_equal(drawn[0], np.rint(expected * 0.6))


def test_every_kind(tmp_path: Path) -> None:
    """Video, animations, sheet and plot of masks; the truth beside; refusals leave nothing."""
    clip = scene("crossing", num_frames=5, size=(30, 40))
    write_images(clip, tmp_path / "frames")
    write_labels(clip, tmp_path / "masks")
    start = ["visualize", str(tmp_path / "masks"), "-q", "-o"]
    video = ["--video", str(tmp_path / "frames")]

    def vos(name: str, *more: str, code: int = 0) -> Path:
        result = CliRunner().invoke(cli, [*start, str(tmp_path / name), *more])
        assert result.exit_code == code, result.output + result.stderr
        return tmp_path / name

    assert vos("o.mp4", *video, "--boxes").stat().st_size > 500
    sheet = np.asarray(Image.open(vos("s.png", *video, "--truth", str(tmp_path / "masks"), "--no-labels")))
    assert sheet.shape == (60, 4 * 80, 3)
    right = sheet[:30, 40:80][clip.labels[0] > 0]
    assert (right[:, 1] > right[:, 0]).all()  # all hits
    for name in ("a.gif", "a.webp"):
        assert Image.open(vos(name, *video)).n_frames == 5  # type: ignore[attr-defined]
    lines = ElementTree.parse(vos("p.svg")).getroot().findall("{*}polyline")
    assert len(lines) == 2  # masks alone have areas and no confidence
    before = sorted(tmp_path.iterdir())
    vos("o.mp4", *video, code=2)
    vos("o.bmp", *video, code=2)
    vos("n.mp4", code=2)
    assert sorted(tmp_path.iterdir()) == before
