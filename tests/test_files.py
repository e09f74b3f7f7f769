"""Files are complete or absent."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from vos.errors import OutputError
from vos.files import (
    make_folder,
    output_error,
    process_token,
    remove_leftovers,
    replacing,
    replacing_folder,
    temporary_folder_beside,
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


def test_a_full_disk_inside_a_temporary_folder(tmp_path: Path) -> None:
    """The message names the result, and not the folder that it is put together in."""

    def write() -> None:
        with replacing_folder(tmp_path / "set") as folder, temporary_folder_beside(folder / "a") as work:
            raise output_error(work / "000.jsonl", OSError(errno.ENOSPC, ""))

    with pytest.raises(
        OutputError, match=f"^cannot write {re.escape(str(tmp_path / 'set'))}: the disk is full"
    ):
        write()
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


def begin_to_write(work: Callable[[], object]) -> int:
    """A process that is in the middle of ``work``; its id."""
    pid = os.fork()
    if pid == 0:
        work()
        os._exit(0)
    return pid


def kill(pid: int) -> None:
    """As the system does when memory is short."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def wait_for(condition: Callable[[], object]) -> None:
    """Until it holds."""
    until = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def write_for_ever(final: Path) -> None:
    """All kinds of temporary files for one path, never finished."""
    with replacing(final), replacing_folder(final) as folder, temporary_folder_beside(final):
        (folder / "half").write_text("half")
        (final.parent / f"ready-{os.getpid()}").touch()
        time.sleep(600)


needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked")


@needs_fork
def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    """Of the same file only, and nothing that a living process writes or that is not ours."""
    theirs = {".vos-mine.part", ".a.part"}
    for name in theirs:
        (tmp_path / name).touch()
    pids = [begin_to_write(lambda: write_for_ever(tmp_path / "a")) for _ in range(2)]
    other = begin_to_write(lambda: write_for_ever(tmp_path / "b"))
    ready = [tmp_path / f"ready-{pid}" for pid in (*pids, other)]
    wait_for(lambda: all(path.exists() for path in ready))
    for path in ready:
        path.unlink()
    try:
        assert len(list(tmp_path.glob(".vos-*-*"))) == 9
        kill(pids[0])
        left = begin_to_write(lambda: write_bytes_atomic(tmp_path / "a", b"whole"))
        os.waitpid(left, 0)
        assert len(list(tmp_path.glob(".vos-*-*"))) == 6
        kill(pids[1])
        kill(other)
        left = begin_to_write(lambda: write_bytes_atomic(tmp_path / "a", b"whole"))
        os.waitpid(left, 0)
        assert len(list(tmp_path.glob(".vos-*-*"))) == 3
        left = begin_to_write(lambda: write_bytes_atomic(tmp_path / "b", b"whole"))
        os.waitpid(left, 0)
        assert set(os.listdir(tmp_path)) == {"a", "b", *theirs}
    finally:
        for pid in (*pids, other):
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                kill(pid)


@needs_fork
def test_a_folder_that_a_killed_writer_moved_away_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between moving the earlier folder away and giving the new one its name."""
    final = make_folder(tmp_path / "set")
    (final / "old").touch()
    rename = os.rename

    def replace_slowly() -> None:
        def slow(source: Path, target: Path) -> None:
            if Path(target) == final:
                (tmp_path / "ready").touch()
                time.sleep(600)
            rename(source, target)

        monkeypatch.setattr(os, "rename", slow)
        with replacing_folder(final) as folder:
            (folder / "new").touch()

    pid = begin_to_write(replace_slowly)
    wait_for((tmp_path / "ready").exists)
    kill(pid)
    (tmp_path / "ready").unlink()
    assert not final.exists()
    with replacing_folder(final) as folder:
        assert os.listdir(final) == ["old"]
        (folder / "newer").touch()
    assert os.listdir(tmp_path) == ["set"]
    assert os.listdir(final) == ["newer"]


def test_a_link_to_a_folder_stays(tmp_path: Path) -> None:
    """The folder that it leads to is replaced."""
    place = make_folder(tmp_path / "disk" / "set")
    (place / "old").touch()
    (tmp_path / "link").symlink_to(place)
    with replacing_folder(tmp_path / "link") as folder:
        (folder / "new").touch()
    assert (tmp_path / "link").is_symlink()
    assert os.listdir(place) == ["new"]
    assert os.listdir(tmp_path / "disk") == ["set"]


def test_a_name_as_long_as_the_file_system_takes(tmp_path: Path) -> None:
    """The temporary file beside it needs no longer name."""
    path = tmp_path / ("n" * 251 + ".png")
    write_bytes_atomic(path, b"x")
    assert path.read_bytes() == b"x"
