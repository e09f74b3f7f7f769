"""Frame numbers and names of the two kinds of MOTS."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from annotated_clips import annotations_of, hard_clip, labels_by_index

from vos import formats
from vos.errors import FormatError

LABELS = [np.zeros((6, 8), np.uint8) for _ in range(3)]
for number, labels in enumerate(LABELS):
    labels[1:4, number : number + 3] = 2


@pytest.mark.parametrize(
    ("variant", "place", "first"), [("kitti", "instances_txt/clip.txt", 0), ("mots", "clip/gt/gt.txt", 1)]
)
def test_text(tmp_path: Path, variant: str, place: str, first: int) -> None:
    """KITTI counts frames from 0, MOTSChallenge from 1; both are read back as they were."""
    given = annotations_of(LABELS, names={2: "person"})
    formats.write(given, tmp_path / "set", "mots-txt", options={"variant": variant})
    lines = (tmp_path / "set" / place).read_text().splitlines()
    assert [int(line.split(" ")[0]) for line in lines] == [first, first + 1, first + 2]
    assert lines[0].split(" ")[1:5] == ["2002", "2", "6", "8"]
    found = labels_by_index(formats.read(tmp_path / "set", "mots-txt"))
    assert sorted(found) == [0, 1, 2]
    assert all(np.array_equal(found[n], labels) for n, labels in enumerate(LABELS))


@pytest.mark.parametrize(("fps", "written"), [(0.4, "1"), (29.97, "30"), (None, "30")])
def test_rates_are_whole_numbers(fps: float | None, written: str, tmp_path: Path) -> None:
    """And none is 0, as that of a slow time-lapse would be rounded."""
    formats.write(annotations_of(hard_clip(1), fps=fps), tmp_path / "mots", "mots-txt")
    assert f"\nframeRate={written}\n" in (tmp_path / "mots" / "clip" / "seqinfo.ini").read_text()


def test_a_line_that_is_none(tmp_path: Path) -> None:
    """It is named by its number, which counts from 1."""
    formats.write(annotations_of(LABELS), tmp_path, "mots-txt", options={"variant": "kitti"})
    path = tmp_path / "instances_txt" / "clip.txt"
    lines = path.read_text().splitlines()
    path.write_text("\n".join([lines[0], lines[1][:9]]))
    with pytest.raises(FormatError, match="line 2 has 4 fields"):
        formats.read(path, "mots-txt")


@pytest.mark.parametrize(
    ("variant", "place", "first"), [("kitti", "instances/clip", 0), ("mots", "instances", 1)]
)
def test_pictures(tmp_path: Path, variant: str, place: str, first: int) -> None:
    """Named by the same numbers."""
    formats.write(annotations_of(LABELS), tmp_path / "set", "mots-png", options={"variant": variant})
    names = sorted(path.name for path in (tmp_path / "set" / place).glob("*.png"))
    assert names == [f"{first + n:06d}.png" for n in range(3)]
