"""The distribution's name, and the other project that is called vos."""

from __future__ import annotations

from email.message import Message
from importlib import metadata

import pytest
from click.testing import CliRunner
from vos_cli.main import cli

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
    assert CliRunner().invoke(cli, ["formats"]).exit_code == VosError.exit_code


def test_an_earlier_version_of_ours_is_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before it had a name on the index, this project was installed as vos."""
    asked: list[str] = []
    earlier = _installed("Cut objects out of videos")
    monkeypatch.setattr(metadata, "metadata", lambda name: asked.append(name) or earlier)
    assert CliRunner().invoke(cli, ["formats"]).exit_code == 0
    assert asked == ["vos"]
