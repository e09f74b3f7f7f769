"""Cut-outs as videos: with an alpha channel, over one colour, as a matte, or by hiding parts of the frame."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import cv2
import numpy as np
from numpy.typing import NDArray

from ..frame import Frame
from ..ops.alpha import extend_colours
from ..results import FrameResult
from .base import VideoFacts
from .cutouts import CutoutOptions, ForegroundOptions, laid_over, parse_colour
from .video_writer import X264, Encoding, VideoWriter


class CutoutVideoWriter(VideoWriter):
    """Base of the cut-outs that are videos.

    Args:
        path: the file.
        work: folder for pieces until :meth:`close`; None keeps them (compressed) in memory.
        facts: frames per second for frames without a time.
        options: laid over the defaults of :attr:`Options`.

    Raises:
        SettingsError: for an unknown option or a value it cannot have.
    """

    Options: ClassVar[type[CutoutOptions]] = CutoutOptions

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        work: Path | None = None,
        facts: VideoFacts | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        self.options: Any = laid_over(self.Options, options)
        audio = getattr(self.options, "audio", False)
        super().__init__(path, self.encoding(self.options), work=work, facts=facts, audio=audio)

    @classmethod
    def encoding(cls, options: Any) -> Encoding:
        """How the video is written."""
        raise NotImplementedError


@dataclass(frozen=True)
class SoundOptions(CutoutOptions):
    """Options of videos that are watched."""

    audio: bool = True
    """Keep the sound of the video."""


@dataclass(frozen=True)
class AlphaVideoOptions(SoundOptions, ForegroundOptions):
    """Options of videos with an alpha channel."""


class _AlphaWriter(CutoutVideoWriter):
    """RGBA with straight alpha; black where nothing is visible."""

    Options = AlphaVideoOptions

    def draw(self, frame: Frame, segmentation: FrameResult) -> NDArray[np.uint8]:
        """(H, W, 4) RGBA."""
        cut: NDArray[np.uint8] = self.options.cut_out(frame, self.options.opacity(frame, segmentation))
        return cut


class _BlockWriter(_AlphaWriter):
    """Codecs that transform blocks: colours go on a little beyond the edge, where a step to black would blur
    into those of the objects."""

    def draw(self, frame: Frame, segmentation: FrameResult) -> NDArray[np.uint8]:
        """(H, W, 4) RGBA."""
        alpha = self.options.opacity(frame, segmentation)
        return np.dstack([extend_colours(self.options.colours(frame, alpha), alpha), alpha])


class ProResWriter(_BlockWriter):
    """``alpha.mov``: ProRes 4444, for After Effects, Resolve, Final Cut, Premiere."""

    @classmethod
    def encoding(cls, options: Any) -> Encoding:
        """10 bits of colour at full resolution and 16 of alpha."""
        more = {"profile": "4444", "alpha_bits": "16", "vendor": "apl0", "threads": "1"}
        return Encoding("prores_ks", "yuva444p10le", more, container="mov", piece="mov")


class Ffv1Writer(_AlphaWriter):
    """``alpha.mkv``: FFV1, exact in colour and alpha."""

    @classmethod
    def encoding(cls, options: Any) -> Encoding:
        """Version 3 with checksums."""
        return Encoding("ffv1", "bgra", {"level": "3", "slicecrc": "1", "threads": "1"}, container="matroska")


class QuickTimeAnimationWriter(_AlphaWriter):
    """``animation.mov``: QuickTime Animation (QTRLE), exact in colour and alpha."""

    @classmethod
    def encoding(cls, options: Any) -> Encoding:
        """Run lengths of ARGB."""
        return Encoding("qtrle", "argb", {"threads": "1"}, container="mov", piece="mov")


@dataclass(frozen=True)
class WebmOptions(AlphaVideoOptions):
    """Options of ``webm``."""

    crf: int = 5
    """Constant quality of VP9: 0 best, 63 worst. Up to 5, alpha stays within 3 of 255."""
    lossless: bool = False
    """Compress without loss (colour is still stored at half the resolution)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.crf <= 63:
            raise ValueError(f"crf must be in 0..63, got {self.crf}")


class WebmWriter(_BlockWriter):
    """``alpha.webm``: VP9 with alpha, for browsers and OBS."""

    Options = WebmOptions

    @classmethod
    def encoding(cls, options: Any) -> Encoding:
        """Alternate reference frames have no alpha, so there are none."""
        quality = {"lossless": "1"} if options.lossless else {"crf": str(options.crf), "b": "0"}
        more = {"auto-alt-ref": "0", "lag-in-frames": "0", "threads": "1", **quality}
        return Encoding("libvpx-vp9", "yuva420p", more, container="webm", piece="matroska")


@dataclass(frozen=True)
class PlainVideoOptions(SoundOptions):
    """Options of the videos without alpha."""

    crf: int = 16
    """x264's constant rate factor: 0 lossless, 51 worst."""
    chroma: int = 420
    """``420``: colour at half the resolution, which every player shows; ``444``: at full resolution."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.crf <= 51:
            raise ValueError(f"crf must be in 0..51, got {self.crf}")
        if self.chroma not in (420, 444):
            raise ValueError(f"chroma must be 420 or 444, got {self.chroma}")


@dataclass(frozen=True)
class GreenOptions(PlainVideoOptions, ForegroundOptions):
    """Options of ``green``."""

    chroma: int = 444
    """``444`` keeps the colour of edges; ``420`` is shown by every player, and bleeds there."""
    background: str = "00ff00"
    """Colour outside the objects, as ``00ff00`` or a name of CSS."""

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_colour(self.background)


class _PlainWriter(CutoutVideoWriter):
    """H.264 without alpha."""

    Options: ClassVar[type[CutoutOptions]] = PlainVideoOptions

    @classmethod
    def encoding(cls, options: Any) -> Encoding:
        """MP4."""
        return Encoding("libx264", f"yuv{options.chroma}p", {**X264, "crf": str(options.crf)}, even=True)


class GreenWriter(_PlainWriter):
    """``green.mp4``: the objects over one colour."""

    Options = GreenOptions

    def draw(self, frame: Frame, segmentation: FrameResult) -> NDArray[np.uint8]:
        """(H, W, 3) RGB."""
        colour = np.array(parse_colour(self.options.background), np.uint8)
        behind = np.broadcast_to(colour, frame.image.shape)
        alpha = self.options.opacity(frame, segmentation)
        return mix(self.options.colours(frame, alpha), behind, alpha)


class MatteWriter(CutoutVideoWriter):
    """``matte.mp4``: opacity as grey, 255 inside the objects; compressed without loss."""

    @classmethod
    def encoding(cls, options: Any) -> Encoding:
        """Grey H.264, full range."""
        return Encoding("libx264", "gray", {**X264, "qp": "0"}, even=True, full_range=True)

    def draw(self, frame: Frame, segmentation: FrameResult) -> NDArray[np.uint8]:
        """(H, W) grey."""
        return self.options.opacity(frame, segmentation)


@dataclass(frozen=True)
class HidingOptions(PlainVideoOptions):
    """Options of ``blur``, ``pixelate`` and ``grey-out``."""

    hide: str = "background"
    """``background``: everything but the objects; ``objects``: just them (faces, number plates)."""
    strength: float = 0.05
    """Standard deviation of the blur, or side of a block, as a part of the frame's shorter side."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.hide not in ("background", "objects"):
            raise ValueError(f"hide must be background or objects, got {self.hide!r}")
        if not 0 < self.strength <= 1:
            raise ValueError(f"strength must be above 0 and at most 1, got {self.strength}")


class _HidingWriter(_PlainWriter):
    """The frame, with a part of it made unrecognisable.

    What replaces hidden pixels is computed from the hidden part alone or from a coarse mean of the frame, so
    that the shape of what is kept stays sharp.
    """

    Options = HidingOptions

    def draw(self, frame: Frame, segmentation: FrameResult) -> NDArray[np.uint8]:
        """(H, W, 3) RGB."""
        alpha = self.options.opacity(frame, segmentation)
        keep = alpha if self.options.hide == "background" else 255 - alpha
        size = max(2.0, self.options.strength * min(frame.size))
        return mix(frame.image, self.hidden(frame.image, size), keep)

    def hidden(self, image: NDArray[np.uint8], size: float) -> NDArray[np.uint8]:
        """(H, W, 3): the whole frame, made unrecognisable."""
        raise NotImplementedError


class BlurWriter(_HidingWriter):
    """``blur.mp4``: a Gaussian blur."""

    def hidden(self, image: NDArray[np.uint8], size: float) -> NDArray[np.uint8]:
        """Blurred with a standard deviation of ``size`` pixels."""
        return np.asarray(cv2.GaussianBlur(image, (0, 0), size), np.uint8)


class PixelateWriter(_HidingWriter):
    """``pixelate.mp4``: blocks of one colour."""

    def hidden(self, image: NDArray[np.uint8], size: float) -> NDArray[np.uint8]:
        """The mean of blocks of ``size`` pixels a side."""
        height, width = image.shape[:2]
        coarse = (max(1, round(width / size)), max(1, round(height / size)))
        small = cv2.resize(image, coarse, interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_NEAREST_EXACT), np.uint8)


class GreyOutWriter(_HidingWriter):
    """``grey-out.mp4``: colours taken away; with ``hide=objects`` that hides no identity."""

    def hidden(self, image: NDArray[np.uint8], size: float) -> NDArray[np.uint8]:
        """The luma of BT.601."""
        grey = cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY)
        return np.repeat(np.asarray(grey, np.uint8)[..., None], 3, axis=2)


def mix(front: NDArray[np.uint8], behind: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """(H, W, 3): ``front`` over ``behind`` with the opacity ``alpha`` (H, W)."""
    weight = alpha[..., None].astype(np.float32) / 255
    return np.rint(front * weight + behind * (1 - weight)).astype(np.uint8)
