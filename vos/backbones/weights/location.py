"""Where weights are on this machine, and whether they are the published ones."""

from __future__ import annotations

import hashlib
import os
import sys
from importlib import resources
from pathlib import Path

from ...errors import ModelError
from .catalog import OWN_WEIGHTS, WEIGHTS, OwnWeights, Weights


def weights_folder() -> Path:
    """Where weights are kept: ``$VOS_HOME/weights``, or ``vos/weights`` in the platform's cache folder.

    Raises:
        ModelError: if the user has no home.
    """
    try:
        return _weights_folder()
    except RuntimeError as error:  # neither HOME nor an entry of the user in the system's list
        raise ModelError(
            f"there is no place for weights: {error}. Set VOS_HOME to a folder, or give --checkpoint FILE"
        ) from None


def _weights_folder() -> Path:
    home = os.environ.get("VOS_HOME")
    if home:
        return Path(home).expanduser() / "weights"
    if sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Caches"
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return base / "vos" / "weights"


def is_offline() -> bool:
    """Whether ``VOS_OFFLINE`` forbids the network (set, and neither empty nor 0)."""
    return os.environ.get("VOS_OFFLINE", "") not in ("", "0")


def locate(name: str) -> Path:
    """The file with the weights of ``name`` in the cache folder, or their folder in the cache of the Hub.

    Nothing is downloaded.

    Raises:
        ModelError: if they are in neither, or the file is shorter or longer than the published one.
    """
    weights = OWN_WEIGHTS.get(name) or published(name)
    if not (weights_folder() / weights.file).exists() and (folder := hub_folder(weights.hub)):
        return folder
    if name in OWN_WEIGHTS:
        return _locate_own(name, OWN_WEIGHTS[name])
    weights = published(name)
    path = weights_folder() / weights.file
    try:
        size = path.stat().st_size
    except OSError:
        raise ModelError(
            f"the weights of {name} are not at {path}; fetch them ({weights.size / 1e6:.0f} MB) with "
            f"`vos models download {name}`, or give a file with --checkpoint FILE"
        ) from None
    if size != weights.size:
        raise ModelError(
            f"{path} has {size} bytes where {weights.size} were published; "
            f"fetch it again with `vos models download {name} --force`, or give a file with --checkpoint FILE"
        )
    return path


def find(name: str) -> Path | None:
    """What :func:`locate` finds; None where that is nothing usable."""
    try:
        return locate(name)
    except ModelError:
        return None


HUB_FILES = ("config.json", "model.safetensors")


def hub_folder(repository: str) -> Path | None:
    """The folder of a repository in the cache of the Hub, where it is complete."""
    if not repository:
        return None
    from huggingface_hub import try_to_load_from_cache

    home = os.environ.get("HF_HOME") or Path.home() / ".cache" / "huggingface"
    cache = os.environ.get("HF_HUB_CACHE") or Path(home) / "hub"
    files = [try_to_load_from_cache(repository, name, cache_dir=cache) for name in HUB_FILES]
    return Path(str(files[0])).parent if all(isinstance(file, str) for file in files) else None


def _locate_own(name: str, weights: OwnWeights) -> Path:
    path = weights_folder() / weights.file
    if not path.exists():
        raise ModelError(f"the weights of {name} are not at {path}: {_how_to_get(name, weights)}")
    return path


def packaged(model: str) -> Path | None:
    """The file with the weights of a model that comes with the package; None for other models."""
    path = Path(str(resources.files("vos").joinpath("assets", model, f"{model}.safetensors")))
    return path if path.is_file() else None


def locate_packaged(model: str) -> Path:
    """The weights of a model that comes with them (``weights="included"`` in its entry).

    Raises:
        ModelError: if the package came without them.
    """
    if path := packaged(model):
        return path
    raise ModelError(
        f"the weights of {model} are missing from the package; install it again, give others with "
        "--checkpoint FILE, or choose --model classical, which needs none"
    )


def weights_file(model: str, checkpoint: str | Path | None) -> Path | None:
    """The file that a model's weights are read from; None for a model without any, or where they are not
    here."""
    if checkpoint is not None:
        path = Path(checkpoint)
        path = path / "model.safetensors" if path.is_dir() else path
    elif own := packaged(model):
        path = own
    elif model in WEIGHTS or model in OWN_WEIGHTS:
        found = find(model)
        if found is None:
            return None
        path = found / "model.safetensors" if found.is_dir() else found
    else:
        return None
    return path if path.is_file() else None


def verify(weights: Weights, path: Path) -> None:
    """Raise ModelError unless ``path`` holds exactly the published bytes."""
    try:
        found = sha256_of(path)
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror or error}") from error
    if found != weights.sha256:
        raise ModelError(
            f"{path} is not the published file of {weights.name}: its sha256 is {found}, published is "
            f"{weights.sha256}; fetch it again with `vos models download {weights.name} --force`"
        )


def sha256_of(path: Path) -> str:
    """Hexadecimal sha256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def published(name: str) -> Weights:
    """The published weights of that name.

    Raises:
        ModelError: for a name that is not in :data:`WEIGHTS`; for one in :data:`OWN_WEIGHTS` it says how to
            get them.
    """
    if name in OWN_WEIGHTS:
        raise ModelError(_how_to_get(name, OWN_WEIGHTS[name]))
    if name not in WEIGHTS:
        raise ModelError(
            f"no published weights are known as {name!r}; choose one of {', '.join(sorted(WEIGHTS))}"
        )
    return WEIGHTS[name]


def _how_to_get(name: str, weights: OwnWeights) -> str:
    what = "folder" if weights.is_folder else "file"
    note = f" {weights.note}" if weights.note else ""
    return (
        f"{name} is not fetched for you: get it from {weights.page} (licence {weights.licence}).{note} "
        f"Put the {what} {weights.file} into {weights_folder()}, or give it with --checkpoint {what.upper()}"
    )
