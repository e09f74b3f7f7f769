"""Cryptomatte pictures, read with OpenEXR and through their manifest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vos.formats.base import VideoFacts
from vos.formats.registry import build_writer
from vos.frame import Frame
from vos.results import FrameResult

OpenEXR = pytest.importorskip("OpenEXR")
pytest.importorskip("mmh3")

SIZE = (21, 33)


def written(
    folder: Path, names: dict[int, str], **options: Any
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Header and channels of a frame with object 1 on the left, 2 on the right, 300 at one pixel."""
    labels = np.zeros(SIZE, np.uint16)
    labels[4:18, 3:15], labels[4:18, 15:28], labels[0, 32] = 1, 2, 300
    labels[8:10, 6:9] = 0
    image = np.full((*SIZE, 3), (0, 128, 255), np.uint8)
    with build_writer(
        "exr", folder / "exr", facts=VideoFacts(names=names, sequence="shot"), options=options
    ) as w:
        w.write(Frame(7, image, "00007", 0.28), FrameResult(7, labels, {1: 1.0, 2: 1.0, 300: 1.0}))
    file = OpenEXR.File(str(folder / "exr" / "shot.0001.exr"), separate_channels=True)
    return file.header(), {name: channel.pixels for name, channel in file.channels().items()}


def mattes(header: dict[str, Any], channels: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Coverage by name, as a compositor makes it: the ranks whose id is that of the name are added."""
    found = {}
    for name, text in json.loads(header["cryptomatte/3ae39a5/manifest"]).items():
        number = np.array(int(text, 16), np.uint32).view(np.float32)
        found[name] = sum(
            np.where(channels[f"CryptoObject00.{i}"] == number, channels[f"CryptoObject00.{c}"], 0)
            for i, c in ("RG", "BA")
        )
    return found


def test_known_hash() -> None:
    """The vector of the specification, and one whose exponent would make it no number."""
    from vos.formats.cryptomatte import as_float, hash_name

    assert float(as_float(hash_name("hello"))) == pytest.approx(6.0705627e-17, rel=1e-7)
    for name in (f"object_{n}" for n in range(3000)):
        assert np.isfinite(as_float(hash_name(name)))
        assert (hash_name(name) >> 23) & 255 not in (0, 255)


def test_hard_masks(tmp_path: Path) -> None:
    """Every object is there by its name, exactly; the header says what is in it; the preview is linear."""
    header, channels = written(tmp_path, {1: "dog", 2: "dog", 300: 'a "cat", 猫'})
    found = mattes(header, channels)
    assert set(found) == {"dog", "dog_2", 'a "cat", 猫'}
    assert header["cryptomatte/3ae39a5/name"] == "CryptoObject"
    assert header["cryptomatte/3ae39a5/hash"] == "MurmurHash3_32"
    assert header["cryptomatte/3ae39a5/conversion"] == "uint32_to_float32"
    expected = np.zeros(SIZE)
    expected[4:18, 3:15] = 1
    expected[8:10, 6:9] = 0
    assert np.array_equal(found["dog"], expected)
    assert found['a "cat", 猫'].sum() == 1 == found['a "cat", 猫'][0, 32]
    assert {channels[f"CryptoObject00.{c}"].dtype for c in "RGBA"} == {np.dtype(np.float32)}
    assert not channels["CryptoObject00.A"].any()
    assert [float(channels[c][0, 0]) for c in "RGB"] == pytest.approx([0, 0.2158, 1], abs=1e-3)
    assert (tmp_path / "exr" / "frames.csv").read_text() == "number,frame_index,time\n1,7,0.280000\n"


def test_soft_edges_share_pixels(tmp_path: Path) -> None:
    """Where two objects meet, both cover a part of a pixel, together no more than all of it."""
    header, channels = written(tmp_path, {1: "one", 2: "two"}, feather=1.5)
    found = mattes(header, channels)
    both = (found["one"] > 0) & (found["two"] > 0)
    assert both[10, 13:17].all()
    assert max((found["one"] + found["two"]).max(), 0) <= 1 + 1e-6
    assert found["one"][10, 14] > found["two"][10, 14] > 0


def test_one_object(tmp_path: Path) -> None:
    """``object=2`` leaves out the others."""
    found = mattes(*written(tmp_path, {1: "one", 2: "two"}, object=2))
    assert not found["one"].any()
    assert found["two"].sum() == 14 * 13
