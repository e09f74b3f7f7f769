"""Packages whose names are imported when they are first used."""

from __future__ import annotations

import ast
import importlib
import sys
from pathlib import Path

import pytest

import vos
from vos.lazy import lazy_names

FILES = [path for path in Path(vos.__file__).parent.rglob("__init__.py") if "lazy_names(" in path.read_text()]
PACKAGES = [".".join(("vos", *path.parent.relative_to(Path(vos.__file__).parent).parts)) for path in FILES]


@pytest.mark.parametrize(("path", "package"), list(zip(FILES, PACKAGES, strict=True)), ids=PACKAGES)
def test_types_and_names_agree(path: Path, package: str) -> None:
    """What a type checker sees is what there is, from where it says."""
    module = importlib.import_module(package)
    branch = next(node for node in ast.parse(path.read_text()).body if isinstance(node, ast.If))
    seen = {}
    for node in branch.body:
        assert isinstance(node, ast.ImportFrom)
        for alias in node.names:
            assert alias.asname == alias.name  # exported on purpose
            home = importlib.import_module(f".{node.module or alias.name}", package)
            seen[alias.name] = getattr(home, alias.name) if node.module else home
    assert sorted(seen) == module.__all__
    assert {name: getattr(module, name) for name in seen} == seen


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a package with a lazy name and a lazy module."""
    folder = tmp_path / "lazily"
    folder.mkdir()
    (folder / "tools.py").write_text("saw = object()\n")
    (folder / "__init__.py").write_text(
        "from vos.lazy import lazy_names\n"
        "__all__, __getattr__, __dir__ = lazy_names(__name__, {'saw': '.tools', 'tools': '.tools'})\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("lazily", "lazily.tools"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return folder.name


def test_imported_when_used(package: str) -> None:
    """Names are listed at once, imported at first use, and the same ever after."""
    module = importlib.import_module(package)
    assert module.__all__ == ["saw", "tools"]
    assert {"saw", "tools", "__name__"} <= set(dir(module))
    assert "lazily.tools" not in sys.modules
    saw = module.saw
    assert module.tools is sys.modules["lazily.tools"]
    assert module.saw is saw is module.tools.saw
    with pytest.raises(AttributeError, match="module 'lazily' has no attribute 'hammer'"):
        module.hammer  # noqa: B018


def test_nothing_is_imported_to_name_it() -> None:
    """The tables alone load no module."""
    names, _, listed = lazy_names("vos", {"b": ".nowhere", "a": ".nowhere"})
    assert names == ["a", "b"]
    assert {"a", "b"} <= set(listed())
