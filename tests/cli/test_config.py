"""``vos config``."""

from __future__ import annotations

from pathlib import Path

from click.testing import CliRunner
from vos_cli.main import cli


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
    assert refused.stderr == "vos: unknown setting 'trackr'; did you mean tracker?\n"


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
