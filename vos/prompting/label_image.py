"""An image file as a label map, when it is a mask that a person or another tool made.

Such files come in many dialects. What they mean here:

- with a palette, or grey with several values: the stored numbers are ids, and 255 is void, which becomes
  background;
- black and one other value 255 (65535 in 16 bits), or one bit: one object, id 1;
- colours: the DAVIS palette's colours stand for their ids, and grey colours are a grey image;
- JPEG and other lossy files are refused: compression smears ids into their neighbours.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from ..errors import PromptError
from ..limits import check_pixels
from ..results import VOID, davis_palette

IMAGE_SUFFIXES = (".png", ".bmp", ".tif", ".tiff", ".gif", ".ppm", ".pgm", ".jpg", ".jpeg", ".webp")
"""What is taken for a mask in a folder; those that cannot be one are refused with a reason."""
LOSSY = frozenset({"JPEG", "MPO", "JPEG2000", "WEBP", "AVIF"})
"""Pillow's names of formats that may be compressed with loss."""
INDEX_MODES = frozenset({"1", "P", "L", "I", "I;16", "I;16B"})
"""Pillow's names of one-channel whole numbers."""
FEW_VALUES = 16
"""Beyond these many grey values beside 0 and 255, the values of a soft edge are suspected."""


def read_label_image(path: Path) -> NDArray[np.int64]:
    """(H, W) ids of a mask image; void has become background. Ids are not checked to be in 1..254.

    Raises:
        PromptError: if the file is damaged, lossy, in colours that stand for nothing, or has soft edges.
    """
    image = _open(path)
    if image.mode in ("PA", "LA", "RGBA"):
        image = _without_alpha(image, path)
    if image.mode == "RGB":
        pixels = np.asarray(image)
        if (pixels == pixels[..., :1]).all():
            image = image.convert("L")
        else:
            return _without_void(_ids_of_colours(pixels, path))
    if image.mode not in INDEX_MODES:
        raise PromptError(
            f"{path} has pixels of kind {image.mode!r}; "
            "a mask is an index PNG (0 background, 1, 2, ... objects) or a 0/255 image"
        )
    values = np.asarray(image).astype(np.int64)
    _refuse_soft_edges(values, image.mode, path)
    return _without_void(values)


def _open(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            if image.format in LOSSY:
                raise PromptError(
                    f"{path} is a {image.format} file: lossy compression changes ids near edges, so it "
                    "cannot be a mask; save the mask as PNG from its source "
                    "(converting this file keeps the damage)"
                )
            check_pixels(*image.size)
            image.load()
            return image
    except UnidentifiedImageError as error:
        raise PromptError(
            f"{path} is not an image; a mask is a PNG, a .npy file or a folder of PNGs"
        ) from error
    except PromptError:
        raise
    except Exception as error:  # Pillow's decoders raise nearly anything for a damaged file
        raise PromptError(f"cannot read the mask {path}: {error}; the file seems to be damaged") from error


def _without_alpha(image: Image.Image, path: Path) -> Image.Image:
    """The image without its alpha channel, if that says nothing."""
    alpha = np.asarray(image.getchannel("A"))
    if (alpha != VOID).any():
        raise PromptError(
            f"{path} is partly transparent, so it is not clear what is the mask; "
            "save it without an alpha channel, 0 for background and 255 for the object"
        )
    opaque: Image.Image = image.convert({"PA": "P", "LA": "L", "RGBA": "RGB"}[image.mode])
    return opaque


def _ids_of_colours(pixels: NDArray[np.uint8], path: Path) -> NDArray[np.int64]:
    """(H, W) ids whose DAVIS colours a (H, W, 3) image shows."""
    codes = pixels.astype(np.int64) @ (1 << 16, 1 << 8, 1)
    palette = davis_palette().astype(np.int64) @ (1 << 16, 1 << 8, 1)
    order = np.argsort(palette)
    found = order[np.searchsorted(palette[order], codes).clip(max=len(order) - 1)]
    strange = palette[found] != codes
    if strange.any():
        colours = np.unique(codes[strange])
        row, column = (int(v) for v in np.argwhere(strange)[0])
        red, green, blue = (int(v) for v in pixels[row, column])
        raise PromptError(
            f"{path} is a colour image and {len(colours)} of its colours stand for no object, such as "
            f"({red}, {green}, {blue}) at {column},{row}; save it as an index PNG "
            "(0 background, 1, 2, ... objects), as 0/255, or in the colours of the DAVIS palette"
        )
    return found


def _refuse_soft_edges(values: NDArray[np.int64], mode: str, path: Path) -> None:
    """A 0/255 mask saved with smooth edges would be read as hundreds of slim objects."""
    if mode not in ("L", "I;16", "I"):
        return
    white = 65535 if values.max(initial=0) > VOID else VOID
    found, counts = np.unique(values, return_counts=True)
    between = (found > 0) & (found < white)
    solid = counts[found == white].sum()
    if between.sum() > FEW_VALUES and counts[between].sum() < solid:
        raise PromptError(
            f"{path} has {between.sum()} grey values between 0 and {white}: it looks like a 0/{white} mask "
            "with smooth edges; cut it in the middle, so that only two values are left"
        )


def _without_void(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """Ids with 255 as background, or as object 1 if there is nothing else: then it means white."""
    found = np.unique(values)
    rest = found[found != 0]
    if len(rest) == 1 and rest[0] in (VOID, 65535):
        return (values != 0).astype(np.int64)
    return np.where(values == VOID, 0, values)
