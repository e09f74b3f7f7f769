"""Which distribution this is: the package ``vos`` is installed as ``vos-toolkit``."""

from __future__ import annotations

from importlib import metadata

from .errors import VosError

NAME = "vos-toolkit"
"""On the package index ``vos`` is a client of the astronomers' VOSpace, with a module of the same name."""
_OTHER = "vospace"


def own_version() -> str:
    """Version of this program."""
    return metadata.version(NAME)


def refuse_other_vos() -> None:
    """Refuse to run beside the other project whose module is called ``vos`` as well.

    Raises:
        VosError: saying how to separate the two.
    """
    try:
        other = metadata.metadata("vos")
    except metadata.PackageNotFoundError:
        return
    if _OTHER in f"{other['Summary']} {other['Description']}".lower():
        raise VosError(
            f"the package vos {other['Version']} is installed beside {NAME}: it is the VOSpace client, and "
            "its module has the same name, so the files of both are mixed; use an environment of its own for "
            f"one of them, or: pip uninstall vos {NAME}; pip install {NAME}"
        )
