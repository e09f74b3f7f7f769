"""Colour, orientation and size of decoded pictures."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest
from video_clips import write_clip

from vos.errors import InputError
from vos.video import open_video, parse_size, probe
from vos.video.pixels import Orientation
from vos.video.sizes import resize, target_size

FIXED = 65536
"""1.0 in the 16.16 fixed point of display matrices."""
ONE = 1 << 30


def corner_clip(path: Path, matrix: tuple[int, int, int, int] | None) -> Path:
    """One frame, 64x48: red top left, green top right, blue bottom left, white bottom right, with the
    display matrix a, b, c, d."""
    image = np.zeros((48, 64, 3), np.uint8)
    image[:24, :32], image[:24, 32:], image[24:, :32], image[24:, 32:] = RED, GREEN, BLUE, WHITE
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv444p"
        if matrix is not None:
            a, b, c, d = (value * FIXED for value in matrix)
            stream.set_display_matrix([a, b, 0, c, d, 0, 0, 0, ONE])
        frame = av.VideoFrame.from_ndarray(image, "rgb24").reformat(format="yuv444p")
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 220, 30), (30, 30, 220), (220, 220, 220)
NAMES = {RED: "R", GREEN: "G", BLUE: "B", WHITE: "W"}


def corners(image: np.ndarray) -> str:
    """Colours top left, top right, bottom left, bottom right."""
    letters = ""
    for row in (5, -6):
        for column in (5, -6):
            distance = {color: np.abs(image[row, column].astype(int) - color).sum() for color in NAMES}
            letters += NAMES[min(distance, key=distance.__getitem__)]
    return letters


needs_matrix = pytest.mark.skipif(
    not hasattr(av.VideoStream, "set_display_matrix"), reason="this PyAV cannot write display matrices"
)


@needs_matrix
@pytest.mark.parametrize(
    ("matrix", "expected", "degrees", "mirrored"),
    [
        (None, "RGBW", 0, False),
        ((1, 0, 0, 1), "RGBW", 0, False),
        ((0, 1, -1, 0), "BRWG", 90, False),
        ((-1, 0, 0, -1), "WBGR", 180, False),
        ((0, -1, 1, 0), "GWRB", 270, False),
        ((-1, 0, 0, 1), "GRWB", 0, True),
        ((1, 0, 0, -1), "BWRG", 180, True),
        ((0, 1, 1, 0), "RBGW", 270, True),
        ((0, -1, -1, 0), "WGBR", 90, True),
    ],
)
def test_display_matrix_is_applied(
    tmp_path: Path, matrix: Any, expected: str, degrees: int, mirrored: bool
) -> None:
    """All quarter turns and mirrorings show what players show, and the size follows."""
    path = corner_clip(tmp_path / "a.mp4", matrix)
    video = open_video(path)
    image = next(iter(video)).image
    assert corners(image) == expected
    assert image.shape[:2] == (video.info.height, video.info.width)
    assert (image.shape[0] > image.shape[1]) == (degrees in (90, 270))
    found = probe(path)
    assert (found.rotation, found.mirrored) == (degrees, mirrored)
    # The two numbers describe it: mirror left-right first, then turn clockwise.
    stored = corner_clip(tmp_path / "b.mp4", None)
    plain = next(iter(open_video(stored))).image
    turned = np.rot90(plain[:, ::-1] if mirrored else plain, k=-degrees // 90)
    assert corners(turned) == expected


@needs_matrix
def test_odd_angles_are_left_alone(tmp_path: Path) -> None:
    """A turn that is not a quarter is not applied, and probe says so."""
    path = tmp_path / "a.mp4"
    write_clip(path, 2, setup=lambda stream: stream.set_display_rotation(30))
    assert next(iter(open_video(path))).size == (48, 64)
    assert any("not a quarter turn" in sentence for sentence in probe(path).unusual)


@pytest.mark.parametrize("flip_y", [False, True])
@pytest.mark.parametrize("flip_x", [False, True])
@pytest.mark.parametrize("transpose", [False, True])
def test_orientation_moves_every_pixel_as_its_fields_say(transpose: bool, flip_x: bool, flip_y: bool) -> None:
    """Transpose, then mirror columns, then rows; rows may be padded in memory."""
    stored = np.arange(3 * 5 * 3, dtype=np.uint8).reshape(3, 5, 3)
    padded = np.zeros((3, 8, 3), np.uint8)
    padded[:, :5] = stored
    orientation = Orientation(transpose, flip_x, flip_y)
    expected = stored.transpose(1, 0, 2) if transpose else stored
    expected = expected[:: -1 if flip_y else 1, :: -1 if flip_x else 1]
    assert np.array_equal(orientation.apply(padded[:, :5]), expected)
    assert orientation.size(5, 3) == expected.shape[1::-1]


def coloured_clip(path: Path, matrix: int, full_range: bool, pixels: str = "yuv420p") -> np.ndarray:
    """The pixel of a clip written as Y, U, V = 120, 100, 160 and marked with a colour matrix and range."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=25, options={"qp": "0"})
        stream.width, stream.height, stream.pix_fmt = 64, 48, pixels
        stream.codec_context.colorspace = matrix
        stream.codec_context.color_range = 2 if full_range else 1
        planes = np.full((72, 64), 120, np.uint8)
        planes[48:60], planes[60:] = 100, 160
        frame = av.VideoFrame.from_ndarray(planes, "yuv420p")
        frame.colorspace, frame.color_range = matrix, 2 if full_range else 1
        frame.pts, frame.time_base = 0, Fraction(1, 25)
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return next(iter(open_video(path))).image[20, 20].astype(float)


BT709, UNSPECIFIED, BT601 = 1, 2, 6


@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize(
    ("marked", "red", "blue"), [(BT709, 0.2126, 0.0722), (BT601, 0.299, 0.114), (UNSPECIFIED, 0.299, 0.114)]
)
def test_marked_colours_are_followed(
    tmp_path: Path, marked: int, red: float, blue: float, full_range: bool
) -> None:
    """The colour matrix and range of the file are used; BT.601 where none is marked. (ITU-R BT.601, 709.)"""
    luma, u, v = (120 / 255, -28 / 255, 32 / 255) if full_range else (104 / 219, -28 / 224, 32 / 224)
    r, b = luma + 2 * (1 - red) * v, luma + 2 * (1 - blue) * u
    g = (luma - red * r - blue * b) / (1 - red - blue)
    pixel = coloured_clip(tmp_path / "a.mp4", marked, full_range)
    assert np.abs(pixel - 255 * np.array([r, g, b])).max() <= 2.5


@pytest.mark.parametrize(
    ("text", "size"), [("854x480", (854, 480)), (" 480 ", 480), ("10X20", (10, 20)), ("3×4", (3, 4))]
)
def test_sizes_are_parsed(text: str, size: Any) -> None:
    """WxH is width first; a single number is the shorter side."""
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "x480", "854x", "0", "10x0", "-4", "1.5", "1x2x3", "854 480"])
def test_other_sizes_are_refused(text: str) -> None:
    """Anything else is a usage error that shows how to say it."""
    with pytest.raises(InputError, match="give WIDTHxHEIGHT such as 854x480"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size", "expected"), [(None, (1280, 720)), (480, (853, 480)), ((5, 7), (5, 7)), (1440, (2560, 1440))]
)
def test_target_size(size: Any, expected: tuple[int, int]) -> None:
    """One number scales the shorter side, up or down, and the other with it."""
    assert target_size(size, 1280, 720) == expected
    if isinstance(size, int):
        assert target_size(size, 720, 1280) == expected[::-1]


def test_target_size_is_at_least_a_pixel() -> None:
    """A very long frame keeps a side of one pixel; a size without pixels is refused."""
    assert target_size(1, 1000, 2) == (500, 1)
    with pytest.raises(InputError, match="at least one pixel"):
        target_size((0, 5), 10, 10)


@pytest.mark.parametrize("size", [(10.5, 5), 7.5, (1, 2, 3), (), "4x5"])
def test_other_target_sizes_are_refused(size: Any) -> None:
    """Whole pixels, one side or two; those of NumPy are taken."""
    with pytest.raises(
        InputError, match=rf"size {re.escape(repr(size))} is not a size: give \(width, height\)"
    ):
        target_size(size, 10, 10)
    assert target_size((np.int64(5), np.uint8(7)), 10, 10) == (5, 7)


def test_resizing_averages_when_it_shrinks() -> None:
    """Shrinking by four is the mean of 16 pixels; growing is linear; the own size is no copy."""
    image = np.random.default_rng(0).integers(0, 256, (16, 12, 3), dtype=np.uint8)
    means = image.reshape(4, 4, 3, 4, 3).astype(float).mean(axis=(1, 3))
    assert np.abs(resize(image, (3, 4)) - means).max() <= 0.51
    assert np.array_equal(
        resize(image, (24, 16)), cv2.resize(image, (24, 16), interpolation=cv2.INTER_LINEAR)
    )
    assert resize(image, (12, 16)) is image


def test_size_is_given_to_every_frame(tmp_path: Path, clip: Callable[[str], Path]) -> None:
    """Frames and info have the asked size, after rotation."""
    video = open_video(clip("b_frames.mp4"), size="24")
    assert (video.info.width, video.info.height) == (32, 24)
    assert {frame.size for frame in video} == {(24, 32)}
    if hasattr(av.VideoStream, "set_display_matrix"):
        turned = open_video(corner_clip(tmp_path / "a.mp4", (0, 1, -1, 0)), size=(20, 30))
        assert next(iter(turned)).size == (30, 20)
        assert corners(next(iter(turned)).image) == "BRWG"
