"""vos visualize."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from click.testing import CliRunner
from PIL import Image
from vos_cli.main import cli

from vos.formats.drawing import bright_palette
from vos.results import FrameResult
from vos.runs.visualize import FALSE, HIT, MISS, Trails, compare
from vos.testing import scene, write_images, write_labels


def test_compare() -> None:
    """Hits, misses, false pixels and wrong ids, over black."""
    labels = np.array([[0, 1, 0, 1, 2]], np.uint8)
    truth = np.array([[0, 1, 1, 0, 1]], np.uint8)
    drawn = compare(np.zeros((1, 5, 3), np.uint8), labels, truth)
    expected = np.array([(0, 0, 0), HIT, MISS, FALSE, FALSE])
    assert np.array_equal(drawn[0], np.rint(expected * 0.6))


def test_trails() -> None:
    """The way over the latest frames, broken where the object was gone."""
    trails = Trails(5, "bright")
    for n, column in enumerate((2, 10, 18, None, 34, 42, 50)):
        labels = np.zeros((20, 60), np.uint8)
        if column is not None:
            labels[9:12, column - 1 : column + 2] = 1
        drawn = np.zeros((20, 60, 3), np.uint8)
        trails.draw(drawn, FrameResult(n, labels, {1: 1.0}))
    seen = np.flatnonzero(drawn[10].any(axis=1))
    assert np.isin([*range(10, 19), *range(34, 51)], seen).all()
    assert not np.isin([*range(0, 8), *range(21, 32), *range(53, 60)], seen).any()


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
    before = (tmp_path / "o.mp4").read_bytes()
    vos("o.mp4", "--video", str(tmp_path / "o.mp4"), "--overwrite", code=2)  # the video that is shown
    vos("frames/00001.png", *video, "--overwrite", code=2)
    assert (tmp_path / "o.mp4").read_bytes() == before
    sheet = np.asarray(Image.open(vos("s.png", *video, "--truth", str(tmp_path / "masks"), "--no-labels")))
    assert sheet.shape == (60, 4 * 80, 3)
    right = sheet[:30, 40:80][clip.labels[0] > 0]
    assert (right[:, 1] > right[:, 0]).all()  # all hits
    for name in ("a.gif", "a.webp"):
        assert Image.open(vos(name, *video)).n_frames == 5  # type: ignore[attr-defined]
    lines = ElementTree.parse(vos("p.svg")).getroot().findall("{*}polyline")
    assert (
        len([line for line in lines if line.get("stroke") != "#999999"]) == 2
    )  # masks alone have areas and no confidence
    curves = ElementTree.parse(vos("j.svg", "--truth", str(tmp_path / "masks"))).getroot()
    heights = [
        {float(point.split(",")[1]) for point in line.get("points", "").split()}
        for line in curves.findall("{*}polyline")
        if line.get("stroke") != "#999999"
    ]
    assert [len(h) == 1 for h in heights[-2:]] == [True, True]  # J is 1 everywhere
    assert "J, 0 to 1" in (tmp_path / "j.svg").read_text()
    plot = np.asarray(Image.open(vos("p.png", "--plot")))
    assert (plot == bright_palette()[1]).all(axis=2).sum() > 100
    vos("p.mp4", *video, "--plot", code=2)
    before = sorted(tmp_path.iterdir())
    vos("o.mp4", *video, code=2)
    vos("o.bmp", *video, code=2)
    vos("n.mp4", code=2)
    assert sorted(tmp_path.iterdir()) == before
