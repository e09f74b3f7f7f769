"""What the system says of this process."""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1  # pragma: no cover  (macOS, Windows)


def peak_memory() -> int:
    """Peak resident memory of this process in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # pragma: no cover  (Windows)
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if os.uname().sysname == "Darwin" else peak * 1024
