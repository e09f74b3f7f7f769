"""Start, end, stride and what frames() gives, against slicing a list."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vos.errors import InputError
from vos.frame import Frame, VideoInfo
from vos.video import Reader, Video
from vos.video.base import existing


class Numbers:
    """A video of plain pictures that remembers what was asked of it."""

    def __init__(self, count: int, known: bool = True) -> None:
        self.paths = (Path("numbers"),)
        self.info = VideoInfo(8, 4, 10.0, count if known else None)
        self.count = count
        self.asked: list[range] = []
        self.closed = self.counted = 0

    def read(self, wanted: range) -> Iterator[Frame]:
        """See Reader."""
        self.asked.append(wanted)
        for index in existing(wanted, self.count):
            yield Frame(index, np.full((4, 8, 3), index, np.uint8), f"{index:05d}")

    def count_frames(self) -> int:
        """See Reader."""
        self.counted += 1
        return self.count

    def estimate_frames(self) -> int:
        """See Reader."""
        return self.count

    def losses(self) -> tuple[str, ...]:
        return ()

    def close(self) -> None:
        """See Reader."""
        self.closed += 1


counts = st.integers(1, 20)
places = st.integers(0, 25)


@given(counts, places, st.none() | places, st.integers(1, 7), places, st.none() | places)
@example(count=20, start=0, length=3, stride=1, first=0, stop=25)
@example(count=20, start=2, length=None, stride=3, first=4, stop=None)
def test_selection_is_slicing(
    count: int, start: int, length: int | None, stride: int, first: int, stop: int | None
) -> None:
    """frames(first, stop) of a selection is the slice that selects, cut to first and stop; both ways."""
    end = None if length is None else start + length + 1
    indices = [i for i in range(count)[start:end:stride] if i >= first and (stop is None or i < stop)]
    if start >= count:
        with pytest.raises(InputError, match="is after the last frame"):
            Video(Numbers(count), start=start, end=end, stride=stride)
        return
    video = Video(Numbers(count, known=False), start=start, end=end, stride=stride)
    assert [frame.index for frame in video.frames(first, stop)] == indices
    assert [frame.index for frame in video.frames(first, stop, reverse=True)] == indices[::-1]
    assert video.count_frames() == video.estimate_frames() == len(range(count)[start:end:stride])


def test_info_counts_selected_frames_and_keeps_the_rate() -> None:
    """The info is of the frames as given; the rate is the source's, as their index and time are."""
    assert Video(Numbers(10), start=1, end=9, stride=3).info == VideoInfo(8, 4, 10.0, 3)
    assert Video(Numbers(10), size=(2, 2)).info == VideoInfo(2, 2, 10.0, 10)
    assert Video(Numbers(10, known=False)).info.num_frames is None


def test_start_beyond_the_end_is_found_when_reading() -> None:
    """Where the length is unknown, an empty selection is an error at its end and not an empty result."""
    video = Video(Numbers(5, known=False), start=7)
    with pytest.raises(InputError, match="start 7 is after the last frame; the video has 5 frames, 0 to 4"):
        list(video)
    with pytest.raises(InputError, match="start 7 is after"):
        video.count_frames()


def test_asking_for_nothing_gives_nothing() -> None:
    """A resumed run that has all frames reads none, without an error."""
    reader = Numbers(5, known=False)
    video = Video(reader)
    assert list(video.frames(start=5)) == []
    assert list(video.frames(start=3, stop=3)) == []
    assert list(video.frames(start=4, stop=2, reverse=True)) == []
    assert reader.counted == 0, "counting may cost as much as reading"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": -1}, "start -1 is negative"),
        ({"start": 3, "end": 3}, "end 3 is not after start 3"),
        ({"stride": 0}, "stride 0 is not positive"),
        ({"size": 0}, "size 0 is not a size"),
    ],
)
def test_impossible_selections(options: dict[str, Any], message: str) -> None:
    """What cannot be selected is a usage error."""
    with pytest.raises(InputError, match=message):
        Video(Numbers(5), **options)


def test_frames_are_passed_on_unless_resized() -> None:
    """Without a size frames are the reader's own; with one they keep index, name and time."""
    reader = Numbers(3)
    assert [frame.size for frame in Video(reader, size=2)] == [(2, 4)] * 3
    assert [frame.name for frame in Video(reader, size=2)] == ["00000", "00001", "00002"]
    assert next(iter(Video(reader))).image.shape == (4, 8, 3)


def test_closing(tmp_path: Path) -> None:
    """Leaving the context closes the reader."""
    reader = Numbers(3)
    with Video(reader) as video:
        assert video.paths == (Path("numbers"),)
        assert reader.closed == 0
    assert reader.closed == 1
    assert isinstance(reader, Reader)


@given(st.integers(-3, 30), st.integers(0, 30), st.integers(1, 5), st.integers(0, 25))
def test_existing_cuts_ranges(start: int, length: int, step: int, count: int) -> None:
    """existing() keeps what is below the count, in the same direction."""
    wanted = range(max(0, start), max(0, start) + length, step)
    assert list(existing(wanted, count)) == [i for i in wanted if i < count]
    assert list(existing(wanted[::-1], count)) == [i for i in wanted if i < count][::-1]


def test_images_nearby() -> None:
    """1, 2, 4 and 8 frames later whatever is selected; at the end, and with one more frame, as many as there
    are; before the last frame those that go before it."""
    video = Video(Numbers(12), start=2, stride=5, end=8, size=(4, 2))
    first, second = video
    assert first.nearby is not None
    assert [int(image[0, 0, 0]) for image in first.nearby()] == [3, 4, 6, 10]
    assert {image.shape for image in first.nearby()} == {(2, 4, 3)}
    assert second.nearby is not None
    assert [int(image[0, 0, 0]) for image in second.nearby()] == [8, 9, 11]
    (last,) = Video(Numbers(12)).frames(11)
    assert last.nearby is not None
    assert [int(image[0, 0, 0]) for image in last.nearby()] == [10, 9, 7, 3]
    (last,) = Video(Numbers(9)).frames(8)
    assert last.nearby is not None
    assert [int(image[0, 0, 0]) for image in last.nearby()] == [7, 6, 4, 0]
    (alone,) = Video(Numbers(1))
    assert alone.nearby is not None
    assert alone.nearby() == []
