"""A folder of images as a video."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from ..errors import MediaError
from ..exif import exif_orientation
from ..frame import Frame, Turn, VideoInfo, own_frame
from ..limits import check_pixels
from .base import existing

_EXIF_TURNS = {
    2: Turn(0, True),
    3: Turn(180),
    4: Turn(180, True),
    5: Turn(270, True),
    6: Turn(90),
    7: Turn(90, True),
    8: Turn(270),
}
_TIFF_SIZE = (256, 257)
_MAX_SAMPLE_VALUE = 281
"""Tags of TIFF."""
_DARK_LEVELS = 16
"""An image of 16 bits whose values fill no more than this many of 256 levels is all but black."""

logger = logging.getLogger(__name__)

with contextlib.suppress(ImportError):  # HEIC is read where this package is installed
    import pillow_heif

    pillow_heif.register_heif_opener()


class ImageReader:
    """Images in the order given, as frames named after their files.

    The headers of all images are read at once, so that a folder of mixed sizes fails before a long run
    and not in its middle.

    Raises:
        MediaError: naming the image that cannot be read, is animated, or is of another size than the first.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = tuple(paths)
        self.observe: Callable[[Path, bytes], None] | None = None
        """Called with the bytes of every image that is read, before they are decoded."""
        width, height = image_size(self.paths[0])
        for path in self.paths[1:]:
            size = image_size(path)
            if size != (width, height):
                raise MediaError(
                    f"{path} is {size[0]}x{size[1]}, but {self.paths[0]} is {width}x{height}; "
                    "the images of a video are of one size"
                )
        self.info = VideoInfo(
            width, height, fps=None, num_frames=len(self.paths), turn=image_turn(self.paths[0])
        )
        self._shift = first_shift(self.paths[0])
        first = read_image(self.paths[0], shift=self._shift)
        if first.max() < _DARK_LEVELS and has_16_bits(self.paths[0]):
            logger.warning(
                "the frames are all but black: the 16-bit values of %s become 0 to %d of 255. The file "
                "does not record how many bits are used (TIFF tag MaxSampleValue), so the upper 8 of 16 "
                "are read; "
                "scale the values to 0..65535 first",
                self.paths[0],
                first.max(),
            )

    def read(self, wanted: range) -> Iterator[Frame]:
        """See :meth:`vos.video.base.Reader.read`."""
        for index in existing(wanted, len(self.paths)):
            path = self.paths[index]
            yield own_frame(index, self._read(path), name=path.stem, file_name=path.name)

    def count_frames(self) -> int:
        """Number of images."""
        return len(self.paths)

    def estimate_frames(self) -> int:
        """Number of images."""
        return len(self.paths)

    def entries(self) -> range:
        """See :meth:`vos.video.Video.entries`."""
        return range(len(self.paths))

    def close(self) -> None:
        """Nothing is held."""

    def _read(self, path: Path) -> NDArray[np.uint8]:
        data = read_bytes(path)
        if self.observe is not None:
            self.observe(path, data)
        image = decode_image(data, path, shift=self._shift)
        height, width = image.shape[:2]
        if (width, height) != (self.info.width, self.info.height):
            raise MediaError(
                f"{path} has become {width}x{height}, it was {self.info.width}x{self.info.height}"
            )
        return image


def image_size(path: Path) -> tuple[int, int]:
    """(width, height) after EXIF orientation, from the header.

    Raises:
        MediaError: if the file is not an image.
    """
    try:
        with Image.open(path) as image:
            width, height = check_pixels(*stored_size(image))
            sideways = exif_orientation(image, path) in (5, 6, 7, 8)
    except Exception as error:
        raise _unreadable(path, error) from error
    return (height, width) if sideways else (width, height)


def stored_size(image: Image.Image) -> tuple[int, int]:
    """(width, height) before EXIF orientation; that of an open TIFF is turned already by Pillow."""
    tags = getattr(image, "tag_v2", {})
    width, height = (tags.get(tag, side) for tag, side in zip(_TIFF_SIZE, image.size, strict=True))
    return width, height


def read_bytes(path: Path) -> bytes:
    """The file.

    Raises:
        MediaError: if it cannot be read.
    """
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def image_turn(path: Path) -> Turn:
    """How an image is turned when it is read, by its EXIF orientation.

    Raises:
        MediaError: if the file is not an image.
    """
    try:
        with Image.open(path) as image:
            return _EXIF_TURNS.get(exif_orientation(image, path), Turn())
    except Exception as error:
        raise _unreadable(path, error) from error


def read_image(path: Path, *, shift: int | None = None) -> NDArray[np.uint8]:
    """The image in a file, as :func:`decode_image` gives it.

    Raises:
        MediaError: if the file cannot be read, or as :func:`decode_image`.
    """
    return decode_image(read_bytes(path), path, shift=shift)


def decode_image(data: bytes, path: Path, *, shift: int | None = None) -> NDArray[np.uint8]:
    """(H, W, 3) uint8 RGB, turned as its EXIF orientation says.

    Grey is repeated, alpha is dropped (not blended). Of 16 bits the upper 8 are taken, or the upper 8 of as
    many as the file says are used; ``shift`` is how many lower bits to drop in place of that.

    Raises:
        MediaError: if the image is damaged, animated, or of a kind with no fixed white, such as floats.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            check_pixels(*image.size)
            _refuse_animation(path, image)
            image.load()
            upright = ImageOps.exif_transpose(image)
            pixels = _to_rgb(upright, _unused_bits(image) if shift is None else shift)
    except MediaError:
        raise
    except Exception as error:
        raise _unreadable(path, error) from error
    if pixels is None:
        raise MediaError(f"{path} holds {upright.mode!r} pixels; images of 8 or 16 bits are read")
    return pixels


def first_shift(path: Path) -> int | None:
    """How many lower bits to drop from the values of an image of 16 bits; None for any other."""
    try:
        with Image.open(path) as image:
            return _unused_bits(image) if image.mode.startswith("I") else None
    except Exception as error:
        raise _unreadable(path, error) from error


def has_16_bits(path: Path) -> bool:
    """Whether an image has 16 bits per value, also where Pillow reads the upper 8 alone, as of colours."""
    try:
        with Image.open(path) as image:
            modes = [tile.args[0] if isinstance(tile.args, tuple) else tile.args for tile in image.tile]
            return image.mode.startswith("I") or any(";16" in str(mode) for mode in modes)
    except Exception as error:
        raise _unreadable(path, error) from error


def _unused_bits(image: Image.Image) -> int:
    """How many bits more than 8 the values of a 16-bit image have, as far as the file says."""
    highest = getattr(image, "tag_v2", {}).get(_MAX_SAMPLE_VALUE, 0xFFFF)
    highest = max(highest) if isinstance(highest, tuple) else highest
    return min(max(int(highest).bit_length(), 8), 16) - 8


def _to_rgb(image: Image.Image, shift: int) -> NDArray[np.uint8] | None:
    """The image as RGB, or None where its mode has no fixed range; ``shift`` is for more than 8 bits."""
    if image.mode.startswith("I"):  # 16 bits, or 32 that hold 16, as PNG and TIFF come
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 0xFFFF:
            return None
        grey = np.minimum(values.astype(np.uint16) >> shift, 0xFF).astype(np.uint8)
        return np.repeat(grey[:, :, None], 3, axis=2)
    if image.mode == "F":
        return None
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _refuse_animation(path: Path, image: Image.Image) -> None:
    # A JPEG with several images (MPO: a phone's depth or gain map) is one photograph.
    num_images = 1 if image.format in ("JPEG", "MPO") else getattr(image, "n_frames", 1)
    if num_images > 1:
        raise MediaError(
            f"{path} holds {num_images} images; an animation is not a frame of a video. "
            "Convert it to a video file or to one image per frame"
        )


def _unreadable(path: Path, error: Exception) -> MediaError:
    """Pillow's decoders raise nearly anything for a damaged file; all of it means the same here."""
    if (
        path.suffix.lower() in (".heic", ".heif")
        and "heif" not in str(Image.registered_extensions()).casefold()
    ):
        return MediaError(
            f"cannot read image {path}: HEIC is read where the package pillow-heif is installed "
            "(pip install pillow-heif); or convert the images to JPEG"
        )
    if isinstance(error, OSError) and error.strerror:
        return MediaError(f"cannot read image {path}: {error.strerror}")
    if path.is_file() and path.stat().st_size == 0:
        return MediaError(f"image {path} is empty (0 bytes)")
    # Pillow's message for an unknown format repeats the path.
    reason = "it is not an image" if type(error).__name__ == "UnidentifiedImageError" else str(error)
    return MediaError(f"cannot read image {path}: {reason}")
