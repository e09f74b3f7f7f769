"""Documentation that is made from the program is what the program says now."""

from __future__ import annotations

import ast
import importlib
import inspect
import itertools
import json
import re
import subprocess
import sys
import types
from enum import Enum
from pathlib import Path

import numpy as np
import pytest
from vos_cli.main import NO_READER

import vos
from vos import errors
from vos.errors import VosError
from vos.formats.format import Format
from vos.formats.registry import FORMATS
from vos.prompts import Prompt, Target, mask_targets
from vos.runs import TrackSettings, track_video
from vos.testing import ScriptedTracker, scene, write_images
from vos.trackers.base import Tracker
from vos.video import open_video

DOCS = Path(__file__).resolve().parent.parent / "docs"


def test_the_command_reference_is_not_stale() -> None:
    """docs/cli.md is what docs/generate_cli.py writes; ``make docs`` regenerates it.

    In a process of its own: help texts list the registries, which other tests add to.
    """
    code = f"import runpy; print(runpy.run_path({str(DOCS / 'generate_cli.py')!r})['render'](), end='')"
    command = [sys.executable, "-X", "utf8", "-c", code]
    found = subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout
    assert (DOCS / "cli.md").read_text(encoding="utf-8") == found, "run `make docs`"


@pytest.mark.parametrize("page", ["outputs.md", "conventions.md"])
def test_exit_codes_are_documented(page: str) -> None:
    """The tables of exit codes have every code an error can have, and no other."""
    text = (DOCS / page).read_text(encoding="utf-8").split("## Exit codes")[1]
    documented = {int(code) for code in re.findall(r"^\| (\d+) \|", text, flags=re.MULTILINE)}
    family = [c for c in vars(errors).values() if isinstance(c, type) and issubclass(c, VosError)]
    assert documented == {0, NO_READER} | {kind.exit_code for kind in family}


def code_block(page: str, name: str) -> dict[str, object]:
    """The names that the page's code block with ``name`` in it defines."""
    blocks = re.findall(r"```python\n(.*?)```", (DOCS / page).read_text(encoding="utf-8"), flags=re.DOTALL)
    (code,) = [block for block in blocks if f"class {name}" in block]
    scope: dict[str, object] = {}
    exec(code, scope)
    return scope


def test_the_writer_in_the_documentation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The example of a writer can be registered, asked for, and stopped and gone on with."""
    module = types.ModuleType("vos.formats.boxes")
    vars(module).update(code_block("extending.md", "BoxWriter"))
    monkeypatch.setitem(sys.modules, "vos.formats.boxes", module)
    monkeypatch.setitem(FORMATS, "boxes", Format("boxes as CSV", "boxes.csv", "boxes:BoxWriter"))
    clip = scene("crossing", num_frames=8, size=(30, 40))
    write_images(clip, tmp_path / "images")
    settings = TrackSettings(outputs=("boxes",), checkpoint_every=3)
    target = Target(1, Prompt(mask=clip.labels[0] == 1))
    with open_video(tmp_path / "images") as video:
        for name, stop_at in (("whole", None), ("again", 5)):
            tracker = ScriptedTracker(clip, raise_at=stop_at, error=KeyboardInterrupt())
            if stop_at:
                with pytest.raises(errors.InterruptedRunError):
                    track_video(video, [target], tmp_path / name, settings, tracker=tracker)
            track_video(
                video, [target], tmp_path / name, settings, tracker=ScriptedTracker(clip), resume=True
            )
    rows = (tmp_path / "whole" / "boxes.csv").read_text().splitlines()
    assert len(rows) == 8
    assert rows[3] == ",".join(map(str, (3, 1, *clip.boxes[3][1])))
    assert (tmp_path / "again" / "boxes.csv").read_text().splitlines() == rows


def test_run_json_is_documented(tmp_path: Path) -> None:
    """docs/outputs.md names every field that run.json has, and those of its parts."""
    text = (DOCS / "outputs.md").read_text(encoding="utf-8").split("### `run.json`")[1].split("\n## ")[0]
    clip = scene("crossing", num_frames=3, size=(30, 40))
    write_images(clip, tmp_path / "images")
    with open_video(tmp_path / "images") as video:
        track_video(video, clip.targets(0), tmp_path / "out", tracker=ScriptedTracker(clip))
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    frame = record["frames"][0]
    parts = (record, record["input"], record["counts"], record["timings"], frame, frame["objects"]["1"])
    assert [field for part in parts for field in part if f"`{field}`" not in text] == []


def test_the_tracker_in_the_documentation() -> None:
    """The example of a tracker keeps the contract: masks stay, corrections and new objects are taken."""
    tracker = code_block("extending.md", "StandStill")["StandStill"]()  # type: ignore[operator]
    clip = scene("crossing", num_frames=3, size=(30, 40))
    assert isinstance(tracker, Tracker)
    tracker.start(clip.frames[0], mask_targets(clip.labels[0], (1,)))
    joined = tracker.step(clip.frames[1], mask_targets(clip.labels[1], (2,), 1))
    assert joined.ids == (1, 2)
    assert np.array_equal(joined.mask(2), clip.labels[1] == 2)
    tracker.remove(1)
    assert tracker.step(clip.frames[2]).ids == (2,)


@pytest.mark.parametrize("name", sorted(set(vos.__all__) - {"formats", "TrackSettings"}))
def test_help_explains_every_parameter(name: str) -> None:
    """What ``help`` shows of a public function or class names each of its parameters; settings are explained
    by ``vos config show``."""
    public = getattr(vos, name)
    text = inspect.getdoc(public)
    assert text
    if issubclass(type(public), type) and (
        issubclass(public, Exception | Enum) or hasattr(public, "_is_protocol")
    ):
        return
    missing = [p for p in inspect.signature(public).parameters if not re.search(rf"\b{p}(, \w+)*: ", text)]
    assert missing == []


ROOT = DOCS.parent
FOLDERS = ("vos", "cli", "tests", "benchmarks", "training", "configs", "docs")
SOURCES = [
    f"/{path.relative_to(ROOT).as_posix()}" for folder in FOLDERS for path in (ROOT / folder).rglob("*.py")
]
PAGES = [page for page in sorted(DOCS.glob("*.md")) if page.name != "cli.md"]
ALL_PAGES = [*PAGES, *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"))]
PATH = re.compile(rf"(?:{'|'.join(FOLDERS)})/[\w/.*-]+")
CLASS = re.compile(r"([A-Z][a-z0-9]+(?:[A-Z]\w*)+|[A-Z][a-z]\w*(?=\.))(?:\.(\w+))?(?:\(.*\))?")
"""A name of several capitals, or of one with an attribute."""
DOTTED = re.compile(r"(?:vos|vos_cli|training|benchmarks)(?:\.\w+)+")
OF_OTHERS = {
    # transformers
    *("BertTokenizer", "BlipForImageTextRetrieval"),
    # names in file formats: Cryptomatte, PASCAL VOC
    *("CryptoObject", "SegmentationClass", "SegmentationObject"),
    # a value on the command line
    "WxH",
}
"""Names in pages that look like classes of ours."""


def quoted(page: Path) -> list[str]:
    """What stands in backquotes on a page, outside of blocks of code."""
    text = re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return re.findall(r"`([^`\n]+)`", text)


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_links_and_paths_of_a_page_exist(page: Path) -> None:
    """Every relative link leads to a file, and every path in backquotes is in the tree.

    A file without its folder is in one that the page names, or beside a file that it names.
    """
    text = page.read_text(encoding="utf-8")
    links = re.findall(r"\]\((?!https?:|#|mailto:)([^)\s#]+)", text)
    assert [link for link in links if not (page.parent / link).exists()] == []
    paths = [path for path in quoted(page) if PATH.fullmatch(path)]
    assert [path for path in paths if not any(ROOT.glob(path))] == []
    folders = [path if (ROOT / path).is_dir() else path.rpartition("/")[0] for path in paths]
    homes = tuple(f"/{folder.rstrip('/')}/" for folder in folders)
    named = [path for path in SOURCES if path.startswith(homes)]
    modules = [name for name in quoted(page) if re.fullmatch(r"[\w/]+\.py", name) and name not in paths]
    assert [name for name in modules if not any(path.endswith(f"/{name}") for path in named)] == []


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_modules_of_a_page_exist(page: Path) -> None:
    """``vos.package.module.name`` in backquotes is there; of old and new names, the new ones."""
    names = quoted(page)
    if page.name == "upgrading.md":
        rows = [line.split("|") for line in page.read_text(encoding="utf-8").splitlines()]
        names = [name for row in rows if len(row) > 3 for name in re.findall(r"`([^`]+)`", row[2])]
    dotted = [name for name in names if DOTTED.fullmatch(name) and not name.endswith(".pt")]
    assert [name for name in dotted if not is_there(name)] == []


def is_there(name: str) -> bool:
    """Whether a dotted name is a module, or a name in one."""
    module, _, attribute = name.rpartition(".")
    source = ROOT / name.replace(".", "/")
    if source.is_dir() or source.with_suffix(".py").exists():
        return True
    return bool(module) and hasattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("page", ALL_PAGES, ids=lambda page: page.name)
def test_classes_of_a_page_exist(page: Path, members: dict[str, set[str]]) -> None:
    """Every class that it names in backquotes is one of ours, and has the attribute that it names."""
    lost = []
    for match in filter(None, map(CLASS.fullmatch, quoted(page))):
        name, attribute = match[1], match[2]
        known = name in OF_OTHERS or (name in members and (not attribute or attribute in members[name]))
        if not known:
            lost.append(match[0])
    assert lost == []


@pytest.fixture(scope="module")
def members() -> dict[str, set[str]]:
    """Class -> names of its methods and attributes, inherited ones too."""
    own: dict[str, set[str]] = {}
    bases: dict[str, list[str]] = {}
    for path in SOURCES:
        for node in ast.walk(ast.parse((ROOT / path[1:]).read_text(encoding="utf-8"))):
            if isinstance(node, ast.ClassDef):
                bases.setdefault(node.name, []).extend(ast.unparse(b).split("[")[0] for b in node.bases)
                names = own.setdefault(node.name, set())
                for inner in ast.walk(node):
                    if isinstance(inner, ast.FunctionDef):
                        names.add(inner.name)
                    elif isinstance(inner, ast.Name | ast.Attribute) and isinstance(inner.ctx, ast.Store):
                        names.add(inner.id if isinstance(inner, ast.Name) else inner.attr)
    for name in own:
        waiting = list(bases[name])
        while waiting:
            base = waiting.pop()
            own[name] |= own.get(base, set())
            waiting += bases.get(base, [])
    return own


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_names_beside_modules_are_defined_there(page: Path) -> None:
    """In tables with a module in one cell and names in the next."""
    for line in page.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split("|")]
        for where, what in itertools.pairwise(cells):
            if not where.startswith("`"):
                continue
            modules = [f"/{name}" for name in re.findall(r"`([\w/]+\.py)`", where)]
            found = [path for path in SOURCES if path.endswith(tuple(modules))] if modules else []
            text = "\n".join((ROOT / path[1:]).read_text(encoding="utf-8") for path in found)
            names = re.findall(r"`[\w.]*?(\w+)(?:\([^`]*\))?`", what) if found else []
            assert [name for name in names if not re.search(rf"(def|class) {name}\b", text)] == []


def test_every_page_is_in_the_navigation_of_the_site() -> None:
    """The navigation in mkdocs.yml lists every page of docs/."""
    listed = re.findall(r": (\S+\.md)$", (DOCS.parent / "mkdocs.yml").read_text(), flags=re.MULTILINE)
    assert {page.name for page in DOCS.glob("*.md")} <= set(listed)


def test_sources_are_not_on_the_site() -> None:
    """Of the programs in docs/ only those are published that a page links to."""
    text = (DOCS.parent / "mkdocs.yml").read_text()
    excluded = next(iter(re.findall(r"^exclude_docs: \|\n((?: .*\n)+)", text, flags=re.MULTILINE))).split()
    assert "*.py" in excluded
    pages = [*DOCS.glob("*.md"), *DOCS.parent.glob("*.md")]
    links = {link for page in pages for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8"))}
    kept = [line.removeprefix("!/") for line in excluded if line.startswith("!")]
    assert all((DOCS / name).is_file() and f"docs/{name}" in links for name in kept)
    assert not any(link.endswith("Dockerfile") for link in links)
