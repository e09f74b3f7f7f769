"""What every benchmark writes beside its numbers, so that they can be compared later."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent

PACKAGES = ("vos", "numpy", "opencv-python", "scipy", "pillow", "av", "torch", "torchvision", "transformers")


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


def write_json(path: str | os.PathLike[str], document: Mapping[str, Any]) -> None:
    """Write a benchmark's numbers, with :func:`machine` and :func:`versions` in front."""
    whole = {"machine": machine(), "versions": versions(), **document}
    Path(path).write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")


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
