"""The pixels of a mask image as they are stored: numbers, brightness and colours.

What they mean is decided in :mod:`vos.prompting.mask_values`, and only there.
"""

from __future__ import annotations

import io
import logging
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from ..errors import PromptError
from ..limits import check_pixels
from ..notices import NOTICE
from ..results import VOID, davis_palette

IMAGE_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jpg", ".jpeg", ".webp")
"""What is taken for a mask in a folder; those that cannot be one are refused with a reason."""
LOSSY = frozenset({"JPEG", "MPO", "JPEG2000", "WEBP", "AVIF"})
"""Pillow's names of formats that may be compressed with loss."""
GREY_MODES = frozenset({"1", "L", "I", "I;16", "I;16B", "I;16L"})
"""Pillow's names of one channel of whole numbers."""
NEARLY_GREY = 8
"""Channels that differ by no more than this are a grey image whose colour was compressed."""
_EXIF_ORIENTATION = 0x0112
_COMPRESSION, _FAX = 259, (2, 3, 4)
_SAMPLES = 277
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
"""Tags of TIFF."""
DARK = 16
"""A colour whose channels are all at most this is black."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class StoredMask:
    """A mask image before it is known what its numbers mean."""

    kind: Literal["grey", "palette", "colours"]
    values: NDArray[np.int64]
    """(H, W) grey values or palette entries; of colours, the entries of the DAVIS palette, -1 for others."""
    brightness: NDArray[np.float32]
    """(H, W) 0..1; white is 1."""
    white: int
    """The value that would be white: 255, or the highest of as many bits, 9 to 16, as the values need."""
    lossy: str | None = None
    """The format's name, where it may be compressed with loss."""
    zero_is_background: bool = True
    """Whether entry 0 of the palette is black or transparent, or there is no palette."""
    all_grey: bool = True
    """Whether every colour that occurs is a grey."""
    strange: str | None = None
    """Which colours are not those of the DAVIS palette, for a message."""
    white_is_zero: bool = False
    """A TIFF that stores white as 0: ``values`` are as stored, ``brightness`` as shown."""


def read_stored_mask(path: Path) -> StoredMask:
    """Read a mask image.

    Raises:
        PromptError: if the file is damaged, has several pages, is partly transparent, or holds fractions.
    """
    image, white_is_zero = _open(path)
    lossy = image.format if image.format in LOSSY else None
    if image.mode in ("PA", "LA", "RGBA"):
        image = _without_alpha(image, path)
    if image.mode == "RGB":
        return _of_colours(np.asarray(image), lossy)
    if image.mode == "P":
        return _of_palette(image)
    if image.mode not in GREY_MODES:
        raise PromptError(
            f"{path} has pixels of kind {image.mode!r}; "
            "a mask is an index PNG (0 background, 1, 2, ... objects) or a 0/255 image"
        )
    if white_is_zero:
        return _of_inverted(image)
    return grey_mask(np.asarray(image).astype(np.int64) * (VOID if image.mode == "1" else 1), lossy)


def grey_mask(values: NDArray[np.int64], lossy: str | None = None) -> StoredMask:
    """(H, W) whole numbers as a grey image."""
    highest = int(values.max(initial=0))
    white = VOID if highest <= VOID else (1 << highest.bit_length()) - 1
    return StoredMask("grey", values, (values / white).astype(np.float32), white, lossy)


def _of_inverted(image: Image.Image) -> StoredMask:
    """A grey TIFF whose 0 is white. Pillow shows it as it is meant where it has up to 8 bits."""
    pixels = np.asarray(image).astype(np.int64)
    highest = {"1": 1, "L": VOID}.get(image.mode)
    stored = grey_mask(pixels if highest is None else highest - pixels)
    shown = (1 - stored.values / (highest or stored.white)).astype(np.float32)
    return replace(stored, brightness=shown, white_is_zero=True)


def _of_palette(image: Image.Image) -> StoredMask:
    values = np.asarray(image).astype(np.int64)
    palette = np.zeros((256, 3), np.int64)
    colours = np.asarray(image.getpalette("RGB") or [], np.int64).reshape(-1, 3)[:256]
    palette[: len(colours)] = colours
    used = palette[np.unique(values)]
    transparent = image.info.get("transparency")
    clear = transparent == 0 or (isinstance(transparent, bytes) and transparent[:1] == b"\0")
    return StoredMask(
        "palette",
        values,
        _brightness(palette)[values],
        VOID,
        zero_is_background=bool(palette[0].max() <= DARK) or clear,
        all_grey=bool((np.ptp(used, axis=1) == 0).all()),
    )


def _of_colours(pixels: NDArray[np.uint8], lossy: str | None) -> StoredMask:
    """A (H, W, 3) image; the colours of the DAVIS palette stand for their entries."""
    if np.ptp(pixels, axis=2).max(initial=0) <= NEARLY_GREY:
        return grey_mask(pixels[..., 1].astype(np.int64), lossy)
    codes = pixels.astype(np.int64) @ (1 << 16, 1 << 8, 1)
    palette = davis_palette().astype(np.int64) @ (1 << 16, 1 << 8, 1)
    order = np.argsort(palette)
    found = order[np.searchsorted(palette[order], codes).clip(max=len(order) - 1)]
    values = np.where(palette[found] == codes, found, -1)
    strange = _describe_strange(pixels, codes, values < 0)
    return StoredMask("colours", values, _brightness(pixels), VOID, lossy, all_grey=False, strange=strange)


def _describe_strange(
    pixels: NDArray[np.uint8], codes: NDArray[np.int64], strange: NDArray[np.bool_]
) -> str | None:
    """The colours that are not in the DAVIS palette, for a message; None if there are none."""
    if not strange.any():
        return None
    row, column = (int(v) for v in np.argwhere(strange)[0])
    red, green, blue = (int(v) for v in pixels[row, column])
    count = len(np.unique(codes[strange]))
    return f"{count} of its colours stand for no object, such as ({red}, {green}, {blue}) at {column},{row}"


def _brightness(colours: NDArray) -> NDArray[np.float32]:
    """The brightest channel of (..., 3) colours of 8 bits, 0..1: pure red is as bright as white."""
    brightest: NDArray[np.float32] = colours.max(axis=-1).astype(np.float32) / VOID
    return brightest


def _open(path: Path) -> tuple[Image.Image, bool]:
    """The image as it is shown, and whether it is a TIFF that stores white as 0."""
    try:
        # From memory: by its path Pillow maps a TIFF, and mixes up the rows of one with an orientation.
        with Image.open(io.BytesIO(path.read_bytes())) as image:
            pages = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)
            if pages > 1:
                raise PromptError(
                    f"{path} holds {pages} pages, which may be objects or frames; save the mask of one frame "
                    "as an index PNG (0 background, 1, 2, ... objects), or each object as an image in a "
                    "folder (1.png, 2.png, ...) and give the folder"
                )
            _check_pixels(image, path)
            samples = getattr(image, "tag_v2", {}).get(_SAMPLES, 1)
            if samples > len(image.getbands()):
                raise PromptError(
                    f"{path} holds {samples} channels, which may be objects, and only "
                    f"{len(image.getbands())} would be read; save each object as an image in a folder "
                    "(1.png, 2.png, ...) and give the folder"
                )
            orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
            white_is_zero = _stores_white_as_zero(image)
            image.load()
            upright = ImageOps.exif_transpose(image)
            upright.format = image.format
    except UnidentifiedImageError as error:
        raise PromptError(
            f"{path} is not an image; a mask is a PNG, a .npy file or a folder of PNGs"
        ) from error
    except PromptError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything for a damaged file
        raise PromptError(f"cannot read the mask {path}: {error}; the file seems to be damaged") from error
    if orientation in range(2, 9):
        logger.log(NOTICE, "%s is turned as its EXIF orientation (%d) says, as frames are", path, orientation)
    return upright, white_is_zero


def _stores_white_as_zero(image: Image.Image) -> bool:
    """Fax compression aside, whose programs agree on it; others write it for arrays of True and False."""
    tags = getattr(image, "tag_v2", {})
    return tags.get(_PHOTOMETRIC) == _WHITE_IS_ZERO and tags.get(_COMPRESSION) not in _FAX


def _check_pixels(image: Image.Image, path: Path) -> None:
    try:
        check_pixels(*image.size)
    except ValueError as error:
        raise PromptError(f"cannot read the mask {path}: {error}") from None


def _without_alpha(image: Image.Image, path: Path) -> Image.Image:
    """The image without its alpha channel, if that says nothing."""
    alpha = np.asarray(image.getchannel("A"))
    if (alpha != VOID).any():
        raise PromptError(
            f"{path} is partly transparent, so it is not clear what is the mask; "
            "save it without an alpha channel, 0 for background and 255 for the object"
        )
    lossy_format = image.format
    opaque: Image.Image = image.convert({"PA": "P", "LA": "L", "RGBA": "RGB"}[image.mode])
    opaque.format = lossy_format
    return opaque
