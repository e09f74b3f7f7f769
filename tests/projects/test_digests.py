"""Digests of what is imported and exported."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from vos.errors import MediaError
from vos.projects.digests import digests_of


def test_a_file_and_a_folder(tmp_path: Path) -> None:
    """A file's is that of its content; a folder's changes with any name and any content in it."""
    (tmp_path / "out" / "deep").mkdir(parents=True)
    file = tmp_path / "out" / "deep" / "a.txt"
    file.write_bytes(b"a")
    assert digests_of(file) == {"a.txt": hashlib.sha256(b"a").hexdigest()}
    found = [digests_of(tmp_path / "out")["out"]]
    file.write_bytes(b"b")
    found.append(digests_of(tmp_path / "out")["out"])
    file.rename(file.with_name("b.txt"))
    found.append(digests_of(tmp_path / "out")["out"])
    assert len(set(found)) == 3
    with pytest.raises(MediaError, match="cannot read"):
        digests_of(tmp_path / "none")
