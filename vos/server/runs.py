"""Masks on the wire: run lengths, row by row."""

from __future__ import annotations

import base64
import binascii
import struct
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..arrays import Mask
from ..errors import InputError

MAGIC = b"VRL1"
MEDIA_TYPE = "application/x-vos-runs"
_HEAD = struct.Struct("<IHHI")


def encode_frame(index: int, labels: NDArray[np.uint8]) -> bytes:
    """One frame of :func:`join_frames`: an (H, W) label map."""
    height, width = labels.shape
    flat = labels.ravel()
    starts = np.concatenate([[0], np.flatnonzero(flat[1:] != flat[:-1]) + 1])
    lengths = np.diff(np.append(starts, flat.size)).astype("<u4")
    padding = bytes(-len(starts) % 4)
    head = _HEAD.pack(index, width, height, len(starts))
    return head + lengths.tobytes() + flat[starts].astype(np.uint8).tobytes() + padding


def join_frames(frames: Iterable[bytes]) -> bytes:
    """The body of a range of frames."""
    found = list(frames)
    return MAGIC + struct.pack("<I", len(found)) + b"".join(found)


def decode_frames(data: bytes, size: tuple[int, int]) -> list[tuple[int, NDArray[np.uint8]]]:
    """Index and (H, W) label map of every frame of a body.

    Raises:
        InputError: if it is not one, or a frame is not of this size.
    """
    if data[:4] != MAGIC or len(data) < 8:
        raise InputError("the masks do not begin with VRL1")
    (count,) = struct.unpack_from("<I", data, 4)
    position, frames = 8, []
    for _ in range(count):
        if position + _HEAD.size > len(data):
            raise InputError("the masks are cut short")
        index, width, height, runs = _HEAD.unpack_from(data, position)
        _check_size((height, width), size)
        position += _HEAD.size
        end = position + 5 * runs
        if end > len(data):
            raise InputError("the masks are cut short")
        lengths = np.frombuffer(data, "<u4", runs, position).astype(np.int64)
        values = np.frombuffer(data, np.uint8, runs, position + 4 * runs)
        if lengths.sum() != width * height:
            raise InputError(f"the runs of frame {index} sum to {lengths.sum()}, not to {width}x{height}")
        frames.append((index, np.repeat(values, lengths).reshape(height, width)))
        position = end + (-runs % 4)
    return frames


def mask_to_json(mask: Mask) -> dict[str, Any]:
    """A MASK: run lengths, background first."""
    flat = mask.ravel()
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    lengths = np.diff(np.concatenate([[0], edges, [flat.size]])).astype("<u4")
    if flat[0]:
        lengths = np.concatenate([np.zeros(1, "<u4"), lengths])
    return {"runs": base64.b64encode(lengths.astype("<u4").tobytes()).decode("ascii")}


def mask_from_json(value: Any, size: tuple[int, int]) -> Mask:
    """The (H, W) mask of a MASK.

    Raises:
        InputError: if it is none, or not of this size.
    """
    try:
        data = base64.b64decode(value["runs"], validate=True)
        lengths = np.frombuffer(data, "<u4").astype(np.int64)
    except (TypeError, KeyError, ValueError, binascii.Error) as error:
        raise InputError(f"a mask must be {{'runs': BASE64}}: {error}") from error
    if lengths.sum() != size[0] * size[1]:
        raise InputError(f"the runs of the mask sum to {lengths.sum()}, not to {size[1]}x{size[0]} pixels")
    mask: Mask = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths).reshape(size)
    return mask


def mask_from_body(data: bytes, media_type: str, size: tuple[int, int]) -> Mask:
    """The (H, W) mask that was uploaded: :data:`MEDIA_TYPE` or ``image/png``.

    Raises:
        InputError: if it is neither, damaged, or not of this size.
    """
    if media_type == MEDIA_TYPE:
        frames = decode_frames(data, size)
        if len(frames) != 1:
            raise InputError(f"one mask is needed, not {len(frames)}")
        return np.asarray(frames[0][1] > 0)
    if media_type != "image/png":
        raise InputError(f"a mask is {MEDIA_TYPE} or image/png, not {media_type or 'of no type'}")
    if data[:8] != b"\x89PNG\r\n\x1a\n" or len(data) < 24:
        raise InputError("the mask is not a PNG")
    width, height = struct.unpack(">II", data[16:24])
    _check_size((height, width), size)
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if image is None:
        raise InputError("the mask is a damaged PNG")
    _check_size(image.shape[:2], size)
    if image.ndim == 3:
        image = image[..., :3].any(axis=2)
    return np.asarray(image > 0)


def _check_size(found: tuple[int, ...], wanted: tuple[int, int]) -> None:
    if tuple(found) != tuple(wanted):
        raise InputError(f"the mask is {found[1]}x{found[0]} pixels, the frame {wanted[1]}x{wanted[0]}")
