"""Times of the overlay where those of the source jump."""

from __future__ import annotations

from pathlib import Path

import av
import numpy as np
import pytest

from vos.formats.base import VideoFacts
from vos.formats.overlay import OverlayWriter
from vos.frame import Frame
from vos.results import FrameResult


def steps(path: Path, times: list[float], cut: int | None = None) -> list[float]:
    """Seconds from frame to frame of an overlay of frames at these times; resumed at ``cut``."""
    facts = VideoFacts(25.0)
    writer = OverlayWriter(path, work=path.parent / "work", facts=facts)
    for index, time in enumerate(times):
        if index == cut:
            state = writer.checkpoint()
            writer = OverlayWriter(path, work=path.parent / "work", facts=facts)
            writer.restore(state)
        image = np.full((16, 16, 3), 10 * index % 256, np.uint8)
        writer.write(
            Frame(index, image, f"{index:05d}", time), FrameResult(index, np.zeros((16, 16), np.uint8))
        )
    writer.close()
    with av.open(str(path)) as container:
        shown = [float(picture.time) for picture in container.decode(video=0)]
    return np.diff(shown).round(4).tolist()


REGULAR = [1.48 + 0.04 * n for n in range(10)]


@pytest.mark.parametrize("cut", [None, 12])
@pytest.mark.parametrize("second", [REGULAR, [t + 90_000 for t in REGULAR], REGULAR[-1:] + REGULAR[:-1]])
def test_joined_recordings_go_on(tmp_path: Path, second: list[float], cut: int | None) -> None:
    """After a jump back, far ahead, or a repeated time every frame lasts as long as before; resuming too."""
    found = steps(tmp_path / "overlay.mp4", REGULAR + second, cut)
    assert found == pytest.approx([0.04] * 19, abs=1e-3)


@pytest.mark.parametrize("cut", [None, 10, 11])
def test_a_pause_before_a_jump_is_not_usual(tmp_path: Path, cut: int | None) -> None:
    """As where a transport stream is cut, and a few of its last frames are lost."""
    first = [*REGULAR[:-1], REGULAR[-1] + 0.12]
    found = steps(tmp_path / "overlay.mp4", first + REGULAR, cut)
    assert found == pytest.approx([0.04] * 8 + [0.16] + [0.04] * 10, abs=1e-3)


def test_variable_rates_are_kept(tmp_path: Path) -> None:
    """Pauses and short steps of a screen recording are no jumps."""
    times = [0.0, 0.04, 0.05, 8.0, 8.04]
    assert steps(tmp_path / "overlay.mp4", times) == pytest.approx([0.04, 0.01, 7.95, 0.04], abs=1e-3)


def test_short_pieces_keep_all_frames(tmp_path: Path) -> None:
    """No frame is lost after a checkpoint near the end: FFmpeg gives short pieces no decoding times."""
    writer = OverlayWriter(tmp_path / "overlay.mp4", facts=VideoFacts(25.0))
    noise = np.random.default_rng(0)
    for index in range(32):
        image = noise.integers(0, 255, (120, 214, 3), np.uint8)
        writer.write(Frame(index, image, "", index / 25), FrameResult(index, np.zeros((120, 214), np.uint8)))
        if index == 24:
            writer.checkpoint()
    writer.close()
    with av.open(str(tmp_path / "overlay.mp4")) as container:
        assert sum(1 for _ in container.decode(video=0)) == 32
