"""Reading checkpoint files without running what is in them."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...errors import ModelError

_WRAPPERS = ("model", "state_dict", "model_state_dict")
"""Keys under which training scripts put the weights."""


def load_state(path: str | Path) -> dict[str, Tensor]:
    """Entry name -> tensor on the CPU, of a ``.safetensors`` file, its folder, or a pickled state dict.

    Pickles go through ``torch.load(weights_only=True)``, which builds tensors and nothing else.

    Raises:
        ModelError: if the file is missing, truncated, holds anything but tensors, or is of another format.
    """
    path = Path(path)
    if path.is_dir():
        folder, path = path, path / "model.safetensors"
        if not path.exists():
            raise ModelError(
                f"the folder {folder} has no model.safetensors; fetch the whole repository from the Hub, or "
                "give the file with the weights"
            )
    try:
        with path.open("rb") as file:
            head = file.read(9)
    except FileNotFoundError as error:
        raise ModelError(
            f"cannot read checkpoint {path}: there is no such file; `vos models list` shows what "
            "`vos models download NAME` can fetch"
        ) from error
    except OSError as error:
        raise ModelError(f"cannot read checkpoint {path}: {error.strerror or error}") from error
    if kind := _kind(head):
        raise ModelError(
            f"checkpoint {path} is {kind}, and holds no weights; "
            "PyTorch .pth/.pt files and .safetensors are read"
        )
    if not head:
        raise ModelError(f"checkpoint {path} is empty; fetch the file again")
    if head[8:] == b"{":  # eight bytes of header length, then JSON
        return _load_safetensors(path)
    return _tensors(_load_pickle(path), path)


_KINDS = (
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"RIFF", "a RIFF file, such as WebP or AVI"),
    (b"\x1a\x45\xdf\xa3", "a Matroska or WebM video"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"<", "a web page or XML: perhaps the answer of a server in place of the file"),
    (b"version ht", "a pointer of Git LFS: fetch the file itself"),
)
"""How files begin that are taken for checkpoints by mistake."""


def _kind(head: bytes) -> str | None:
    """What a file is that begins so, where it is surely no checkpoint."""
    if head[4:8] == b"ftyp":
        return "an MP4, MOV or HEIC file"
    return next((kind for magic, kind in _KINDS if head.startswith(magic[:9])), None)


def _load_safetensors(path: Path) -> dict[str, Tensor]:
    from safetensors.torch import load_file

    try:
        state: dict[str, Tensor] = load_file(path)
    except Exception as error:  # SafetensorError, and anything else for odd headers
        raise ModelError(
            f"checkpoint {path} is truncated or damaged ({error}); fetch the file again"
        ) from error
    return state


def _load_pickle(path: Path) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if "Weights only load failed" in str(error):
            raise ModelError(
                f"checkpoint {path} was refused: it is a pickle of more than tensors, which could run "
                "any code when loaded; use the publisher's file, or have its tensors saved as .safetensors"
            ) from error
        raise ModelError(f"checkpoint {path} is truncated or damaged; fetch the file again") from error
    except Exception as error:  # a damaged pickle shows in any way
        reason = str(error).splitlines()[0].split(". ")[0] if str(error) else type(error).__name__
        raise ModelError(
            f"checkpoint {path} is truncated, damaged or no checkpoint at all ({reason}); "
            "PyTorch .pth/.pt files and .safetensors are understood"
        ) from error


def _tensors(content: Any, path: Path) -> dict[str, Tensor]:
    for key in _WRAPPERS:
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    if not isinstance(content, Mapping) or not content:
        raise ModelError(
            f"checkpoint {path} holds {type(content).__name__}, not a mapping of names to tensors"
        )
    for name, value in content.items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ModelError(
                f"checkpoint {path} holds {type(value).__name__} under {name!r} where a tensor is expected"
            )
    return dict(content)


def check_entries(
    expected: Mapping[str, Tensor], state: Mapping[str, Tensor], where: str, model: str
) -> None:
    """Refuse weights that do not fit a network.

    Args:
        expected: the network's own state dict.
        state: of the checkpoint ``where``.
        model: what the checkpoint was recognised as, for messages.

    Raises:
        ModelError: for missing or unknown entries, entries of another shape, and quantised ones.
    """
    missing, surplus = sorted(expected.keys() - state.keys()), sorted(state.keys() - expected.keys())
    if missing or surplus:
        named = " and ".join(
            f"{len(names)} {what} (such as {names[0]})"
            for what, names in (("missing", missing), ("unknown", surplus))
            if names
        )
        raise ModelError(f"{where} looks like {model}, but has entries {named}")
    for key, tensor in expected.items():
        if state[key].shape != tensor.shape:
            raise ModelError(
                f"{where} looks like {model}, but {key} has shape {tuple(state[key].shape)} where "
                f"{tuple(tensor.shape)} is needed; choose the model that it belongs to"
            )
        if tensor.is_floating_point() and not _is_plain(state[key]):
            raise ModelError(
                f"{where} cannot be used: {key} holds {_kind_of(state[key])} values where plain "
                "floating-point ones are needed; use the publisher's file, or convert it to float32"
            )


def _is_plain(tensor: Tensor) -> bool:
    is_dense = tensor.layout == torch.strided and tensor.device.type == "cpu"
    return is_dense and tensor.dtype in (torch.float16, torch.bfloat16, torch.float32, torch.float64)


def _kind_of(tensor: Tensor) -> str:
    kind = "missing " if tensor.is_meta else "sparse " if tensor.layout != torch.strided else ""
    return kind + str(tensor.dtype).removeprefix("torch.")
