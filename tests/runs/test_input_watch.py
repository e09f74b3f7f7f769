"""A changed input is noticed: between stop and resume, and while a run goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from run_fakes import DriftingTracker, SceneReader, target

from vos.errors import InputError, InterruptedRunError, OutputError, PartialResultError
from vos.runs import Progress, TrackSettings, track_video
from vos.testing import Scene
from vos.video import open_video
from vos.video.selection import Video


@pytest.fixture
def frames(clip: Scene, tmp_path: Path) -> Path:
    """The first 12 frames of the clip as a folder of images."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for frame in clip.frames[:12]:
        Image.fromarray(frame.image).save(folder / f"{frame.index:03d}.bmp")
    return folder


def change(path: Path) -> None:
    """Change one pixel; size and time of the file stay as they are."""
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", ["003.bmp", "011.bmp"])
def test_a_frame_changed_before_resuming(frames: Path, clip: Scene, tmp_path: Path, name: str) -> None:
    """Whether its mask is done or not, a changed frame is refused, of a stopped and of a finished run."""
    out, settings = tmp_path / "out", TrackSettings(checkpoint_every=4)

    def stop(progress: Progress) -> None:
        if progress.done == 7:
            raise KeyboardInterrupt

    def go(resume: bool, progress: object = None) -> None:
        with open_video(frames) as video:
            track_video(
                video,
                [target(clip, 1)],
                out,
                settings,
                tracker=DriftingTracker(),
                resume=resume,
                progress=progress,  # type: ignore[arg-type]
            )

    with pytest.raises(InterruptedRunError):
        go(False, stop)
    change(frames / name)
    with pytest.raises(OutputError, match=r"input\.sha256 was"):
        go(True)
    change(frames / name)
    go(True)
    change(frames / name)
    with pytest.raises(OutputError, match=r"input\.sha256 was"):
        go(True)


def test_a_frame_changed_while_running(frames: Path, clip: Scene, tmp_path: Path) -> None:
    """What is read has to be what was hashed."""

    def edit(progress: Progress) -> None:
        if progress.done == 5:
            change(frames / "008.bmp")

    with open_video(frames) as video, pytest.raises(PartialResultError, match=r"008\.bmp has changed"):
        track_video(video, [target(clip, 1)], tmp_path / "out", tracker=DriftingTracker(), progress=edit)
    assert len(list((tmp_path / "out" / "masks").iterdir())) == 8
    assert not (tmp_path / "out" / "run.json").exists()


def test_a_video_changed_while_running(
    reader: SceneReader, clip: Scene, tmp_path: Path, source: Path
) -> None:
    """A video file that is written to during the run does not end as if it had not been."""

    def edit(progress: Progress) -> None:
        if progress.done == 5:
            source.write_bytes(b"still being recorded")

    with pytest.raises(PartialResultError, match="has changed while the run was going on"):
        track_video(
            Video(reader), [target(clip, 1)], tmp_path / "out", tracker=DriftingTracker(), progress=edit
        )


@pytest.mark.parametrize("stem", ["a\\b", "a\tb"])
def test_names_of_frames(clip: Scene, tmp_path: Path, stem: str) -> None:
    """A name of an image that cannot name a result is refused before anything is written."""
    folder = tmp_path / "frames"
    folder.mkdir()
    Image.fromarray(np.zeros((48, 65, 3), np.uint8)).save(folder / f"{stem}.png")
    with open_video(folder) as video, pytest.raises(InputError, match=r"frame name .* is not allowed"):
        track_video(video, [target(clip, 1)], tmp_path / "out", tracker=DriftingTracker())
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("stem", ["n" * 251, b"caf\xe9".decode("utf-8", "surrogateescape")])
def test_long_and_undecodable_names(clip: Scene, tmp_path: Path, stem: str) -> None:
    """Names as long as the file system takes, and names that are not UTF-8, work, and can be resumed."""
    folder = tmp_path / "frames"
    folder.mkdir()
    Image.fromarray(clip.frames[0].image).save(folder / "x.png")
    (folder / "x.png").rename(folder / f"{stem}.png")
    for _ in range(2):
        with open_video(folder) as video:
            track_video(video, [target(clip, 1)], tmp_path / "out", tracker=DriftingTracker(), resume=True)
    assert [path.name for path in (tmp_path / "out" / "masks").iterdir()] == [f"{stem}.png"]
    written = np.array(Image.open(tmp_path / "out" / "masks" / f"{stem}.png"))
    assert np.array_equal(written == 1, target(clip, 1).prompt.mask)
