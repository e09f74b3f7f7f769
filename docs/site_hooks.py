"""Hooks of mkdocs: what the pages link to outside ``docs/`` becomes part of the site.

In the repository README.md is the front page, and links such as ``../benchmarks/results/engine.json``
lead out of ``docs/``. On the site README.md is ``index.md``, and linked files keep their path.
"""

from __future__ import annotations

import re
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

ROOT = Path(__file__).resolve().parent.parent
PAGES = {"README.md": "index.md", "CONTRIBUTING.md": "CONTRIBUTING.md", "CHANGELOG.md": "CHANGELOG.md"}
"""Pages outside ``docs/``, and their names on the site."""
LINK = re.compile(r"(?<=\]\()(?!https?:|#|mailto:)([^)\s#]+)")
"""The path of a relative link."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages outside ``docs/``, and the files that any page links to there."""
    texts = {
        path: path.read_text(encoding="utf-8")
        for path in [*ROOT.glob("docs/*.md"), *map(ROOT.joinpath, PAGES)]
    }
    linked = {(path.parent / link).resolve() for path, text in texts.items() for link in LINK.findall(text)}
    for path in sorted(linked):
        if path.is_file() and not path.is_relative_to(ROOT / "docs") and path.suffix != ".md":
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    for source, target in PAGES.items():
        files.append(File.generated(config, target, content=inside(texts[ROOT / source])))
    return files


def on_page_markdown(markdown: str, **_: object) -> str:
    """Links out of ``docs/`` as they are on the site."""
    return inside(markdown)


def inside(text: str) -> str:
    """``text`` with its relative links as seen from the root of the site."""
    return LINK.sub(lambda match: _inside(match[1]), text)


def _inside(link: str) -> str:
    path = link.removeprefix("../").removeprefix("docs/")
    return PAGES.get(path, path)
