"""Imports point one way, and cheap things stay cheap to import."""

from __future__ import annotations

import ast
import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import vos

ROOT = Path(__file__).resolve().parent.parent
NOUNS = {
    "distribution",
    "documents",
    "json_report",
    "errors",
    "files",
    "frame",
    "limits",
    "names",
    "notices",
    "ops",
    "pool",
    "prompts",
    "registry",
    "results",
}
LIBRARY = {
    path.stem if path.suffix else path.name
    for path in (ROOT / "vos").iterdir()
    if (path.suffix == ".py" and path.stem != "__init__") or (path / "__init__.py").exists()
}

ALLOWED: dict[str, set[str]] = {
    "errors": set(),
    "files": {"errors"},
    "json_report": {"files"},
    "frame": set(),
    "names": {"errors"},
    "limits": set(),
    "notices": set(),
    "documents": set(),
    "distribution": {"errors"},
    "pool": set(),
    "results": set(),
    "prompts": {"results"},
    "settings": {"errors", "documents", "notices"},
    "registry": {"errors"},
    "ops": {"results", "limits"},
    "video": NOUNS | {"settings"},
    "formats": NOUNS | {"settings"},
    "evaluation": NOUNS | {"settings"},
    "backbones": NOUNS | {"settings"},
    "trackers": NOUNS | {"settings", "backbones"},
    "detectors": NOUNS | {"settings", "backbones", "testing", "evaluation.semantic"},
    "prompting": NOUNS | {"settings", "video", "backbones", "detectors", "trackers"},
    "testing": NOUNS | {"settings", "backbones", "trackers"},
    "runs": LIBRARY - {"runs", "projects", "server", "testing"},
    "projects": LIBRARY - {"projects", "server", "testing"},
    "server": LIBRARY - {"server", "testing"},
}
"""Part of ``vos`` -> the parts it may import, besides itself."""

WITHOUT_TORCH = (
    "errors",
    "files",
    "frame",
    "prompts",
    "results",
    "registry",
    "settings",
    "ops",
    "video",
    "formats",
    "evaluation",
    "runs",
    "projects",
    "server",
)


def modules() -> list[Path]:
    """All source files of the library."""
    return sorted(path for path in (ROOT / "vos").rglob("*.py"))


def imports(path: Path, *, types: bool = True) -> set[str]:
    """Absolute dotted names of all modules that a file imports, at its top or anywhere in it.

    ``types``: those imported under ``if TYPE_CHECKING`` as well.
    """
    package = path.relative_to(ROOT).with_suffix("").parts[:-1]
    found: set[str] = set()
    tree = ast.parse(path.read_text(encoding="utf-8"))
    if not types:
        tree.body = [node for node in tree.body if not _is_for_types(node)]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return found


def _is_for_types(node: ast.stmt) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT / "vos")))
def test_arrows(path: Path) -> None:
    """A part of the library imports only the parts that it may."""
    part = path.relative_to(ROOT / "vos").parts[0].removesuffix(".py")
    if part == "__init__":
        return  # names only, imported when used
    assert part in ALLOWED, f"say in ALLOWED what vos/{part} may import"
    allowed = ALLOWED[part] | {part}
    for module in imports(path):
        if not module.startswith("vos."):
            assert not module.startswith(("vos_cli", "cli")), f"{path} imports the command line"
            continue
        inner = module.removeprefix("vos.")
        if inner.split(".")[0] in LIBRARY:
            assert any(inner == name or inner.startswith(f"{name}.") for name in allowed), f"{path}: {module}"


@pytest.mark.parametrize("path", modules(), ids=lambda path: str(path.relative_to(ROOT / "vos")))
def test_torch_lives_where_models_are(path: Path) -> None:
    """Nouns, reading, writing, scoring and the job itself do not name torch."""
    part = path.relative_to(ROOT / "vos").parts[0].removesuffix(".py")
    if part in WITHOUT_TORCH:
        assert not [module for module in imports(path) if module.split(".")[0] in ("torch", "transformers")]


def test_modules_import_each_other_in_no_circle() -> None:
    """Imports within functions count; those for type annotations alone do not."""
    names = {
        ".".join(("vos", *path.relative_to(ROOT / "vos").with_suffix("").parts)): path for path in modules()
    }
    waiting = {
        name: {m for m in imports(path, types=False) if m in names and m != name}
        for name, path in names.items()
        if path.stem != "__init__"  # names only
    }
    while free := {name for name, needed in waiting.items() if not needed & set(waiting)}:
        waiting = {name: needed for name, needed in waiting.items() if name not in free}
    assert not waiting, f"circles among {sorted(waiting)}"


def loaded_by(code: str) -> set[str]:
    """Names of all modules loaded in a fresh interpreter that ran ``code``."""
    script = "\n".join(
        [
            "import sys",
            "try:",
            f"    exec({code!r})",
            "except SystemExit:",
            "    pass",
            "print(*sys.modules, file=sys.stderr)",
        ]
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


@pytest.mark.parametrize(
    ("code", "absent"),
    [
        ("import vos", {"torch", "numpy", "cv2", "av"}),
        ("from vos_cli.main import cli; cli(['--help'])", {"torch", "numpy", "cv2", "av", "rich", "yaml"}),
        ("from vos_cli.main import cli; cli(['track', '--help'])", {"torch", "numpy", "cv2", "av", "rich"}),
        ("from vos_cli.main import cli; cli(['evaluate', '--help'])", {"torch", "cv2", "av"}),
        ("from vos_cli.main import cli; cli(['probe', '--help'])", {"torch"}),
        ("import vos.evaluation.davis", {"torch", "av"}),
        ("import vos; vos.open_video", {"torch"}),
        ("import vos.formats.overlay, vos.formats.coco", {"torch"}),
    ],
)
def test_what_is_not_imported(code: str, absent: set[str]) -> None:
    """Help, scoring, reading and writing work without loading torch, and help without much else."""
    assert loaded_by(code) & absent == set()


def test_public_names() -> None:
    """Every public name is there, and comes from where the table says."""
    for name in vos.__all__:
        assert getattr(vos, name) is not None
    assert set(vos.__all__) <= set(dir(vos))
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        vos.nothing  # noqa: B018


def test_packages_are_all_installed() -> None:
    """Every folder of the library is in the list that the wheel is built from."""
    import tomllib

    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"]
    folders = {".".join(p.parent.relative_to(ROOT).parts) for p in (ROOT / "vos").rglob("__init__.py")}
    assert folders <= set(listed)
    for package in listed:
        importlib.import_module(package)
