"""Another project's module is called ``vos`` as well, and its files may lie among those of this one."""

from __future__ import annotations

import os
import warnings


def warn_of_mixed_files(folder: str) -> None:
    """Warn where the package in ``folder`` holds files of the VOSpace client.

    One look at the disk takes microseconds; asking which distributions are installed, as
    :func:`vos.distribution.refuse_other_vos` does for the command line, loads modules for milliseconds.
    There is no warning while a shell completes names: it would be printed into the line.
    """
    if "_VOS_COMPLETE" not in os.environ and os.path.exists(os.path.join(folder, "vos.py")):
        warnings.warn(
            f"{folder} holds files of two projects: vos.py is of the VOSpace client, which is called vos on "
            "the package index (this is vos-toolkit); use an environment of its own for one of them",
            stacklevel=3,
        )
