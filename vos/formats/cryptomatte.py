"""Cryptomatte: OpenEXR images in which every object can be picked by name, with its coverage of pixels.

Friedman and Jones, Fully automatic ID mattes with support for motion blur and transparency (SIGGRAPH 2015
posters), and the specification 1.2.0 of https://github.com/Psyop/Cryptomatte.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import mmh3
import numpy as np
import OpenEXR
from numpy.typing import NDArray

from ..frame import Frame
from ..ops.alpha import opacity
from ..results import FrameResult
from .base import VideoFacts
from .cutout_images import SequenceWriter
from .records import UNNAMED

LAYER = "CryptoObject"
_EXPONENT = 0xFF << 23


def hash_name(name: str) -> int:
    """The 32 bits that stand for a name: MurmurHash3 of its UTF-8 text, made those of a normal float32."""
    value = mmh3.hash(name.encode("utf-8"), 0, signed=False)
    return value ^ (1 << 23) if value & _EXPONENT in (0, _EXPONENT) else value


def as_float(values: int | NDArray[np.uint32]) -> NDArray[np.float32]:
    """The float32 with the bits of a uint32."""
    return np.asarray(values, np.uint32).view(np.float32)


def object_names(ids: Iterable[int], facts: VideoFacts) -> dict[int, str]:
    """A name for every object, no two alike: its own or its category, with its id where that is taken."""
    names: dict[int, str] = {}
    for object_id in sorted({*facts.names, *facts.categories, *ids}):
        name = facts.names.get(object_id) or facts.categories.get(object_id) or f"{UNNAMED}_{object_id}"
        while name in names.values():
            name = f"{name}_{object_id}"
        names[object_id] = name
    return names


class CryptomatteWriter(SequenceWriter):
    """``<sequence>.0001.exr``, compressed without loss (ZIPS): ids and coverage of the two objects that cover
    most of every pixel as float32, and the frame in linear light as half floats."""

    suffix = "exr"

    def encoded(self, frame: Frame, result: FrameResult) -> bytes:
        """The file of a frame."""
        names = object_names(result.ids, self.facts)
        hashes = {object_id: hash_name(name) for object_id, name in names.items()}
        ids, coverage = self._ranks(frame, result, hashes)
        layers = {"R": as_float(ids[0]), "G": coverage[0], "B": as_float(ids[1]), "A": coverage[1]}
        channels = {f"{LAYER}00.{channel}": values for channel, values in layers.items()}
        linear = _linear(frame.image).astype(np.float16)
        channels |= {name: np.ascontiguousarray(linear[..., n]) for n, name in enumerate("RGB")}
        header = {
            "compression": OpenEXR.ZIPS_COMPRESSION,
            "type": OpenEXR.scanlineimage,
            **_metadata({names[k]: value for k, value in hashes.items()}),
        }
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "frame.exr")
            OpenEXR.File(header, channels).write(str(path))
            return path.read_bytes()

    def _ranks(
        self, frame: Frame, result: FrameResult, hashes: Mapping[int, int]
    ) -> tuple[NDArray[np.uint32], NDArray[np.float32]]:
        """(2, H, W): ids of the two objects that cover most of a pixel, and how much they cover, in 0..1."""
        options = self.options
        chosen = [k for k in result.ids if options.object in (None, k)]
        ids = np.zeros((2, *frame.size), np.uint32)
        coverage = np.zeros((2, *frame.size), np.float32)
        if options.edge == "hard" and not options.feather:
            table = np.zeros(max(result.ids, default=0) + 1, np.uint32)
            table[chosen] = [hashes[k] for k in chosen]
            ids[0] = table[result.labels]
            coverage[0] = ids[0] > 0
            return ids, coverage
        total = np.zeros(frame.size, np.float32)
        for object_id in chosen:
            alpha = opacity(frame.image, result, (object_id,), edge=options.edge, feather=options.feather)
            share = alpha.astype(np.float32) / 255
            total += share
            first = share > coverage[0]
            second = ~first & (share > coverage[1])
            ids[1] = np.where(first, ids[0], np.where(second, hashes[object_id], ids[1]))
            coverage[1] = np.where(first, coverage[0], np.where(second, share, coverage[1]))
            ids[0][first], coverage[0][first] = hashes[object_id], share[first]
        return ids, (coverage / np.maximum(total, 1)).astype(np.float32)


def _metadata(manifest: Mapping[str, int]) -> dict[str, str]:
    """Header attributes that say what the layer is."""
    key = f"cryptomatte/{hash_name(LAYER):08x}"[: len("cryptomatte/") + 7]
    return {
        f"{key}/name": LAYER,
        f"{key}/hash": "MurmurHash3_32",
        f"{key}/conversion": "uint32_to_float32",
        f"{key}/manifest": json.dumps({name: f"{value:08x}" for name, value in manifest.items()}),
    }


def _linear(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """(H, W, 3) float32: sRGB in linear light (IEC 61966-2-1)."""
    values = np.arange(256, dtype=np.float32) / 255
    table = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return table.astype(np.float32)[image]
