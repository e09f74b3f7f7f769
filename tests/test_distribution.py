"""The distribution's name, and the other project that is called vos."""

from __future__ import annotations

import shutil
import subprocess
import sys
from email.message import Message
from importlib import metadata
from pathlib import Path

import pytest
from click.testing import CliRunner
from vos_cli.main import cli

import vos
from vos import distribution
from vos.errors import VosError


def _installed(summary: str) -> Message:
    found = Message()
    found["Version"] = "3.6"
    found["Summary"] = summary
    return found


def test_the_vospace_client_beside_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two packages with a module of one name overwrite each other: said before anything else."""
    monkeypatch.setattr(metadata, "metadata", lambda name: _installed("CADC VOSpace Command Line Tools"))
    with pytest.raises(VosError, match="pip uninstall vos vos-toolkit"):
        distribution.refuse_other_vos()
    for arguments in (["formats"], ["--version"], ["--help"], ["track", "--help"]):
        result = CliRunner().invoke(cli, arguments)
        assert (result.exit_code, result.stdout) == (VosError.exit_code, ""), arguments
        assert result.stderr.startswith("vos: the package vos 3.6 is installed beside vos-toolkit")


@pytest.mark.parametrize("mixed", [True, False])
def test_python_is_warned_of_mixed_files(tmp_path: Path, mixed: bool) -> None:
    """Where a file of the other project lies in the package, importing it says so once."""
    package = tmp_path / "vos"
    package.mkdir()
    for name in ("__init__.py", "lazy.py", "name_clash.py"):
        shutil.copy(Path(vos.__file__).with_name(name), package)
    if mixed:
        (package / "vos.py").touch()
    code = [sys.executable, "-c", "import vos; import vos.lazy"]
    found = subprocess.run(code, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stderr.count("vos.py is of the VOSpace client") == mixed
    assert bool(found.stderr) == mixed


def test_an_earlier_version_of_ours_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it had a name on the index, this project was installed as vos."""
    asked: list[str] = []
    earlier = _installed("Cut objects out of videos")
    monkeypatch.setattr(metadata, "metadata", lambda name: asked.append(name) or earlier)
    assert CliRunner().invoke(cli, ["formats"]).exit_code == 0
    assert asked == ["vos"]
