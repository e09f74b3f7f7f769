"""vos tracks."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from click.testing import CliRunner
from PIL import Image
from vos_cli.main import cli

from vos import formats
from vos.formats.index_png import encode_index_png


def vos(*arguments: object, code: int = 0) -> str:
    result = CliRunner().invoke(cli, ["tracks", *map(str, arguments)])
    assert result.exit_code == code, result.output + result.stderr
    return result.output


def test_every_edit(tmp_path: Path) -> None:
    """Each does what it says to every pixel; a dry run writes nothing."""
    frames = []
    for n in range(6):
        labels = np.zeros((30, 40), np.uint8)
        if n not in (2, 3):
            labels[5:15, 5 + n : 15 + n] = 1
            labels[8:10, 8 + n : 10 + n] = 0
        labels[20:25, 20:30] = 2
        labels[0, 39] = 2
        frames.append(labels)
    source = tmp_path / "masks"
    source.mkdir()
    for n, labels in enumerate(frames):
        (source / f"{n:05d}.png").write_bytes(encode_index_png(labels))

    def edit(*arguments: object) -> list[np.ndarray]:
        out = tmp_path / f"out{len(list(tmp_path.iterdir()))}"
        before = sorted(tmp_path.iterdir())
        said = vos(arguments[0], source, *arguments[1:], "--dry-run")
        assert sorted(tmp_path.iterdir()) == before
        assert said.replace("would change", "changed") == vos(arguments[0], source, *arguments[1:], "-o", out)
        return [np.asarray(Image.open(p)) for p in sorted((out / "masks").glob("*.png"))]

    swapped = edit("swap", 1, 2, "--frames", "1:5")
    for n, (got, labels) in enumerate(zip(swapped, frames, strict=True)):
        assert np.array_equal(got, np.array([0, 2, 1], np.uint8)[labels] if 1 <= n < 5 else labels)
    for got, labels in zip(edit("merge", 1, 2), frames, strict=True):
        assert np.array_equal(got, labels > 0)
    for way in (("drop", 2), ("keep", 1)):
        for got, labels in zip(edit(*way), frames, strict=True):
            assert np.array_equal(got, np.where(labels == 1, 1, 0))
    for n, got in enumerate(edit("trim", "2:4")):
        assert got.any() == (n in (2, 3))
    for got, labels in zip(edit("remove-specks", "--smaller", 4), frames, strict=True):
        assert np.array_equal(got[1:], labels[1:])
        assert not got[0].any()
    for n, got in enumerate(edit("fill-holes", "--smaller", 5)):
        assert (got == 1).sum() == (0 if n in (2, 3) else 100)
    for n, got in enumerate(edit("fill-gaps", "--longest", 2)):
        expected = np.zeros((30, 40), bool)
        expected[5:15, 5 + n : 15 + n] = True
        assert ((got == 1) ^ expected).sum() <= (8 if n in (2, 3) else 4)
    assert not (edit("fill-gaps", "--longest", 1)[2] == 1).any()
    edit("rename", "1:dog")
    named = sorted(tmp_path.glob("out*"), key=lambda p: p.stat().st_mtime)[-1]
    assert formats.read(named).names == {1: "dog"}


def run_folder(folder: Path, labels: list[np.ndarray]) -> Path:
    """Masks as a run leaves them."""
    (folder / "masks").mkdir(parents=True)
    for n, values in enumerate(labels):
        (folder / "masks" / f"{n:05d}.png").write_bytes(encode_index_png(values))
    return folder / "masks"


def masks_in(folder: Path) -> list[np.ndarray]:
    """The label maps in a folder that an edit made."""
    return [np.asarray(Image.open(p)) for p in sorted((folder / "masks").glob("*.png"))]


def test_smooth(tmp_path: Path) -> None:
    """An outline that jumps in one frame is that of its neighbours; motion, contact and absence stay."""
    truth = []
    for n in range(9):
        labels = np.zeros((60, 90), np.uint8)
        cv2.circle(labels, (20 + 4 * n, 30), 12, 1, -1)
        labels[:, 70:] = 2
        truth.append(labels if n != 6 else np.where(labels == 2, 2, 0).astype(np.uint8))
    noisy = [labels.copy() for labels in truth]
    noisy[3][truth[3] == 1] = 0
    cv2.circle(noisy[3], (32, 30), 9, 1, -1)
    source = run_folder(tmp_path / "run", noisy)
    vos("smooth", source, "--radius", 2, "-o", tmp_path / "out")
    found = masks_in(tmp_path / "out")
    wrong = [int((f != t).sum()) for f, t in zip(found, truth, strict=True)]
    before = [int((f != t).sum()) for f, t in zip(noisy, truth, strict=True)]
    assert wrong[3] < 0.6 * before[3]
    assert max(wrong[n] for n in (0, 1, 6, 7, 8)) <= 8
    assert not (found[6] == 1).any()
    still = run_folder(tmp_path / "still", [truth[0]] * 3)
    assert "would change 0 frames" in vos("smooth", still, "--dry-run")


def test_resize(tmp_path: Path) -> None:
    """Twice and half the size; the record says which size the frames have now."""
    labels = np.zeros((40, 60), np.uint8)
    cv2.circle(labels, (20, 20), 12, 1, -1)
    labels[20:, 22:] = 2
    source = run_folder(tmp_path / "run", [labels])
    record = {
        "program": "vos",
        "input": {"path": "a.mp4", "width": 60, "height": 40},
        "settings": {"size": None},
        "calibrated": ["tracked"],
    }
    (tmp_path / "run" / "run.json").write_text(json.dumps({**record, "frames": []}))
    vos("resize", source, "120x80", "-o", tmp_path / "large")
    (large,) = masks_in(tmp_path / "large")
    assert large.shape == (80, 120)
    assert (large[::2, ::2] != labels).mean() < 0.02
    again = json.loads((tmp_path / "large" / "run.json").read_text())
    assert (again["input"]["width"], again["settings"]["size"]) == (120, [120, 80])
    assert again["calibrated"] == ["tracked"]
    vos("resize", tmp_path / "large", 40, "-o", tmp_path / "back")
    assert (masks_in(tmp_path / "back")[0] != labels).mean() < 0.005
    assert "factor" in vos("resize", source, "100x100", "-o", tmp_path / "no", code=2)
    assert "would change 1 frames" in vos("resize", source, "30x20", "--dry-run")


def test_refusals(tmp_path: Path) -> None:
    """An unknown object, no place, a place that is taken."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "0.png").write_bytes(encode_index_png(np.ones((4, 4), np.uint8)))
    vos("drop", tmp_path / "m", 7, "-o", tmp_path / "o", code=2)
    vos("drop", tmp_path / "m", 1, code=2)
    vos("drop", tmp_path / "m", 1, "-o", tmp_path / "m", code=2)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
