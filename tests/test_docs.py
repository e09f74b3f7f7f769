"""Documentation that is made from the program is what the program says now."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from vos import errors
from vos.errors import VosError

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_the_command_reference_is_not_stale() -> None:
    """docs/cli.md is what docs/generate_cli.py writes; ``make docs`` writes it anew."""
    spec = importlib.util.spec_from_file_location("generate_cli", DOCS / "generate_cli.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == module.render(), "run `make docs`"


@pytest.mark.parametrize("page", ["outputs.md", "conventions.md"])
def test_exit_codes_are_documented(page: str) -> None:
    """The tables of exit codes have every code an error can have, and no other."""
    text = (DOCS / page).read_text(encoding="utf-8").split("## Exit codes")[1]
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", text, flags=re.MULTILINE)}
    family = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, VosError)]
    assert documented == {0} | {kind.exit_code for kind in family}


def test_run_json_is_documented() -> None:
    """docs/outputs.md names every field that run.json has."""
    import inspect

    from vos.job import identity, run

    text = (DOCS / "outputs.md").read_text(encoding="utf-8").split("### `run.json`")[1]
    source = inspect.getsource(identity.identity_of) + inspect.getsource(run._Run._finish)
    for field in re.findall(r'^\s+"(\w+)":', source, flags=re.MULTILINE):
        assert f"`{field}`" in text, field
