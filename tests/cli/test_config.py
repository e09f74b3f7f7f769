"""``vos config``."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner
from vos_cli.main import cli

from vos.settings import recipe_names


def test_show_and_check(tmp_path: Path) -> None:
    """What show prints passes check; a mistake is one line that names it."""
    shown = CliRunner().invoke(cli, ["config", "show", "--model", "nano"])
    assert shown.exit_code == 0
    path = tmp_path / "nano.yaml"
    path.write_text(shown.stdout.replace("strength: 1.0", "strength: 0.5"))
    checked = CliRunner().invoke(cli, ["config", "check", str(path)])
    assert checked.exit_code == 0, checked.output
    assert "  tracker.strength: 0.5 (default: 1.0)" in checked.stdout
    path.write_text("trackr: {}\n")
    refused = CliRunner().invoke(cli, ["config", "check", str(path)])
    assert refused.exit_code == 2
    assert (
        refused.stderr == "vos: in a recipe for vos track: unknown setting 'trackr'; did you mean tracker?\n"
    )


def test_a_model_that_is_chosen_later(tmp_path: Path) -> None:
    """auto is a model like others, in a recipe and on the command line."""
    path = tmp_path / "auto.yaml"
    path.write_text("model: auto\n")
    checked = CliRunner().invoke(cli, ["config", "check", str(path)])
    assert (checked.exit_code, "model: auto (default: classical)" in checked.stdout) == (0, True)
    shown = CliRunner().invoke(cli, ["config", "show", "--model", "auto"])
    path.write_text(shown.stdout)
    again = CliRunner().invoke(cli, ["config", "check", str(path)])
    assert (again.exit_code, again.stdout) == (0, checked.stdout)


def test_show_without_changes() -> None:
    """A recipe of nothing says so."""
    result = CliRunner().invoke(cli, ["config", "show", "--changed"])
    assert result.stdout == "# All settings have their defaults.\n"


def test_show_what_a_bundled_recipe_changes() -> None:
    """Only that, with its default."""
    result = CliRunner().invoke(cli, ["config", "show", "persam", "--recipe", "persam-parity", "--changed"])
    assert result.exit_code == 0
    assert result.stdout.splitlines()[-2:] == ["# The default is auto.", "view: reference"]


@pytest.mark.parametrize(
    ("recipe", "command"),
    [
        ("parity", "track"),
        ("persam-parity", "persam"),
        ("semantic-coco", "evaluate-semantic"),
        ("semantic-pascal", "evaluate-semantic"),
        ("semantic-synthetic", "evaluate-semantic"),
    ],
)
def test_bundled_recipes(recipe: str, command: str) -> None:
    """Each is valid as it is; the command that it is for is the one that has its settings."""
    assert recipe in recipe_names()
    result = CliRunner().invoke(cli, ["config", "check", recipe])
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout.startswith(f"{recipe} is valid for vos {command}; ")
    shown = CliRunner().invoke(cli, ["config", "show", "--recipe", recipe])
    assert shown.stdout == CliRunner().invoke(cli, ["config", "show", command, "--recipe", recipe]).stdout


def test_every_bundled_recipe_is_checked() -> None:
    """One that is added is checked above."""
    (checked,) = (mark for mark in test_bundled_recipes.pytestmark if mark.name == "parametrize")
    assert sorted(recipe for recipe, _ in checked.args[1]) == recipe_names()


def test_what_a_variant_changes(tmp_path: Path) -> None:
    """A variant of a tracker is one of its settings: shown, and kept in what is shown."""
    shown = CliRunner().invoke(cli, ["config", "show", "--recipe", "parity"]).stdout
    assert "  # The default is robust.\n  variant: as-published\n" in shown
    (tmp_path / "mine.yaml").write_text(shown)
    checked = CliRunner().invoke(cli, ["config", "check", str(tmp_path / "mine.yaml")])
    assert (checked.exit_code, "tracker.variant: as-published (default: robust)" in checked.stdout) == (
        0,
        True,
    )


def test_a_recipe_of_another_command() -> None:
    """The error names the command whose settings they are."""
    result = CliRunner().invoke(cli, ["config", "check", "semantic-coco", "--command", "track"])
    assert result.exit_code == 2
    told = "vos: recipe semantic-coco has settings of vos evaluate-semantic, and not of vos track\n"
    assert result.stderr == told
    for command in (["demo"], ["track", "clip.mp4", "--box", "1:1,1,9,9"]):
        refused = CliRunner().invoke(cli, [*command, "-o", "out", "--recipe", "semantic-coco"])
        assert (refused.exit_code, refused.stderr) == (2, told)


def test_a_tracker_that_a_recipe_is_not_for() -> None:
    """parity is for PerSAM: with another tracker its setting is refused."""
    result = CliRunner().invoke(cli, ["config", "check", "parity", "--model", "classical"])
    assert result.exit_code == 2
    assert "tracker classical: unknown setting 'variant'" in result.stderr
    other = CliRunner().invoke(cli, ["config", "check", "parity", "--model", "mobile-sam"])
    assert other.exit_code == 0, other.stderr
