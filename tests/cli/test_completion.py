"""Shell completion of names that registries hold."""

from __future__ import annotations

import os
import subprocess
import sys

import click
import pytest
from click.shell_completion import ShellComplete
from vos_cli.main import cli


def completions(*arguments: str) -> dict[str, str]:
    """Value -> type of what is offered for the last argument."""
    found = ShellComplete(cli, {}, "vos", "_VOS_COMPLETE").get_completions(
        list(arguments[:-1]), arguments[-1]
    )
    return {item.value: item.type for item in found}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (("track", "--model", "na"), {"nano"}),
        (("track", "--tracker", "per"), {"persam"}),
        (("track", "--model", "mobile"), {"mobile-sam"}),
        (("batch", "run", "--model", "au"), {"auto"}),
        (("track", "--backbone", "interac"), {"interactive"}),
        (("track", "--features", "dinov2-"), {"dinov2-s", "dinov2-b", "dinov2-l"}),
        (("track", "--reference-backbone", "cla"), {"classical"}),
        (("track", "--write", "coco"), {"coco", "coco-video"}),
        (("export", "run", "-f", "youtube"), {"youtube-vos", "youtube-vis"}),
        (("convert", "x.json", "--to", "pro"), {"prores"}),
        (("convert", "x.json", "--from", "pro"), set()),
        (("convert", "x.json", "--from", "cvat"), {"cvat-video", "cvat-images"}),
        (("import", "x.json", "--format", "darw"), {"darwin"}),
        (("persam", "--model", "sam-vit"), {"sam-vit-b", "sam-vit-l", "sam-vit-h"}),
        (("persam", "--recipe", ""), {"parity"}),
        (("discover", "--model", "na"), {"nano"}),
        (("config", "show", "tr"), {"track"}),
        (("config", "check", "x", "--command", "pers"), {"persam"}),
        (("models", "download", "mob"), {"mobile-sam"}),
        (("models", "path", "sam-vit-b"), {"sam-vit-b"}),
    ],
)
def test_names(arguments: tuple[str, ...], expected: set[str]) -> None:
    """Trackers, backbones, features, formats, commands and weights."""
    assert set(completions(*arguments)) == expected


@pytest.mark.parametrize(
    "arguments", [("track", "--recipe"), ("config", "check"), ("config", "show", "--recipe")]
)
def test_recipes_or_files(arguments: tuple[str, ...]) -> None:
    """Bundled recipes by name; where none matches the shell completes files."""
    assert completions(*arguments, "par") == {"par": "file", "parity": "plain"}
    assert completions(*arguments, "./my") == {"./my": "file"}


def test_help_goes_with_names() -> None:
    """zsh and fish show what a name stands for."""
    (item,) = ShellComplete(cli, {}, "vos", "_VOS_COMPLETE").get_completions(["track", "--model"], "na")
    assert item.help == "classical, refined by a compact network"


def test_in_a_shell_without_torch() -> None:
    """What the shell asks for is answered without loading a model's library."""
    code = "import sys; sys.argv = ['vos']; from vos_cli.main import main\ntry: main()\n"
    code += "finally: print('torch' in sys.modules, 'transformers' in sys.modules)"
    asked = {"COMP_WORDS": "vos track --model na", "COMP_CWORD": "3", "_VOS_COMPLETE": "bash_complete"}
    found = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | asked, capture_output=True, text=True, check=False
    )
    assert found.stdout == "plain,nano\nFalse False\n"


def test_every_open_vocabulary_is_completed() -> None:
    """An option or argument for a NAME of a model, format or recipe has a completion of its own."""
    named = {"model", "backbone", "features", "config", "recipe", "format", "formats", "source_format"}

    def check(command: click.Command, path: str) -> None:
        for parameter in command.params:
            if parameter.name in named and not isinstance(parameter.type, click.Choice | click.Path):
                assert parameter._custom_shell_complete is not None, f"{path}: {parameter.name}"
        if isinstance(command, click.Group):
            context = click.Context(command)
            for name in set(command.list_commands(context)):
                child = command.get_command(context, name)
                assert child is not None
                check(child, f"{path} {name}")

    check(cli, "vos")
