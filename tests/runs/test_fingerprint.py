"""What tells one input from another."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pytest

from vos.errors import MediaError
from vos.prompts import Prompt, Target
from vos.runs.fingerprint import describe_targets, fingerprint_file, fingerprint_images


def images(folder: Path, **content: bytes) -> list[Path]:
    """Files of these names."""
    folder.mkdir()
    for name, data in content.items():
        (folder / name).write_bytes(data)
    return [folder / name for name in content]


def test_a_file_by_its_bytes(tmp_path: Path) -> None:
    (path,) = images(tmp_path / "a", clip=b"abc" * 1000)
    found = fingerprint_file(path)
    assert (found["size"], found["sha256"]) == (3000, hashlib.sha256(b"abc" * 1000).hexdigest())
    with pytest.raises(MediaError, match="cannot read"):
        fingerprint_file(tmp_path / "absent")


def test_images_by_names_content_and_order(tmp_path: Path) -> None:
    """Wherever the folder is."""
    paths = images(tmp_path / "a", one=b"xy", two=b"z")
    same = fingerprint_images(paths)
    assert (same["files"], same["size"]) == (2, 3)
    assert fingerprint_images(images(tmp_path / "b", one=b"xy", two=b"z")) == same
    others = (
        images(tmp_path / "renamed", one=b"xy", three=b"z"),
        images(tmp_path / "changed", one=b"xy", two=b"Z"),
        images(tmp_path / "moved", one=b"x", two=b"yz"),
        paths[::-1],
        paths[:1],
    )
    digests = {fingerprint_images(other)["sha256"] for other in others}
    assert len(digests) == len(others)
    assert same["sha256"] not in digests


def test_prompts_by_all_that_they_say() -> None:
    """Two that differ in anything are described differently."""
    mask = np.zeros((4, 5), bool)
    mask[1:3, 2:4] = True
    points, labels, box = np.array([[1, 2]], np.float32), np.array([1]), np.array([0, 0, 3, 3], np.float32)
    targets = [
        Target(1, Prompt(mask=mask)),
        Target(1, Prompt(mask=np.roll(mask, 1, axis=1))),
        Target(1, Prompt(mask=mask), 3),
        Target(2, Prompt(mask=mask)),
        Target(1, Prompt(mask=mask), name="dog"),
        Target(1, Prompt(points=points, labels=labels)),
        Target(1, Prompt(points=points, labels=1 - labels)),
        Target(1, Prompt(points=points + 1, labels=labels)),
        Target(1, Prompt(box=box)),
        Target(1, Prompt(box=box + 1)),
    ]
    described = [describe_targets([target]) for target in targets]
    assert all(one != other for k, one in enumerate(described) for other in described[:k])
    assert list(described[2]) == ["1 at frame 3"]
    assert describe_targets(targets[:1]) == described[0]
