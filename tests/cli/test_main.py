"""The frame of the command line: the table of commands, errors and their exit codes."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from vos_cli.main import COMMANDS, Terminated, cli
from vos_cli.options import existing_result, json_flag, load_config, print_json, verbosity

from vos import errors
from vos.errors import SettingsError, VosError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def invoke(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Run ``vos fake ARGUMENTS`` where the command's body is the function given."""

    def run(body: Callable[[], object], *arguments: str) -> Result:
        @click.command()
        @existing_result
        @json_flag
        @verbosity
        def fake(**options: object) -> None:
            """A command."""
            body()

        module = types.ModuleType("vos_cli.fake")
        module.fake = fake  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "vos_cli.fake", module)
        monkeypatch.setitem(COMMANDS, "fake", "A command.")
        return CliRunner().invoke(cli, ["fake", *arguments])

    return run


def raising(error: BaseException) -> Callable[[], None]:
    """A body that raises."""

    def body() -> None:
        raise error

    return body


FAMILY = [VosError, *(c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, VosError))]


@pytest.mark.parametrize("kind", FAMILY)
def test_our_errors(invoke: Callable[..., Result], kind: type[VosError]) -> None:
    """An error raised on purpose is its message on stderr, its exit code, and no traceback."""
    result = invoke(raising(kind("the mask is empty")))
    assert result.exit_code == kind.exit_code
    assert result.stderr == "vos: the mask is empty\n"
    assert result.stdout == ""


@pytest.mark.parametrize("error", [KeyboardInterrupt(), Terminated()])
def test_interrupts(invoke: Callable[..., Result], error: BaseException) -> None:
    """Ctrl-C and SIGTERM are 130."""
    result = invoke(raising(error))
    assert (result.exit_code, result.stderr) == (130, "vos: interrupted\n")


def test_our_mistakes(invoke: Callable[..., Result]) -> None:
    """Anything else is an internal error: one line, and how to see the traceback."""
    result = invoke(raising(ZeroDivisionError("division by zero")))
    assert result.exit_code == 1
    assert result.stderr == (
        "vos: internal error: ZeroDivisionError: division by zero; run again with -v for the traceback\n"
    )


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), VosError("x")])
def test_verbose_shows_the_traceback(invoke: Callable[..., Result], error: Exception) -> None:
    """With -v the traceback comes first and the message last."""
    result = invoke(raising(error), "-v")
    assert result.stderr.startswith("Traceback")
    assert result.stderr.splitlines()[-1].startswith("vos: ")


@pytest.mark.parametrize("arguments", [["--nope"], ["extra"]])
def test_usage_errors(invoke: Callable[..., Result], arguments: list[str]) -> None:
    """Click's own errors are exit 2 with a usage line."""
    result = invoke(lambda: None, *arguments)
    assert result.exit_code == 2
    assert "Usage: " in result.stderr


def test_unknown_command() -> None:
    """An unknown command is exit 2."""
    result = CliRunner().invoke(cli, ["frobnicate"])
    assert result.exit_code == 2
    assert "frobnicate" in result.stderr


@pytest.mark.parametrize("arguments", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(arguments: list[str]) -> None:
    """The table is what help shows."""
    result = CliRunner().invoke(cli, arguments)
    for name, line in COMMANDS.items():
        assert f"  {name} " in result.output
        assert line.split(":")[0][:30] in " ".join(result.output.split())


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_is_there(name: str) -> None:
    """Every name in the table has a command of that name, whose -h begins with its usage and its help."""
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    assert command.name == name
    result = CliRunner().invoke(cli, [name, "-h"])
    assert result.exit_code == 0
    assert f" {name} " in result.stdout.splitlines()[0]
    assert command.help.split()[:5] == result.stdout.split("\n\n")[1].split()[:5]


def test_version() -> None:
    """``vos --version`` says which."""
    from importlib.metadata import version

    result = CliRunner().invoke(cli, ["--version"])
    assert (result.exit_code, result.output) == (0, f"vos {version('vos-toolkit')} (vos-toolkit)\n")


def test_warnings_of_the_library(invoke: Callable[..., Result]) -> None:
    """What the library logs is on stderr: warnings always, details with -v, nothing but errors with -q."""
    import logging

    def body() -> None:
        logging.getLogger("vos.somewhere").info("detail")
        logging.getLogger("vos.somewhere").warning("careful")

    assert invoke(body).stderr == "vos: careful\n"
    assert invoke(body, "-v").stderr == "vos: detail\nvos: careful\n"
    assert invoke(body, "-q").stderr == ""


def test_json_is_all_of_stdout(invoke: Callable[..., Result]) -> None:
    """A JSON document on stdout parses."""
    result = invoke(lambda: print_json({"a": [1, 2]}))
    assert json.loads(result.stdout) == {"a": [1, 2]}


def test_module_entry() -> None:
    """``python -m vos_cli`` is ``vos``."""
    done = subprocess.run(
        [sys.executable, "-m", "vos_cli", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout == CliRunner().invoke(cli, ["--version"]).output


def test_config_from_a_file(tmp_path: Path) -> None:
    """A YAML file anywhere, or nothing at all."""
    path = tmp_path / "mine.yaml"
    path.write_text("stride: 3\n")
    assert load_config(str(path)) == {"stride": 3}
    assert load_config(None) == {}
    with pytest.raises(SettingsError, match=r"cannot read recipe .*absent\.yaml: No such file or directory$"):
        load_config(str(tmp_path / "absent.yaml"))


def test_unknown_recipe() -> None:
    """A name that is no recipe of ours is refused, saying what may be given."""
    with pytest.raises(SettingsError, match=r"no recipe 'fancy'; give a \.yaml file, or one of"):
        load_config("fancy")


def test_a_file_that_cannot_be_used(invoke: Callable[..., Result], tmp_path: Path) -> None:
    """What the system says of a path is a message with the path in it: names too long, rights, loops."""

    def body() -> None:
        (tmp_path / ("x" * 300)).stat()

    result = invoke(body)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr == f"vos: cannot use {tmp_path / ('x' * 300)}: File name too long\n"


@pytest.mark.parametrize(
    ("command", "default"),
    [
        ("track", "auto"),
        ("preview", "auto"),
        ("live", "classical"),
        ("demo", "classical"),
        ("batch run", "classical"),
        ("benchmark davis", "classical"),
        ("project new", "classical"),
        ("project track", "the project's own"),
    ],
)
def test_help_names_the_default_model_of_the_command(command: str, default: str) -> None:
    """Commands differ in the tracker that they use where none is named."""
    help = " ".join(CliRunner().invoke(cli, [*command.split(), "--help"]).output.split())
    assert f"installed and fast enough. [default: {default}]" in help
