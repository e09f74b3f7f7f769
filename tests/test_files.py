"""Files are complete or absent."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from vos.errors import OutputError
from vos.files import (
    make_folder,
    process_token,
    remove_leftovers,
    replacing,
    write_bytes_atomic,
    write_text_atomic,
)


def test_a_file_appears_whole(tmp_path: Path) -> None:
    """The bytes are those given, and nothing else is left in the folder."""
    write_bytes_atomic(tmp_path / "a.bin", b"\x00\x01")
    write_text_atomic(tmp_path / "b.txt", "é\n")
    assert (tmp_path / "a.bin").read_bytes() == b"\x00\x01"
    assert (tmp_path / "b.txt").read_bytes() == "é\n".encode()
    assert sorted(os.listdir(tmp_path)) == ["a.bin", "b.txt"]


def test_nothing_under_the_final_name_before_the_end(tmp_path: Path) -> None:
    """While it is being written the file has another name, in the same folder, without the final suffix."""
    final = tmp_path / "mask.png"
    with replacing(final) as temporary:
        temporary.write_bytes(b"half")
        assert not final.exists()
        assert temporary.parent == tmp_path
        assert temporary.suffix != ".png"
    assert final.read_bytes() == b"half"


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file(tmp_path: Path, error: BaseException) -> None:
    """Any exception, Ctrl-C too, leaves the previous content and no temporary file."""
    final = tmp_path / "a.txt"
    final.write_text("old")

    def write_and_fail() -> None:
        with replacing(final) as temporary:
            temporary.write_text("new")
            raise error

    with pytest.raises(type(error)):
        write_and_fail()
    assert final.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.txt"]


def test_a_full_disk_is_an_output_error(tmp_path: Path) -> None:
    """A full disk is told as such, and leaves nothing behind."""
    with pytest.raises(OutputError, match=r"a\.txt: the disk is full"), replacing(tmp_path / "a.txt"):
        raise OSError(errno.ENOSPC, "No space left on device")
    assert os.listdir(tmp_path) == []


def test_an_unrelated_os_error_passes(tmp_path: Path) -> None:
    """A missing input met while writing is not blamed on the output."""
    with pytest.raises(FileNotFoundError), replacing(tmp_path / "a.txt"):
        (tmp_path / "absent").read_bytes()


def test_an_unusable_place_is_an_output_error(tmp_path: Path) -> None:
    """A missing folder, a file for a folder and a folder for a file are told apart."""
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="does not exist"):
        write_bytes_atomic(tmp_path / "absent" / "a.txt", b"")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        write_bytes_atomic(tmp_path / "file" / "a.txt", b"")
    with pytest.raises(OutputError, match="a folder of that name is in the way"):
        write_bytes_atomic(tmp_path / "folder", b"")
    with pytest.raises(OutputError, match="a file of that name is in the way"):
        make_folder(tmp_path / "file")
    with pytest.raises(OutputError, match="a file stands where a folder is needed"):
        make_folder(tmp_path / "file" / "below")
    assert sorted(os.listdir(tmp_path)) == ["file", "folder"]


def test_a_read_only_folder_is_an_output_error(tmp_path: Path) -> None:
    """A folder one may not write to is told as such."""
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    if os.access(folder, os.W_OK):
        pytest.skip("this user may write anywhere")
    with pytest.raises(OutputError, match="permission denied"):
        write_bytes_atomic(folder / "a.txt", b"")


def test_the_new_file_can_be_read_as_any_other(tmp_path: Path) -> None:
    """Permissions follow the umask, as for a file written directly."""
    (tmp_path / "plain").touch()
    write_bytes_atomic(tmp_path / "atomic", b"")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_leftovers_of_a_killed_writer_are_swept(tmp_path: Path) -> None:
    """Only the temporary files of the file and the processes that are named go."""
    blocks = [replacing(tmp_path / name) for name in ("a.png", "b.png")]
    for block in blocks:
        block.__enter__()  # what a killed process leaves: entered, never left
    (tmp_path / ".a.png.part").touch()
    assert remove_leftovers(tmp_path / "a.png", {"0" * 16}) == 0
    assert remove_leftovers(tmp_path / "a.png", {process_token()}) == 1
    assert len(os.listdir(tmp_path)) == 2
    assert remove_leftovers(make_folder(tmp_path), {process_token()}) == 1
    assert os.listdir(tmp_path) == [".a.png.part"]


def test_a_name_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    """The temporary file beside it needs no longer name."""
    path = tmp_path / ("n" * 251 + ".png")
    write_bytes_atomic(path, b"x")
    assert path.read_bytes() == b"x"
