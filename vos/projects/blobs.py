"""Blobs: files named by the SHA-256 of their content, never changed.

A mask is a 1-bit PNG, a piece of a track JSON lines: ``{"f": frame, "s": confidence, "rle": counts}`` with
COCO's compressed run lengths, at most :data:`PIECE_FRAMES` frames of one object.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image

from ..arrays import Mask
from ..errors import InputError
from ..files import make_folder, output_error, replacing
from ..ops.rle import pack_mask, unpack_mask

PIECE_FRAMES = 50
"""Frames of one piece."""
MASK, PIECE = ".png", ".rle"
BLOBS = "blobs"
"""Their folder in a project."""


@dataclass(frozen=True)
class TrackedMask:
    """The result of tracking one object in one frame."""

    frame: int
    confidence: float
    """0..1, with four decimals."""
    rle: str
    """Compressed counts of the mask, see :mod:`vos.ops.rle`."""


class BlobStore:
    """The folder ``blobs/`` of a project.

    Args:
        read_only: write nothing; what is put is only named.
    """

    def __init__(self, folder: Path, *, read_only: bool = False) -> None:
        self.folder = folder
        self._read_only = read_only
        self._read_piece = lru_cache(maxsize=256)(self._load_piece)
        self._read_mask = lru_cache(maxsize=64)(self._load_mask)

    def path(self, digest: str, suffix: str) -> Path:
        """Where a blob is."""
        return self.folder / digest[:2] / f"{digest}{suffix}"

    def put_mask(self, mask: Mask) -> str:
        """Store an (H, W) mask; its digest."""
        buffer = io.BytesIO()
        Image.fromarray(mask).save(buffer, "PNG")
        return self._put(buffer.getvalue(), MASK)

    def mask(self, digest: str) -> Mask:
        """The (H, W) mask of a digest, not to be written to.

        Raises:
            InputError: if it is missing or damaged.
        """
        return self._read_mask(digest)

    def has_mask(self, digest: str) -> bool:
        """Whether there is a mask of this digest."""
        return self.path(digest, MASK).is_file()

    def put_pieces(self, masks: Iterable[TrackedMask]) -> list[str]:
        """Store results of one object, in order of frames; the digests of their pieces."""
        digests, lines = [], []
        for mask in masks:
            entry = {"f": mask.frame, "s": mask.confidence, "rle": mask.rle}
            lines.append(json.dumps(entry, separators=(",", ":")))
            if len(lines) == PIECE_FRAMES:
                digests.append(self._put(("\n".join(lines) + "\n").encode(), PIECE))
                lines = []
        if lines:
            digests.append(self._put(("\n".join(lines) + "\n").encode(), PIECE))
        return digests

    def piece(self, digest: str) -> dict[int, TrackedMask]:
        """The results in a piece, by frame.

        Raises:
            InputError: if it is missing or damaged.
        """
        return self._read_piece(digest)

    def tracked_mask(self, pieces: Sequence[str], first: int, frame: int) -> TrackedMask:
        """The result of a frame among pieces that begin at frame ``first``."""
        return self.piece(pieces[(frame - first) // PIECE_FRAMES])[frame]

    def all(self) -> Iterator[tuple[str, Path]]:
        """Digest and path of all blobs."""
        for path in sorted(self.folder.glob("??/*")):
            if path.suffix in (MASK, PIECE) and not path.name.startswith("."):
                yield path.stem, path

    def verify(self, digest: str, path: Path) -> bool:
        """Whether the content of a blob is what its name says."""
        return hashlib.sha256(path.read_bytes()).hexdigest() == digest

    def _put(self, data: bytes, suffix: str) -> str:
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest, suffix)
        if self._read_only:
            return digest
        if path.is_file():
            # Whoever sweeps unused blobs goes by age: this one is in use again. It may be another user's.
            with contextlib.suppress(OSError):
                os.utime(path)
            return digest
        make_folder(path.parent)
        with replacing(path) as temporary:
            try:
                with temporary.open("wb") as file:
                    file.write(data)
                    file.flush()
                    os.fsync(file.fileno())
            except OSError as error:
                raise output_error(path, error) from error
        return digest

    def _bytes(self, digest: str, suffix: str) -> bytes:
        path = self.path(digest, suffix)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(
                f"{path} is missing: copy it from another copy of the project (vos project merge), or undo "
                "what needs it, which vos project check names"
            ) from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise InputError(f"{path} is damaged: its content does not have the SHA-256 of its name")
        return data

    def _load_mask(self, digest: str) -> Mask:
        with Image.open(io.BytesIO(self._bytes(digest, MASK))) as image:
            mask: Mask = np.asarray(image.convert("L")) > 0
        mask.flags.writeable = False
        return mask

    def _load_piece(self, digest: str) -> dict[int, TrackedMask]:
        lines = self._bytes(digest, PIECE).decode("ascii").splitlines()
        entries = [json.loads(line) for line in lines]
        return {entry["f"]: TrackedMask(entry["f"], entry["s"], entry["rle"]) for entry in entries}


def tracked_mask(frame: int, mask: Mask, confidence: float) -> TrackedMask:
    """The result of a frame, packed."""
    return TrackedMask(frame, round(float(confidence), 4), pack_mask(mask))


def unpack(mask: TrackedMask, size: tuple[int, int]) -> Mask:
    """The (H, W) mask of a result; ``size`` is (height, width)."""
    return unpack_mask(mask.rle, size)
