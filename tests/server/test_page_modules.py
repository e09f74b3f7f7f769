"""The modules of the page that need no browser, in Node.js."""

from __future__ import annotations

import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

HERE = Path(__file__).parent
LEAST = 20
"""Version of Node.js."""


def node() -> str:
    """Path of Node.js."""
    path = shutil.which("node")
    if path is None:
        pytest.skip("there is no Node.js: apt-get install nodejs")
    version = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    if int(version.lstrip("v").partition(".")[0]) < LEAST:
        pytest.skip(f"Node.js {version.strip()} is older than {LEAST}")
    return path


def test_the_modules_do_what_they_say(tmp_path: Path) -> None:
    """``tests/server/js`` holds the tests; a copy is run, for Node.js wants a package.json beside modules."""
    path = node()
    shutil.copytree(str(files("vos.server") / "static" / "js"), tmp_path / "page")
    shutil.copytree(HERE / "js", tmp_path / "tests")
    (tmp_path / "package.json").write_text('{"type": "module"}')
    tests = sorted(str(test) for test in (tmp_path / "tests").glob("*.test.js"))
    done = subprocess.run([path, "--test", *tests], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert tests
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
