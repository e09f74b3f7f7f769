"""vos tracks."""

from __future__ import annotations

from pathlib import Path

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


def test_refusals(tmp_path: Path) -> None:
    """An unknown object, no place, a place that is taken."""
    (tmp_path / "m").mkdir()
    (tmp_path / "m" / "0.png").write_bytes(encode_index_png(np.ones((4, 4), np.uint8)))
    vos("drop", tmp_path / "m", 7, "-o", tmp_path / "o", code=2)
    vos("drop", tmp_path / "m", 1, code=2)
    vos("drop", tmp_path / "m", 1, "-o", tmp_path / "m", code=2)
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
