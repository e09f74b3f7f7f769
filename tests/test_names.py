"""Names are checked once, where they enter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from vos_cli.format_options import parse_names

from vos.errors import InputError, PromptError
from vos.names import LONGEST, check_name, plain_name
from vos.projects import Project
from vos.prompting.prompt_file import parse_prompt_file

BAD = ["..", ".", "a/b", "../x", "a\\b", "a\nb", "a\x00b", "\x7f", "\ud800", "n" * (LONGEST + 1), "ä" * 128]
GOOD = ["dog", "red car", "…", "a.b", "CON", "ä" * 127, "n" * LONGEST, "-x"]


@pytest.mark.parametrize("name", BAD)
def test_bad_names_are_refused_where_they_enter(name: str, tmp_path: Path) -> None:
    """By flag, in a prompt file, in a project; the message shows the name and is short."""
    prompts = tmp_path / "p.json"
    prompts.write_text(json.dumps({"version": 1, "targets": [{"id": 1, "name": name, "box": [1, 1, 5, 5]}]}))
    project = Project.create(tmp_path / "p.vosproject")
    for enter, family in (
        (lambda: check_name(name, "object name"), InputError),
        (lambda: parse_names([f"1:{name}"], "--name"), InputError),
        (lambda: parse_prompt_file(str(prompts), 0), PromptError),
        (lambda: project.add_object(name), InputError),
        (lambda: project.add_object("dog", category=name), InputError),
    ):
        with pytest.raises(family, match="is not allowed") as caught:
            enter()
        assert len(str(caught.value)) < 400
    assert not project.state.objects


@pytest.mark.parametrize("name", GOOD)
def test_good_names(name: str, tmp_path: Path) -> None:
    """Whatever names a file inside its folder."""
    assert check_name(name, "object name") == name
    assert parse_names([f"1:{name}"], "--name") == {1: name}


@pytest.mark.parametrize("name", [*BAD, "", "  ", "lights/red"])
def test_names_of_others_are_made_plain(name: str) -> None:
    """What other programs call an object is kept as far as it can be."""
    plain = plain_name(name)
    assert not plain or check_name(plain, "object name") == plain
    assert plain_name("lights/red") == "lights_red"


def test_an_empty_name_is_none(tmp_path: Path) -> None:
    """In a prompt file."""
    prompts = tmp_path / "p.json"
    prompts.write_text(json.dumps({"version": 1, "targets": [{"id": 1, "name": " ", "box": [1, 1, 5, 5]}]}))
    assert [target.name for target in parse_prompt_file(str(prompts), 0)] == [None]
