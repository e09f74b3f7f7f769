"""Archives of annotations: read like what is in them; hostile ones are refused."""

from __future__ import annotations

import stat
import zipfile
from pathlib import Path

import numpy as np
import pytest
from annotated_clips import annotations_of, hard_clip, labels_by_index

from vos import formats
from vos.errors import FormatError


def archived(folder: Path, path: Path, prefix: str = "") -> Path:
    """All files of a folder in an archive."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(p for p in folder.rglob("*") if p.is_file()):
            archive.write(file, prefix + file.relative_to(folder).as_posix())
    return path


@pytest.mark.parametrize("name", ["cvat-images", "coco", "davis", "label-studio", "voc"])
@pytest.mark.parametrize("prefix", ["", "task/"])
def test_archives_of_every_kind(name: str, prefix: str, tmp_path: Path) -> None:
    """Single files and folders, in a folder of their own or not, with the format named or found out."""
    given = annotations_of(hard_clip(3))
    formats.export(given, tmp_path / "out", [name])
    (tmp_path / "out" / "images").mkdir(exist_ok=True)
    (tmp_path / "out" / "images" / "00000.jpg").write_bytes(b"not looked at")
    path = archived(tmp_path / "out", tmp_path / "task.zip", prefix)
    for chosen in (None, name):
        found = labels_by_index(formats.read(path, chosen))
        for index, labels in enumerate(hard_clip(3)):
            assert np.array_equal(found[index], labels)


def test_the_folder_is_gone_afterwards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was unpacked lives as long as the annotations, also when those were changed."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    formats.export(annotations_of(hard_clip(3)), tmp_path / "out.zip", ["davis"])
    found = formats.select(formats.read(tmp_path / "out.zip"), start=1)
    assert len(list(found)) == 2
    assert list((tmp_path / "tmp").iterdir())
    del found
    assert not list((tmp_path / "tmp").iterdir())


@pytest.mark.parametrize(
    ("name", "message"),
    [("../evil.json", "outside"), ("/etc/evil.json", "outside"), ("a/../../b.json", "outside")],
)
def test_members_outside(name: str, message: str, tmp_path: Path) -> None:
    """Nothing is written outside of the folder."""
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr(name, "{}")
    with pytest.raises(FormatError, match=message):
        formats.read(tmp_path / "a.zip")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_links_bombs_and_rubbish(tmp_path: Path) -> None:
    """Links, members that grow a thousandfold, damaged archives, several files, none."""
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w") as archive:
        link = zipfile.ZipInfo("link.json")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(FormatError, match="is a link"):
        formats.read(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.json", b" " * (8 << 20))
    with pytest.raises(FormatError, match="grows from"):
        formats.read(path)
    path.write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(FormatError, match="archive"):
        formats.read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", "")
    with pytest.raises(FormatError, match="0 files"):
        formats.read(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.xml", "<annotations/>")
        archive.writestr("b.xml", "<annotations/>")
    with pytest.raises(FormatError, match=r"a.xml, b.xml"):
        formats.read(path)
