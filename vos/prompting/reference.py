"""``--reference IMAGE_OR_FRAME --reference-mask MASK``: objects of other images, for a video."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..errors import PromptError
from ..frame import UPRIGHT
from ..video.images import image_turn, read_image
from .checks import check_mask_size
from .mask import read_masks
from .mask_values import MaskValues, mask_values_of

if TYPE_CHECKING:
    from ..frame import Turn
    from ..video import Video


@dataclass(frozen=True)
class ReferenceSettings:
    """How the object of a reference is found."""

    backbone: str | None = None
    """A name in :data:`vos.backbones.registry.BACKBONES`; None: the tracker's own, or the classical one."""
    checkpoint: str | None = None
    """File with that backbone's weights, in place of the weights cache."""
    features: str | None = None
    """Features for matching: a name in :data:`vos.backbones.features.FEATURES`; None: the backbone's own."""
    features_weights: str | None = None
    """Folder with the weights of the features; None: the local Hugging Face cache."""


@dataclass(frozen=True, eq=False)
class ReferenceImage:
    """One object in one image."""

    name: str
    """Of the object; views of the same name show the same object."""
    image: NDArray[np.uint8]
    """(H, W, 3) RGB."""
    mask: NDArray[np.bool_]
    """(H, W), not empty."""
    source: str = ""
    """Where the image is from, for the record: a path, or ``frame N``."""


@dataclass(frozen=True, eq=False)
class References:
    """Objects to find and track in a video.

    Raises:
        PromptError: without a view.
    """

    views: tuple[ReferenceImage, ...]

    def __post_init__(self) -> None:
        if not self.views:
            raise PromptError(
                "no reference was given: give an image or a frame, and the mask of an object in it"
            )

    @property
    def names(self) -> tuple[str, ...]:
        """Of the objects, in the order in which they are shown first."""
        return tuple(dict.fromkeys(view.name for view in self.views))


def load_references(
    references: str | os.PathLike[str] | int | Sequence[str | os.PathLike[str] | int],
    masks: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    video: Video | None = None,
    mask_values: MaskValues | str = MaskValues.AUTO,
    turn_masks: bool = False,
) -> References:
    """The objects that reference images show.

    A mask may show several. Objects of the same id in several masks are views of one object: two masks of 0
    and 255 show it from two sides.

    Args:
        references: image files, or indices of frames of ``video``; or one.
        masks: as many mask files, one for each reference, in the same order.
        video: what frames are read from.
        mask_values: how mask files are read, see :class:`~vos.prompting.mask_values.MaskValues`.
        turn_masks: masks were drawn on the stored pixels: turn them as the images are turned.

    Raises:
        PromptError: if there are not as many masks as references, one of them is empty or of another size
            than its image, or a reference is neither a file nor a frame, or both.
        MediaError: for an image that cannot be read.
    """
    references = [references] if isinstance(references, str | os.PathLike | int) else references
    masks = [masks] if isinstance(masks, str | os.PathLike) else masks
    values = mask_values_of(mask_values)
    if len(references) != len(masks):
        raise PromptError(
            f"every --reference needs a --reference-mask, in the same order; given are {len(references)} of "
            f"the one and {len(masks)} of the other"
        )
    names: dict[int, str] = {}
    views: list[ReferenceImage] = []
    for reference, path in zip(references, masks, strict=True):
        image, stem, source, turn = _read(reference, video)
        for number, mask in read_masks(Path(path), values).items():
            if turn_masks:
                mask = np.ascontiguousarray(turn.apply(mask))
            what, against = f"the reference mask {path}", f"the pixels of {source} as read are"
            check_mask_size(mask.shape, image.shape[:2], what, against, turn)
            names.setdefault(number, _another_name(stem, number) if stem in names.values() else stem)
            views.append(ReferenceImage(names[number], image, mask, source))
    return References(tuple(views))


def _another_name(stem: str, number: int) -> str:
    """``mug 2``, or, behind a number, ``frame 7 object 2``."""
    return f"{stem} object {number}" if stem[-1:].isdigit() else f"{stem} {number}"


def _read(
    reference: str | os.PathLike[str] | int, video: Video | None
) -> tuple[NDArray[np.uint8], str, str, Turn]:
    """The image of a reference, a name for what it shows, where it is from, and how it was turned."""
    text = str(reference) if isinstance(reference, int) else os.fspath(reference)
    path, is_number = Path(text), text.isdecimal()
    is_file = not isinstance(reference, int) and path.is_file()
    if is_number and is_file:
        raise PromptError(
            f"the reference {text} is a file, and frame {text} of the video: write ./{text} for the file, or "
            "run where there is no such file for the frame"
        )
    if is_file:
        return read_image(path), path.stem, text, image_turn(path)
    if not is_number:
        raise PromptError(
            f"the reference {text} is no image file, nor the number of a frame of the video; give one of them"
        )
    if video is None:
        raise PromptError(f"the reference {text} is a frame of a video, and no video was given")
    index = int(text)
    frame = next((frame for frame in video.frames(index, index + 1) if frame.index == index), None)
    if frame is None:
        raise PromptError(
            f"the reference is frame {index}, which is not read; give one within --start, --end and --stride"
        )
    source = f"frame {index}"
    return frame.image, source, source, video.info.turn if video.info is not None else UPRIGHT
