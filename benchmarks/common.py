"""What every benchmark writes beside its numbers, so that they can be compared later."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from vos.files import make_folder, write_text_atomic

ROOT = Path(__file__).resolve().parent.parent

RESULTS = ROOT / "benchmarks" / "results"
"""Where the numbers in the README and in docs come from."""

PACKAGES = (
    "vos-toolkit",
    "numpy",
    "opencv-python",
    "scipy",
    "pillow",
    "av",
    "torch",
    "torchvision",
    "transformers",
)


def data_root() -> Path:
    """Folder with videos and ground truth: VOS_TEST_DATA, or ``shared/data`` beside the repository."""
    return Path(os.environ.get("VOS_TEST_DATA") or ROOT.parent / "shared" / "data")


def machine() -> dict[str, Any]:
    """Processor, usable cores, memory, system, and how busy it is now (runnable tasks, one minute's mean)."""
    return {
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory_gib(),
        "system": platform.platform(),
        "load": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def versions() -> dict[str, str | None]:
    """Python, the packages that matter (None: not installed) and the commit."""
    found: dict[str, str | None] = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            found[package] = None
    found["commit"] = _commit()
    return found


def write_json(
    path: str | os.PathLike[str], what: str, settings: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]
) -> None:
    """Write a benchmark's numbers: what was measured, where, with what, and a row for each case."""
    document = {
        "benchmark": what,
        "machine": machine(),
        "versions": versions(),
        "settings": dict(settings),
        "rows": [dict(row) for row in rows],
    }
    make_folder(Path(path).parent)
    write_text_atomic(path, json.dumps(document, indent=2) + "\n")


def between(text: str, begin: str, end: str, new: str) -> str:
    """The text with what stands between two marks replaced."""
    before, rest = text.split(begin)
    return before + begin + new + end + rest.split(end)[1]


def write_between(page: Path, begin: str, end: str, new: str) -> None:
    """Replace what stands between two marks in a page."""
    write_text_atomic(page, between(page.read_text(encoding="utf-8"), begin, end, new))


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _memory_gib() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None


def _commit() -> str | None:
    """Short hash, with ``+`` if files differ from it."""
    git = ["git", "-C", str(ROOT)]
    try:
        commit = subprocess.run(
            [*git, "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=True
        )
        changed = subprocess.run([*git, "diff", "--quiet", "HEAD"], capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return None
    return commit.stdout.strip() + ("+" if changed.returncode else "")
