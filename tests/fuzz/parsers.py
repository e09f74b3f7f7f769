"""Every parser of what users give, with files that it reads well, for fuzzing."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from vos.errors import InputError, VosError
from vos.evaluation.davis_layout import read_davis_set
from vos.evaluation.discovery import evaluate_discovery
from vos.evaluation.label_png import read_foreground_png, read_label_png
from vos.evaluation.semantic_data import read_list
from vos.ops.rle import mask_fields
from vos.prompting.mask import read_masks
from vos.prompting.prompt_file import parse_prompt_file
from vos.results import davis_palette
from vos.runs.layout import read_json
from vos.runs.state import dump_state, load_state
from vos.settings import load_recipe
from vos.video.images import image_size, read_image


@dataclass(frozen=True)
class Parser:
    """One parser."""

    file_name: str
    seeds: Callable[[], list[bytes]]
    parse: Callable[[Path], Any]


def npy(array: np.ndarray) -> bytes:
    """The array as ``numpy.save`` writes it."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def png(array: np.ndarray, *, palette: bool = False, format: str = "PNG") -> bytes:
    """The array as an image file."""
    image = Image.fromarray(array)
    if palette:
        image.putpalette(davis_palette().tobytes())
    buffer = io.BytesIO()
    image.save(buffer, format=format)
    return buffer.getvalue()


def labels() -> np.ndarray:
    """(24, 32) uint8 with two objects."""
    found = np.zeros((24, 32), np.uint8)
    found[4:12, 5:15] = 1
    found[14:20, 18:30] = 2
    return found


def coco(**changes: Any) -> bytes:
    """A COCO file of one image and one find."""
    entry = {"id": 1, "image_id": 1, "category_id": 1, "score": 0.5, **mask_fields(labels() == 1), **changes}
    image = {"id": 1, "file_name": "a.png", "width": 32, "height": 24}
    return json.dumps({"images": [image], "annotations": [entry], "categories": [{"id": 1}]}).encode()


def _prompts() -> list[bytes]:
    targets = [
        {"id": 1, "name": "dog", "mask": "dog.png"},
        {"id": 2, "frame": 40, "box": [120, 80, 310, 400], "points": [[200, 150], [130.5, 390, "-"]]},
        {"frame": 75, "mask": "all.png"},
    ]
    both = [{"version": 1, "targets": targets[1:2]}, {"version": 1, "targets": targets}]
    return [json.dumps(content).encode() for content in both]


def _masks() -> list[bytes]:
    return [png(labels(), palette=True), png(labels()), png((labels() > 0).astype(np.uint8) * 255)] + [
        png(labels(), format=format) for format in ("GIF", "TIFF", "BMP", "PPM")
    ]


def _photos() -> list[bytes]:
    colours = davis_palette()[labels()]
    return [
        png(colours),
        png(colours, format="JPEG"),
        png(colours, format="WEBP"),
        png(colours, format="TIFF"),
    ]


def _state() -> list[bytes]:
    return [dump_state({"a": np.arange(6).reshape(2, 3), "b": [1, 2.5, None, ("x", True)], 3: {"c": "d"}})]


def _read_state(path: Path) -> None:
    try:
        load_state(path.read_bytes())
    except ValueError as error:
        raise InputError(str(error)) from error


@cache
def _truth(folder: Path) -> Path:
    path = folder / "truth.json"
    path.write_bytes(coco())
    return path


def _read_set(path: Path) -> None:
    folder = path.parent / "davis" / "ImageSets" / "2017"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "val.txt").write_bytes(path.read_bytes())
    read_davis_set(path.parent / "davis", "2017/val")


def _checkpoint(path: Path) -> None:
    from vos.backbones.weights.checkpoints import load_state as load_weights

    load_weights(path)


def _weights() -> list[bytes]:
    import torch
    from safetensors.torch import save

    tensors = {"a.weight": torch.arange(6.0).reshape(2, 3), "b": torch.ones(2)}
    files = [io.BytesIO(), io.BytesIO()]
    torch.save(tensors, files[0])
    torch.save({"model": tensors}, files[1], _use_new_zipfile_serialization=False)
    return [save(tensors), *(file.getvalue() for file in files)]


PARSERS: dict[str, Parser] = {
    "prompts": Parser("p.json", _prompts, lambda path: parse_prompt_file(str(path), 0)),
    "npy": Parser(
        "m.npy",
        lambda: [npy(labels()), npy(labels() > 0), npy(np.stack([labels() == 1, labels() == 2]))],
        read_masks,
    ),
    "mask image": Parser("m.png", _masks, read_masks),
    "index png": Parser("m.png", _masks, read_label_png),
    "foreground png": Parser("m.png", _masks, read_foreground_png),
    "image": Parser("i.png", _photos, read_image),
    "image header": Parser("i.png", _photos, image_size),
    "recipe": Parser(
        "r.yaml",
        lambda: [b"model: nano\nend: 12\nclasses: {detect_every: 5, names: [a, 2.5, null, 2020-01-01]}\n"],
        load_recipe,
    ),
    "coco": Parser(
        "c.json",
        lambda: [
            coco(),
            coco(segmentation=[[1, 1, 9, 1, 9, 9]]),
            coco(segmentation={"size": [24, 32], "counts": [24 * 32 - 8, 8]}),
        ],
        lambda path: evaluate_discovery(path, _truth(path.parent)),
    ),
    "list of sequences": Parser("l.txt", lambda: [b"bear\ndog\n", "bear\r\n".encode("utf-16")], _read_set),
    "list of images": Parser(
        "l.txt", lambda: [b"a.jpg a.png\nb.jpg b.png\n"], lambda path: read_list(path.parent, path)
    ),
    "record": Parser("run.json", lambda: [b'{"program": "vos", "frames": [{"name": "0"}]}'], read_json),
    "checkpoint of a run": Parser("checkpoint", _state, _read_state),
    "weights": Parser("w.pth", _weights, _checkpoint),
}


def fails_well(parser: Parser, path: Path, data: bytes) -> str | None:
    """Parse ``data``: whatever it is, it is read, or refused with an error of the family, returned here."""
    path.write_bytes(data)
    message = None
    try:
        parser.parse(path)
    except VosError as error:
        message = str(error)
    assert message is None or len(message) < 3000, f"a message of {len(message)} characters"
    return message
