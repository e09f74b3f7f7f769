"""stdout and stderr closed, full, or without a reader; a user without a home."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from vos_cli.progress import EVERY, Lines

VOS = f"{sys.executable} -m vos_cli"
MESSAGES = ("Traceback", "Exception ignored", "internal error")


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    """Three images with a square, and its mask beside them."""
    folder = tmp_path / "frames"
    folder.mkdir()
    mask = np.zeros((48, 64), np.uint8)
    mask[10:30, 10:30] = 255
    for i in range(3):
        image = np.roll(np.repeat(mask[..., None], 3, axis=2), 2 * i, axis=1) // 2 + 40
        Image.fromarray(image.astype(np.uint8)).save(folder / f"{i}.png")
    Image.fromarray(mask).save(tmp_path / "mask.png")
    return folder


def shell(command: str, folder: Path, **changes: str) -> subprocess.CompletedProcess[str]:
    """Run a line of bash, with its exit code that of the first program of a pipeline."""
    script = f"cd {folder}; {command}; exit ${{PIPESTATUS[0]}}"
    environment = {**os.environ, **changes}
    return subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, timeout=300, check=False, env=environment
    )


@pytest.mark.parametrize(
    ("redirection", "code", "message"),
    [
        (">&-", 0, ""),
        ("2>&-", 0, ""),
        (">&- 2>&- <&-", 0, ""),
        ("2>/dev/full", 0, ""),
        (">/dev/full", 5, "vos: cannot write to stdout: No space left on device"),
        ("| true", 141, ""),
        ("| head -n 1", 0, ""),
    ],
)
def test_probe(frames: Path, redirection: str, code: int, message: str) -> None:
    """No traceback, and an exit code that says what happened."""
    done = shell(f"{VOS} probe frames {redirection}", frames.parent)
    assert not any(text in done.stderr for text in MESSAGES), done.stderr
    if redirection != "| head -n 1":  # whether head ends first is a matter of luck
        assert done.returncode == code
    assert done.stderr.startswith(message)


@pytest.mark.parametrize("redirection", [">&- 2>&- <&-", "2>/dev/full", "2>&1 | true"])
def test_a_run_is_done_all_the_same(frames: Path, redirection: str) -> None:
    """Closed streams are not mistaken for files of results, and nothing printed can stop a run."""
    done = shell(f"{VOS} track frames -m mask.png -o out --no-overlay -v {redirection}", frames.parent)
    assert not any(text in done.stderr for text in MESSAGES), done.stderr
    out = frames.parent / "out"
    assert sorted(path.name for path in out.iterdir()) == [".states", "annotations.json", "masks", "run.json"]
    assert b"vos" not in (out / "masks" / "0.png").read_bytes()


def test_a_user_without_a_home(frames: Path) -> None:
    """Whoever has no home needs none for what needs no weights, and is told what to set for the rest."""
    lines = (
        "import os, pathlib, sys\n"
        "def home(cls): raise RuntimeError('Could not determine home directory.')\n"
        "pathlib.Path.home = classmethod(home)\n"
        "os.environ.pop('XDG_CACHE_HOME', None)\n"
        "from vos_cli.main import main\n"
        "sys.argv = ['vos', *sys.argv[1:]]\n"
        "main()\n"
    )
    script = frames.parent / "homeless.py"
    script.write_text(lines)
    done = shell(f"{sys.executable} homeless.py probe frames", frames.parent, VOS_HOME="")
    assert done.returncode == 0, done.stderr
    line = f"{sys.executable} homeless.py track frames -m mask.png -o out --model sam-vit-b"
    done = shell(line, frames.parent, VOS_HOME="")
    assert done.returncode == 4, done.stderr
    assert "Set VOS_HOME to a folder" in done.stderr


def test_lines_of_progress(capsys: pytest.CaptureFixture[str]) -> None:
    """One line at most every ten seconds, with the rate since the stage began."""
    clock = iter([0.0, 1.0, 5.0, EVERY + 1, EVERY + 2, 2 * EVERY + 1, 2 * EVERY + 2])
    lines = Lines(lambda: next(clock))
    for done in (1, 10, 31, 32, 61):
        lines.advance("forward", done, 100)
    lines.advance("other", 5, None)
    assert capsys.readouterr().err == ("vos: forward: 31 of 100, 3.0/s\nvos: forward: 61 of 100, 3.0/s\n")


def test_warnings_of_libraries_are_not_printed(tmp_path: Path) -> None:
    """Of an image beyond the limit of Pillow and of ours there is our message alone."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 13000, 13000, 8, 0, 0, 0, 0))
    (tmp_path / "big.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header + chunk(b"IEND", b""))
    done = shell(f"{VOS} probe big.png", tmp_path)
    assert done.returncode == 3
    (line,) = done.stderr.splitlines()
    assert "it claims to be 13000x13000 pixels" in line
