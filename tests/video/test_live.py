"""Live sources: the newest frame, never a queue."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

import vos
from vos.errors import InputError, MediaError
from vos.testing import ScriptedTracker, scene, write_video
from vos.video.live import open_live

DEVICE = "device:lavfi:testsrc=size=64x48:rate=25:duration=1"


def test_a_device_ends_with_its_last_frame() -> None:
    """Frames count on over those that were dropped; received is taken plus dropped."""
    with open_live(DEVICE) as source:
        frames = list(source)
    assert frames[0].image.shape == (48, 64, 3)
    indices = [frame.index for frame in frames]
    assert indices == sorted(set(indices))
    assert indices[0] == 0
    assert indices[-1] == 24 - round(25 * frames[0].time)
    assert source.received == len(frames) + source.dropped == 25


def test_a_slow_consumer_gets_the_newest_frame() -> None:
    """What came meanwhile is dropped, and counted."""
    with open_live("device:lavfi:testsrc=size=64x48:rate=25:duration=0.4,realtime") as source:
        frames = iter(source)
        first = round(25 * next(frames).time)
        while source.received < 10:
            time.sleep(0.01)
        rest = [frame.index for frame in frames]
    assert first < 9
    assert rest == [9 - first]
    assert source.dropped == 8


def test_a_file_is_played_at_its_rate(tmp_path: Path) -> None:
    """No frame comes before its time."""
    path = write_video(scene("moving", num_frames=5, size=(48, 64), seed=1), tmp_path / "clip.mkv")
    start = time.monotonic()
    with open_live(path) as source:
        arrived = [(frame.index, frame.time, time.monotonic() - start) for frame in source]
    assert arrived[-1][0] == 4 - round(25 * arrived[0][1])
    assert all(now >= due for _, due, now in arrived)
    assert source.received == len(arrived) + source.dropped == 5


def test_prompts_are_for_the_first_frame_that_is_taken() -> None:
    """Frames are dropped while the tracker is built; the objects are tracked all the same."""
    labels = np.zeros((48, 64), np.uint8)
    labels[10:20, 10:20] = 1
    truth = np.stack([labels] * 30)
    with open_live("device:lavfi:testsrc=size=64x48:rate=25:duration=1,realtime") as source:
        while source.received < 5:
            time.sleep(0.01)
        results = list(vos.track(source, vos.mask_targets(labels), tracker=ScriptedTracker(truth)))
    assert results[0].frame_index == 0
    assert all(result.ids == (1,) for result in results)


def test_closing_ends_an_endless_source() -> None:
    """The thread stops, though the source would go on."""
    with open_live("device:lavfi:testsrc=size=64x48:rate=25") as source:
        assert np.any(next(iter(source)).image)
    assert not source._thread.is_alive()


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("rtsp://10.0.0.1/x", InputError, "only with --allow-url"),
        ("ftp://10.0.0.1/x", InputError, "its protocol is not one of"),
        ("camera:", InputError, "names no camera"),
        (9, MediaError, "cannot open camera:9"),
        ("device:lavfi", InputError, "device:FORMAT:NAME"),
        ("device:nosuch:x", MediaError, "cannot open device:nosuch:x.*cameras count from 0"),
        ("absent.mp4", MediaError, "cannot open absent.mp4.*give a video file"),
        ("device:lavfi:anullsrc", MediaError, "has no video"),
    ],
)
def test_what_cannot_be_opened(name: str | int, error: type[Exception], text: str) -> None:
    """One line that says what to do."""
    with pytest.raises(error, match=text):
        open_live(name)
