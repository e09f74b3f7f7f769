"""Images of frames: the right frame whatever was asked before, little decoding, and a bounded cache."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from vos.errors import MediaError
from vos.frame import Frame, VideoInfo
from vos.server.frame_images import AHEAD, GROUP, NEAR, FrameImages, JpegStore, width_of

FRAMES = 300
WIDTH = 400


class CountingVideo:
    """Grey frames that carry their index, and a record of what was decoded."""

    def __init__(self, end: int = FRAMES) -> None:
        self.entered: list[int] = []
        self.decoded: list[int] = []
        self.end = end
        self.is_closed = False
        self.cheap: list[int] = []
        self.info = VideoInfo(WIDTH, 20, None, FRAMES)

    def entries(self) -> list[int]:
        """See Video."""
        return self.cheap

    def frames(self, start: int, stop: int = FRAMES) -> Iterator[Frame]:
        """From ``start`` on."""
        self.entered.append(start)
        for index in range(start, min(stop, self.end)):
            self.decoded.append(index)
            yield Frame(index, np.full((20, WIDTH, 3), index % 256, np.uint8), f"{index:05d}")

    def close(self) -> None:
        """See Video."""
        self.is_closed = True


@pytest.fixture
def video() -> CountingVideo:
    """The video."""
    return CountingVideo()


@pytest.fixture
def images(video: CountingVideo, tmp_path: Path) -> Iterator[FrameImages]:
    """Its images."""
    made = FrameImages(lambda: video, FRAMES, JpegStore(tmp_path, 1 << 30))  # type: ignore[arg-type,return-value]
    yield made
    made.close()


def grey(data: Any) -> tuple[int, int]:
    """Grey level and width of a JPEG."""
    image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE)
    return round(float(image.mean())), image.shape[1]


def test_every_order_gives_the_frames_asked_for(images: FrameImages) -> None:
    """At random, at both widths, several at a time."""
    rng = random.Random(0)
    for _ in range(20):
        wanted = [(rng.randrange(FRAMES), rng.choice((320, WIDTH))) for _ in range(4)]
        futures = [images.jpeg(index, width) for index, width in wanted]
        for (index, width), future in zip(wanted, futures, strict=True):
            level, found = grey(future.result(20))
            assert found == width
            assert abs(level - index % 256) <= 1


def test_playing_decodes_every_frame_once(images: FrameImages, video: CountingVideo) -> None:
    """And enters the video once; what was decoded is kept."""
    for index in range(100):
        images.jpeg(index, WIDTH).result(20)
    for index in range(100):
        images.jpeg(index, WIDTH).result(20)
    assert video.entered == [0]
    assert video.decoded == list(range(len(video.decoded)))
    assert len(video.decoded) <= 100 + AHEAD


def test_playing_backwards_decodes_in_stretches(images: FrameImages, video: CountingVideo) -> None:
    """Not every frame by itself."""
    for index in range(200, 100, -1):
        images.jpeg(index, WIDTH).result(20)
    assert len(video.entered) <= 2 + 100 // (NEAR - 1) + 1


def test_coarse_images_are_made_when_there_is_nothing_else_to_do(
    images: FrameImages, video: CountingVideo
) -> None:
    """Of frames that cost little, so that a jump shows something at once."""
    video.cheap = list(range(0, FRAMES, 20))
    images.jpeg(0, WIDTH).result(20)
    deadline = time.monotonic() + 20
    while images.store.nearest(FRAMES, 320) != (280, 320) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert all(images.store.has(index, 320) for index in video.cheap)
    assert images.store.nearest(155, 320) == (160, 320)
    assert abs(grey(images.store.get(160, 320))[0] - 160) <= 1


def test_the_decoded_frame_is_the_one_that_was_shown(images: FrameImages, video: CountingVideo) -> None:
    """Without decoding it again."""
    images.jpeg(7, 320).result(20)
    frame = images.frame(7).result(20)
    assert (frame.index, frame.image.shape) == (7, (20, WIDTH, 3))
    assert video.decoded.count(7) == 1


def test_a_video_that_breaks_off_gives_what_it_has(video: CountingVideo, images: FrameImages) -> None:
    """And an error for the rest, again and again."""
    video.end = 50
    assert abs(grey(images.jpeg(49, WIDTH).result(20))[0] - 49) <= 1
    for _ in range(2):
        with pytest.raises(MediaError, match="ends before frame"):
            images.jpeg(60, WIDTH).result(20)
    assert abs(grey(images.jpeg(10, WIDTH).result(20))[0] - 10) <= 1


def test_a_video_that_cannot_be_opened_is_an_error(tmp_path: Path) -> None:
    """Of the library, each time."""

    def missing() -> Any:
        raise MediaError("it is gone")

    images = FrameImages(missing, FRAMES, JpegStore(tmp_path, 1 << 30))
    for _ in range(2):
        with pytest.raises(MediaError, match="gone"):
            images.jpeg(0, WIDTH).result(20)
    images.close()


def test_who_has_gone_is_not_served(images: FrameImages, video: CountingVideo) -> None:
    """A cancelled request costs nothing."""
    futures = [images.jpeg(index, WIDTH) for index in (0, 290, 150)]
    for future in futures[1:]:
        future.cancel()
    futures[0].result(20)
    images.close()
    assert video.is_closed
    assert not {290, 150} & set(video.decoded) or len(video.decoded) < 3 * AHEAD


def test_the_store_keeps_within_its_limit(tmp_path: Path) -> None:
    """The groups that were used least recently go; a new store finds what is there."""
    store = JpegStore(tmp_path, 5000)
    for group in range(5):
        store.put(group * GROUP, 320, bytes(1500))
        store.get(0, 320)
    kept = [group for group in range(5) if store.has(group * GROUP, 320)]
    assert kept == [0, 3, 4]
    assert sum(path.stat().st_size for path in tmp_path.rglob("*.jpg")) == 4500
    again = JpegStore(tmp_path, 5000)
    assert [group for group in range(5) if again.has(group * GROUP, 320)] == kept
    assert again.get(3 * GROUP, 320) == bytes(1500)
    assert again.nearest(3 * GROUP - 10, 320) == (3 * GROUP, 320)
    assert again.nearest(3 * GROUP - 10, 640) == (3 * GROUP, 320)


def test_a_store_that_was_deleted_is_filled_again(tmp_path: Path) -> None:
    """It is a cache: whoever deletes it loses nothing."""
    store = JpegStore(tmp_path, 5000)
    store.put(0, 320, b"x")
    next(tmp_path.rglob("*.jpg")).unlink()
    assert store.get(0, 320) is None
    assert not store.has(0, 320)


def test_widths_are_few() -> None:
    """So that each is decoded once."""
    assert [width_of(w, 1920) for w in (None, 1, 320, 321, 1900, 5000)] == [1920, 320, 320, 640, 1920, 1920]
    assert width_of(1280, 854) == 854
