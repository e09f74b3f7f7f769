"""What every output format promises: whole or absent, and resumable to the byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vos.errors import OutputError, SettingsError
from vos.formats.base import VideoFacts, Writer
from vos.formats.registry import FORMATS, build_writer, writer_class, writers
from vos.frame import Frame
from vos.results import FrameResult

SIZE = (31, 45)
COUNT = 11
FACTS = VideoFacts(fps=10.0, names={1: "dog", 2: "red car"})


def video(count: int = COUNT) -> list[tuple[Frame, FrameResult]]:
    """Two discs that move; the second is gone in frame 4 and is first known in frame 2.

    Frame 4, the first after a checkpoint, has the time of frame 3, as damaged files have.
    """
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    pairs = []
    for index in range(count):
        image = np.stack([rows * 5, columns * 4, rows + columns + index], axis=2).astype(np.uint8)
        labels = np.zeros(SIZE, np.uint8)
        labels[(rows - 10) ** 2 + (columns - 10 - index) ** 2 < 49] = 1
        if index >= 2 and index != 4:
            labels[(rows - 20) ** 2 + (columns - 30) ** 2 < 25] = 2
        scores = {1: 1.0 - index / 20} | ({2: 1 / 3} if index >= 2 else {})
        frame = Frame(
            index, image, f"{index:05d}", time=0.1 * index + 0.01 * (index % 3) if index != 4 else 0.3
        )
        pairs.append((frame, FrameResult(index, labels, scores)))
    return pairs


def content(path: Path) -> dict[str, bytes]:
    """Every file at or under ``path``."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    return {str(file.relative_to(path.parent)): file.read_bytes() for file in files}


@pytest.fixture(params=writers(internal=True))
def make(request: pytest.FixtureRequest) -> Callable[..., Writer]:
    """Builds the writer under test: ``make(folder)`` or ``make(folder, work=None)``."""

    def build(folder: Path, **options: Any) -> Writer:
        for package in FORMATS[request.param].requires:
            pytest.importorskip(package)
        folder.mkdir(exist_ok=True)
        options = {"work": folder.parent / f"{folder.name}.work", "facts": FACTS} | options
        return build_writer(request.param, folder / FORMATS[request.param].default_name, **options)

    return build


def write_all(writer: Writer, every: int = 4) -> None:
    """The whole video, a checkpoint after every ``every`` frames and at the end."""
    with writer:
        for index, (frame, segmentation) in enumerate(video()):
            writer.write(frame, segmentation)
            if (index + 1) % every == 0:
                writer.checkpoint()
        writer.checkpoint()


def test_a_result_appears(make: Callable[..., Writer], tmp_path: Path) -> None:
    """After close the result is there, and nothing else, hidden or not."""
    write_all(make(tmp_path / "out"))
    result = content(tmp_path / "out")
    assert result
    assert all(data for data in result.values())
    assert not [name for name in result if Path(name).name.startswith(".")]


def test_twice_the_same_bytes(make: Callable[..., Writer], tmp_path: Path) -> None:
    """Two runs write the same bytes, wherever the pieces are kept."""
    write_all(make(tmp_path / "out"))
    (tmp_path / "again").mkdir()
    write_all(make(tmp_path / "again" / "out", work=None))
    assert content(tmp_path / "out") == content(tmp_path / "again" / "out")


def leave_in_memory(rng: np.random.Generator) -> None:
    """Fill free memory with words of ones and of zeros, in pieces of many sizes."""
    words = rng.choice(np.array([0, 0xFFFFFFFF], np.uint32), 1 << 18)
    pieces = [words[: 1 << power].tobytes() for power in range(12, 19) for _ in range(1 << (20 - power))]
    assert pieces


@pytest.mark.parametrize("name", ["overlay", "green", "blur", "webm"])
def test_memory_leaves_no_trace(name: str, tmp_path: Path) -> None:
    """The bytes do not depend on what the memory that an encoder is given held before.

    On machines with AVX-512 this fails for x264's macroblock tree.
    """
    rng = np.random.default_rng(0)
    found = set()
    for number in range(15):
        leave_in_memory(rng)
        path = tmp_path / f"{number}{Path(FORMATS[name].default_name).suffix}"
        write_all(build_writer(name, path, facts=FACTS))
        found.add(path.read_bytes())
    assert len(found) == 1


@pytest.mark.parametrize("lost", [0, 1, 3])
@pytest.mark.parametrize("point", [4, 8, 11])
def test_resumed_the_same_bytes(make: Callable[..., Writer], tmp_path: Path, point: int, lost: int) -> None:
    """A writer given the state of a checkpoint ends with the bytes of an uninterrupted one.

    ``lost`` frames and a checkpoint after it were written by the process that was killed.
    """
    write_all(make(tmp_path / "whole"))
    frames = video()
    writer = make(tmp_path / "out")
    for index, pair in enumerate(frames[:point], start=1):
        writer.write(*pair)
        if index % 4 == 0 or index == point:
            state = writer.checkpoint()
    for frame, segmentation in frames[point : point + lost]:
        writer.write(frame, FrameResult(frame.index, segmentation.labels, {9: 0.5}))
    writer.checkpoint()
    resumed = make(tmp_path / "out")
    resumed.restore(state)
    with resumed:
        for index, pair in enumerate(frames[point:], start=point + 1):
            resumed.write(*pair)
            if index % 4 == 0:
                resumed.checkpoint()
        if point < len(frames):
            resumed.checkpoint()
    whole, again = content(tmp_path / "whole"), content(tmp_path / "out")
    assert list(whole.values()) == list(again.values())


def test_a_failure_leaves_nothing_half_done(make: Callable[..., Writer], tmp_path: Path) -> None:
    """An exception while frames are written leaves whole masks of those frames or no result at all."""

    def write_and_fail() -> None:
        with make(tmp_path / "out") as writer:
            for pair in video(3):
                writer.write(*pair)
            raise RuntimeError("stop")

    with pytest.raises(RuntimeError):
        write_and_fail()
    left = set(content(tmp_path / "out"))
    assert left in (set(), {f"out/masks/{i:05d}.png" for i in range(3)})


def test_a_lost_piece_is_told(make: Callable[..., Writer], tmp_path: Path) -> None:
    """A piece that somebody removed is an error that says what to do, not a shorter result."""
    writer = make(tmp_path / "out")
    for pair in video(3):
        writer.write(*pair)
    writer.checkpoint()
    pieces = [path for path in (tmp_path / "out.work").rglob("*") if path.is_file()]
    if not pieces:
        pytest.skip("this format keeps no pieces")
    pieces[0].unlink()
    with pytest.raises(OutputError, match="--overwrite"):
        writer.close()


def test_unknown_output() -> None:
    """An unknown name is refused with the known ones."""
    with pytest.raises(SettingsError, match=r"'gif'.*masks, overlay, coco"):
        writer_class("gif")
