"""Imports point one way, and cheap things stay cheap to import."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
from vos_cli.main import COMMANDS

import vos
from vos.formats.registry import FORMATS
from vos.prompting.registry import TARGET_SOURCES
from vos.server.jobs import KINDS as JOBS

ROOT = Path(__file__).resolve().parent.parent
NOUNS = {
    "arrays",
    "distribution",
    "documents",
    "json_report",
    "lazy",
    "errors",
    "exif",
    "files",
    "frame",
    "limits",
    "names",
    "notices",
    "ops",
    "pool",
    "process",
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
    "arrays": set(),
    "errors": set(),
    "exif": set(),
    "files": {"errors"},
    "json_report": {"files"},
    "frame": {"errors"},
    "lazy": set(),
    "name_clash": set(),
    "names": {"errors"},
    "limits": set(),
    "notices": set(),
    "documents": set(),
    "distribution": {"errors"},
    "pool": {"process"},
    "process": set(),
    "results": set(),
    "prompts": {"errors", "results"},
    "settings": {"errors", "documents", "notices"},
    "registry": {"errors"},
    "ops": {"arrays", "results", "limits"},
    "video": NOUNS | {"settings"},
    "formats": NOUNS | {"settings"},
    "evaluation": NOUNS | {"settings"},
    "backbones": NOUNS | {"settings"},
    "trackers": NOUNS | {"settings", "backbones"},
    "detectors": NOUNS | {"settings", "backbones", "scenes", "evaluation.semantic"},
    "prompting": NOUNS | {"settings", "video", "backbones", "detectors", "trackers"},
    "scenes": NOUNS,
    "testing": NOUNS | {"settings", "backbones", "scenes", "trackers"},
    "runs": LIBRARY - {"runs", "projects", "server", "testing"},
    "projects": LIBRARY - {"projects", "server", "testing"},
    "server": LIBRARY - {"server", "testing"},
}
"""Part of ``vos`` -> the parts it may import, besides itself."""

WITHOUT_TORCH = (
    "errors",
    "exif",
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
    "scenes",
    "server",
)


def modules() -> list[Path]:
    """All source files of the library."""
    return sorted(path for path in (ROOT / "vos").rglob("*.py"))


@cache
def tree(path: Path) -> ast.Module:
    """What a source file says; not to be changed."""
    return ast.parse(path.read_text(encoding="utf-8"))


def dotted(path: Path) -> str:
    """Name that a source file is imported by; ``cli`` is installed as ``vos_cli``."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(("vos_cli" if parts[0] == "cli" else parts[0], *parts[1:])).removesuffix(".__init__")


@cache
def imports(path: Path, *, types: bool = True) -> frozenset[str]:
    """Absolute dotted names of all modules that a file imports, at its top or anywhere in it.

    ``types``: those imported under ``if TYPE_CHECKING`` as well.
    """
    package = dotted(path.with_name("__init__.py")).split(".")
    found: set[str] = set()
    parts = [node for node in tree(path).body if types or not _is_for_types(node)]
    for node in (inner for part in parts for inner in ast.walk(part)):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            found.add(module)
            found.update(f"{module}.{alias.name}" for alias in node.names)
    return frozenset(found)


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


def test_packages_have_what_is_imported_from_them() -> None:
    """Packages that import their names when they are asked for hide a missing one from the type checker."""
    lost = []
    for path in [*modules(), *(ROOT / "cli").rglob("*.py")]:
        for name in imports(path):
            package, _, wanted = name.rpartition(".")
            folder = ROOT / (package.replace("vos_cli", "cli").replace(".", "/") or "-")
            init = folder / "__init__.py"
            if not init.exists() or (folder / f"{wanted}.py").exists() or (folder / wanted).is_dir():
                continue
            if wanted != "*" and wanted not in _names_of(init):
                lost.append(f"{dotted(path)} takes {wanted} from {package}")
    assert lost == []


def _names_of(path: Path) -> set[str]:
    """Names that a module has by imports, definitions and assignments, wherever in it."""
    found = {"__version__"}
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found.update((alias.asname or alias.name).split(".")[0] for alias in node.names)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def test_modules_import_each_other_in_no_circle() -> None:
    """Imports within functions count; those for type annotations alone do not."""
    names = {dotted(path): path for path in modules()}
    waiting = {
        name: {m for m in imports(path, types=False) if m in names and m != name}
        for name, path in names.items()
        if path.stem != "__init__"  # names only
    }
    while free := {name for name, needed in waiting.items() if not needed & set(waiting)}:
        waiting = {name: needed for name, needed in waiting.items() if name not in free}
    assert not waiting, f"circles among {sorted(waiting)}"


SHARED_NAMES = {
    # Layers of networks, as their authors name them.
    *("Attention", "Block", "PatchEmbed"),
    # Of the two methods on CPUs.
    *("FusionSettings", "MotionSettings"),
    # A moving shape of a synthetic scene, and the predicted shape of an object.
    "Shape",
}
"""Names of several classes of the library."""


def test_a_name_is_of_one_class() -> None:
    """One word for one thing."""
    homes: dict[str, list[str]] = {}
    for path in modules():
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                homes.setdefault(node.name, []).append(str(path.relative_to(ROOT)))
    assert {name: found for name, found in homes.items() if len(found) > 1 and name not in SHARED_NAMES} == {}


def test_a_type_of_arrays_is_named_once() -> None:
    """``vos/arrays.py`` has the names of all dtypes that several modules use; no module has its own."""
    shared = {node.id for node in _aliases(ROOT / "vos" / "arrays.py")}
    others = [path for path in modules() if path.name != "arrays.py"]
    own = {
        f"{path.relative_to(ROOT)}: {node.id}"
        for path in others
        for node in _aliases(path)
        if node.id in shared
    }
    assert own == set()


def _aliases(path: Path) -> Iterator[ast.Name]:
    """Names that are assigned at the top of a module to a subscript, such as ``NDArray[np.bool_]``."""
    for node in tree(path).body:
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript):
            yield from (name for name in node.targets if isinstance(name, ast.Name))


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


TESTS = ROOT / "tests"
ACROSS = {"architecture", "docs"}
"""Test modules of the repository as a whole."""
ELSEWHERE = {
    "fuzz": "everything that reads files of users",
    "server/browser": "vos/server/static",
}
"""Folders of tests that mirror no package -> what they test."""
REGISTRIES = {
    "vos.formats.registry": {
        f"vos.formats.{reference.split(':')[0]}"
        for entry in FORMATS.values()
        for reference in (entry.writer, entry.reader)
        if reference
    },
    "vos.prompting.registry": {source.parser.split(":")[0] for source in TARGET_SOURCES.values()},
    "vos.server.jobs": {f"vos.server.{kind.function.split(':')[0]}" for kind in JOBS.values()},
    "vos_cli.main": {f"vos_cli.{name.replace('-', '_')}" for name in COMMANDS} | {"vos_cli.import_"},
}
"""Modules that others are named in: their tests run over all entries."""
SMALL = 90
"""Lines up to which a module may be tested by what uses it."""
IMPORT = re.compile(r"^ *(?:from (vos[\w.]*) import (\([^)]*|.*)|import (vos[\w.]*))", re.MULTILINE)
TESTED_ELSEWHERE = {
    "vos.projects.exporting": "tests/cli/test_project.py",  # `vos project export`
    "vos.projects.prompting": "tests/cli/test_project.py",  # `vos project add` and `prompts`
    "vos.prompting.class_schedule": "tests/prompting/test_class_schedule.py",  # through `vos.track_video`
}
"""Modules that no test beside them imports, directly or not -> the tests that guard them."""


def test_tests_lie_where_their_subject_does() -> None:
    """``tests/<package>/test_*.py``; ``cli``, ``docs`` and ``training`` have a folder as well."""
    for test in TESTS.rglob("test_*.py"):
        folder = test.parent.relative_to(TESTS)
        name = test.stem.removeprefix("test_")
        if folder == Path():
            known = name in ACROSS or (ROOT / "vos" / f"{name}.py").exists()
            assert known, f"{test}: name it after a module, move it to its package, or add it to ACROSS"
        elif folder.as_posix() not in ELSEWHERE:
            known = (ROOT / "vos" / folder).is_dir() or (ROOT / folder).is_dir()
            assert known, f"{test}: move it to tests of its package, or add its folder to ELSEWHERE"


def test_tests_beside_it_reach_every_module() -> None:
    """They import it, or a module of its package that does; a command of ``cli`` also reaches ``runs``."""
    sources = {dotted(path): path for top in ("vos", "cli") for path in (ROOT / top).rglob("*.py")}
    arrows = {
        name: (imports(path) | REGISTRIES.get(name, set())) & set(sources) for name, path in sources.items()
    }
    used: dict[Path, set[str]] = {}
    for test in TESTS.rglob("*.py"):
        found = set()
        for module, names, plain in IMPORT.findall(test.read_text(encoding="utf-8")):
            found |= {module, plain} | {f"{module}.{name}" for name in re.findall(r"\w+", names)}
        for folder in test.parents:
            used.setdefault(folder, set()).update(found & set(sources))
    unreached = set()
    for name, path in sources.items():
        long = len(path.read_text(encoding="utf-8").splitlines()) > SMALL
        if path.stem == "__init__" or path.parent == ROOT / "vos" or not long:
            continue
        package = name.rpartition(".")[0]
        home = TESTS / package.removeprefix("vos_").removeprefix("vos.").replace(".", "/")
        reached = used.get(home, set()) | (used[TESTS / "cli"] if package == "vos.runs" else set())
        within = (package, "vos_cli") if package == "vos.runs" else (package,)
        while new := {m for r in reached for m in arrows[r] if m.startswith(within)} - reached:
            reached |= new
        if name not in reached:
            unreached.add(name)
    assert sorted(unreached) == sorted(TESTED_ELSEWHERE)
    for place in TESTED_ELSEWHERE.values():
        assert (ROOT / place).exists(), place
