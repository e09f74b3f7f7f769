"""The sound of a video beside what is made of its frames: the same samples at the same times."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from click.testing import CliRunner
from vos_cli.main import cli

from vos import formats
from vos.formats.audio import Audio
from vos.formats.base import VideoFacts
from vos.formats.overlay import OverlayWriter
from vos.formats.registry import FORMATS
from vos.testing import scene, write_labels, write_video
from vos.video import open_video

RATE, FPS, COUNT = 48_000, 25, 50
SIZE = (32, 48)
CLICKS = (0.5, 1.1, 1.7)
"""Seconds at which a loud tone of 50 ms begins; silence between."""


def clip_with_sound(path: Path, codec: str = "aac", offset: float = 0.0) -> Path:
    """Two seconds of video whose times begin at ``offset``, with sound."""
    clip = scene("crossing", num_frames=COUNT, size=SIZE)
    time = np.arange(2 * RATE) / RATE
    loud = np.any([(time >= c) & (time < c + 0.05) for c in CLICKS], axis=0)
    samples = (np.sin(2 * np.pi * 1000 * time) * loud * 20_000).astype(np.int16)
    with av.open(str(path), "w") as container:
        video = container.add_stream("ffv1", rate=FPS)
        video.width, video.height, video.pix_fmt = SIZE[1], SIZE[0], "bgr0"
        sound = container.add_stream(codec, rate=RATE)
        sound.layout = "mono"
        packets = []
        for index, frame in enumerate(clip.frames):
            picture = av.VideoFrame.from_ndarray(frame.image, "rgb24")
            picture.pts, picture.time_base = index + round(offset * FPS), Fraction(1, FPS)
            packets += video.encode(picture)
        packets += video.encode(None)
        whole = av.AudioFrame.from_ndarray(samples[None], "s16", "mono")
        whole.rate, whole.pts, whole.time_base = RATE, round(offset * RATE), Fraction(1, RATE)
        resampler = av.AudioResampler(sound.format, "mono", RATE, frame_size=sound.frame_size)
        for part in [*resampler.resample(whole), *resampler.resample(None)]:
            packets += sound.encode(part)
        packets += sound.encode(None)
        container.mux(sorted(packets, key=lambda p: p.dts * p.time_base))
    return path


def clicks(path: Path) -> list[float]:
    """Seconds at which sound begins after silence."""
    with av.open(str(path)) as container:
        loud = [
            (frame.time + np.arange(frame.samples) / frame.rate, np.abs(_mono(frame)) > 0.2)
            for frame in container.decode(audio=0)
        ]
    times = np.concatenate([time for time, _ in loud])[np.concatenate([values for _, values in loud])]
    starts = [times[0], *times[1:][np.diff(times) > 0.2]]
    return [float(time) for time in starts]


def _mono(frame: av.AudioFrame) -> np.ndarray:
    values = frame.to_ndarray()
    scale = 1.0 if values.dtype.kind == "f" else float(np.iinfo(values.dtype).max)
    return (
        values.reshape(-1)[:: len(frame.layout.channels) if not frame.format.is_planar else 1][
            : frame.samples
        ]
        / scale
    )


def exported(
    name: str, source: Path, folder: Path, start: int = 0, end: int | None = None, **options: object
) -> Path:
    """Frames ``start`` to ``end`` of the clip in a format."""
    write_labels(scene("crossing", num_frames=COUNT, size=SIZE), folder / "masks")
    given = formats.select(formats.read(folder / "masks", "masks"), start=start, end=end)
    path = folder / FORMATS[name].default_name
    with open_video(source) as video:
        formats.write(given, path, name, frames=video, options=options)
    return path


@pytest.mark.parametrize("name", ["overlay", "prores", "ffv1", "green"])
def test_sound_is_copied(name: str, tmp_path: Path) -> None:
    """The packets of the source, at the times they had."""
    source = clip_with_sound(tmp_path / "clip.mkv")
    path = exported(name, source, tmp_path)
    with av.open(str(source)) as one, av.open(str(path)) as other:
        given, found = ([bytes(p) for p in c.demux(audio=0) if p.size] for c in (one, other))
    assert found
    assert set(found) <= set(given)
    assert len(found) >= len(given) - 2
    assert clicks(path) == pytest.approx(clicks(source), abs=0.005)


def test_sound_stays_in_sync_when_cut(tmp_path: Path) -> None:
    """From frame 20 (0.8 s) to 35 (1.4 s): of three clicks the second is left, 0.8 s earlier."""
    source = clip_with_sound(tmp_path / "clip.mkv")
    path = exported("overlay", source, tmp_path, 20, 35)
    assert clicks(path) == pytest.approx([CLICKS[1] - 0.8], abs=0.03)
    with av.open(str(path)) as container:
        video, audio = container.streams.video[0], container.streams.audio[0]
        assert float(video.duration * video.time_base) == pytest.approx(0.6, abs=0.001)
        assert float(audio.duration * audio.time_base) <= 0.63


def test_times_that_begin_late(tmp_path: Path) -> None:
    """A video whose times begin at 3 s begins at 0 in what is made of it, sound and all."""
    source = clip_with_sound(tmp_path / "clip.mkv", offset=3.0)
    assert clicks(exported("overlay", source, tmp_path)) == pytest.approx(CLICKS, abs=0.03)


def test_sound_is_encoded_where_it_must_be(tmp_path: Path) -> None:
    """WebM cannot hold AAC: the sound is there all the same, and that is said."""
    source = clip_with_sound(tmp_path / "clip.mkv")
    write_labels(scene("crossing", num_frames=COUNT, size=SIZE), tmp_path / "masks")
    given = formats.select(formats.read(tmp_path / "masks", "masks"), start=20, end=35)
    with open_video(source) as video:
        written = formats.write(given, tmp_path / "a.webm", "webm", frames=video)
    assert any("libopus" in note for note in written.notes)
    assert clicks(tmp_path / "a.webm") == pytest.approx([CLICKS[1] - 0.8], abs=0.03)


@pytest.mark.parametrize(("name", "options"), [("matte", {}), ("blur", {"audio": False})])
def test_no_sound(name: str, options: dict[str, bool], tmp_path: Path) -> None:
    """A matte has none, others none on demand."""
    source = clip_with_sound(tmp_path / "clip.mkv")
    with av.open(str(exported(name, source, tmp_path, **options))) as container:
        assert not container.streams.audio


def test_damaged_sound_does_not_cost_the_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where sound cannot be read to its end the video is written without it, and that is said."""
    source = clip_with_sound(tmp_path / "clip.mkv")
    write_labels(scene("crossing", num_frames=COUNT, size=SIZE), tmp_path / "masks")
    packets = Audio.packets

    def damaged(self: Audio, start: float, stop: float) -> Iterator[tuple[float, av.Packet]]:
        yield from itertools.islice(packets(self, start, stop), 20)
        raise av.InvalidDataError(1, "invalid data", str(source))

    monkeypatch.setattr(Audio, "packets", damaged)
    with open_video(source) as video:
        given = formats.read(tmp_path / "masks", "masks")
        written = formats.write(given, tmp_path / "a.mp4", "overlay", frames=video)
    assert any("sound was left out" in note for note in written.notes)
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert not container.streams.audio
        assert sum(1 for _ in container.decode(video=0)) == COUNT


def test_tracking_keeps_the_sound(tmp_path: Path) -> None:
    """``vos track`` of a part of a video: overlay and cut-out have that part of its sound."""
    source = clip_with_sound(tmp_path / "clip.mkv")
    out = tmp_path / "out"
    part = ["--start", "20", "--end", "35", "--write", "webm", "-o", str(out), "-q"]
    result = CliRunner().invoke(cli, ["track", str(source), "--box", "1:10,8,24,22", *part])
    assert result.exit_code == 0, result.output
    for name in ("overlay.mp4", "alpha.webm"):
        assert clicks(out / name) == pytest.approx([CLICKS[1] - 0.8], abs=0.03)
    warnings = json.loads((out / "run.json").read_text())["warnings"]
    assert any("libopus" in warning for warning in warnings)


@pytest.mark.parametrize("sounding", [True, False])
def test_sound_is_missed_only_where_there_is_some(tmp_path: Path, sounding: bool) -> None:
    """Where times jump the sound is left out, and that is said of a video that has sound alone."""
    source = tmp_path / "clip.mkv"
    clip = scene("crossing", num_frames=3, size=SIZE)
    _ = clip_with_sound(source) if sounding else write_video(clip, source)
    writer = OverlayWriter(tmp_path / "out.mp4", facts=VideoFacts(25.0, audio=source))
    for frame, time in zip(clip.frames, (0.0, 0.04, 4000.0), strict=True):
        writer.write(replace(frame, time=time), clip.result(frame.index))
    writer.close()
    said = ["the times of the video's frames jump, so its sound was left out"]
    assert writer.notes == (said if sounding else [])
