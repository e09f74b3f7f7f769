"""Images of a video as JPEG: decoded in runs by one thread, and kept on the disk.

Entering a video in its middle costs up to a group of images: the decoder goes on where it is, and runs ahead.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import shutil
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ..errors import MediaError, VosError
from ..files import write_bytes_atomic
from ..frame import Frame
from ..video import Video

logger = logging.getLogger(__name__)

WIDTHS = (320, 640, 960, 1280, 1920, 2560, 3840)
QUALITY = 85
GROUP = 50
"""Frames of one folder of the cache, which are deleted together."""
NEAR = 24
"""Frames that the decoder decodes on rather than seeking."""
AHEAD = 50
"""Frames that are decoded ahead when nothing is wanted."""
COARSE = 300
"""Images of frames that are cheap to enter, made when idle, to be shown while a jump is decoded."""
COARSE_WIDTH = WIDTHS[0]
FRAME_BYTES = 128 << 20
"""Decoded frames kept in memory, for the prompts."""


def width_of(wanted: int | None, width: int) -> int:
    """The width of the image for a wanted one: see :data:`WIDTHS`; at most that of the frame."""
    if wanted is None:
        return width
    return min(next((w for w in WIDTHS if w >= wanted), width), width)


def encode_jpeg(frame: Frame, width: int) -> bytes:
    """The image of a frame, ``width`` pixels wide."""
    image, (height, full) = frame.image, frame.size
    if width < full:
        size = (width, max(1, round(height * width / full)))
        # Averaging areas costs several times as much; down to half the size no pixel is left out without it.
        way = cv2.INTER_LINEAR if full <= 2 * width else cv2.INTER_AREA
        image = cv2.resize(image, size, interpolation=way)
    image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, QUALITY])
    return bytes(np.asarray(data).tobytes())


class JpegStore:
    """JPEG files of one video in a folder, by width and frame.

    Args:
        folder: may be deleted at any time.
        limit: bytes to keep; the groups that were used least recently go first.
    """

    def __init__(self, folder: Path, limit: int) -> None:
        self.folder = folder
        self.limit = limit
        self._lock = threading.Lock()
        self._groups: OrderedDict[tuple[int, int], dict[int, int]] = OrderedDict()  # frame -> bytes
        self._size = 0
        self._scan()

    def get(self, index: int, width: int) -> bytes | None:
        """The image, if it is there."""
        group = (width, index // GROUP)
        with self._lock:
            if index not in self._groups.get(group, {}):
                return None
            self._groups.move_to_end(group)
        try:
            return self._path(index, width).read_bytes()
        except OSError:  # deleted by hand
            with self._lock:
                self._size -= self._groups.get(group, {}).pop(index, 0)
                if not self._groups.get(group, True):
                    del self._groups[group]
            return None

    def has(self, index: int, width: int) -> bool:
        """Whether the image is there."""
        with self._lock:
            return index in self._groups.get((width, index // GROUP), {})

    def put(self, index: int, width: int, data: bytes) -> None:
        """Keep an image; a full disk is no error."""
        path = self._path(index, width)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            write_bytes_atomic(path, data)
        except (OSError, VosError) as error:
            logger.warning("images are not cached: %s", error)
            return
        with self._lock:
            group = (width, index // GROUP)
            kept = self._groups.setdefault(group, {})
            self._size += len(data) - kept.get(index, 0)
            kept[index] = len(data)
            self._groups.move_to_end(group)
        self._shrink()

    def nearest(self, index: int, width: int) -> tuple[int, int] | None:
        """Frame and width of the image nearest to a frame, rather of this width than of another."""
        with self._lock:
            if not self._groups:
                return None
            number = index // GROUP
            closest = min(abs(group - number) for _, group in self._groups)
            return min(
                (
                    (frame, of)
                    for (of, group), frames in self._groups.items()
                    if abs(group - number) <= closest + 1
                    for frame in frames
                ),
                key=lambda pair: (abs(pair[0] - index), pair[1] != width),
                default=None,
            )

    def _path(self, index: int, width: int) -> Path:
        return self.folder / str(width) / str(index // GROUP) / f"{index}.jpg"

    def _scan(self) -> None:
        found = []
        for path in self.folder.glob("*/*/*.jpg"):
            with contextlib.suppress(ValueError, OSError):
                status = path.stat()
                index, width = int(path.stem), int(path.parent.parent.name)
                found.append((status.st_mtime, width, index, status.st_size))
        for _, width, index, size in sorted(found):
            self._groups.setdefault((width, index // GROUP), {})[index] = size
            self._groups.move_to_end((width, index // GROUP))
            self._size += size

    def _shrink(self) -> None:
        while True:
            with self._lock:
                if self._size <= self.limit or len(self._groups) < 2:
                    return
                (width, number), frames = self._groups.popitem(last=False)
                self._size -= sum(frames.values())
            shutil.rmtree(self.folder / str(width) / str(number), ignore_errors=True)


class Wanted:
    """An image or a decoded frame that somebody waits for."""

    def __init__(self, index: int, width: int | None, number: int) -> None:
        self.index = index
        self.width = width
        """Of the image; None for the decoded frame itself."""
        self.number = number
        """Counts what was asked for."""
        self.future: Future[Any] = Future()


class FrameImages:
    """The images of one video. All methods may be called from any thread.

    Args:
        open_video: called in the decoding thread, once.
        frames: number of frames.
        store: keeps images.
    """

    def __init__(self, open_video: Callable[[], Video], frames: int, store: JpegStore) -> None:
        self.frames = frames
        self.store = store
        self._open_video = open_video
        self._changed = threading.Condition()
        self._waiting: list[Wanted] = []
        self._numbers = itertools.count()
        self._kept: OrderedDict[int, Frame] = OrderedDict()
        self._is_closed = False
        self._width = WIDTHS[0]
        self._served = -1
        self._video: Video | None = None
        self._iterator: Iterator[Frame] | None = None
        self._position = 0
        self._ahead = 0
        self._coarse: list[int] | None = None
        """Frames of which coarse images are to be made; None: not known yet."""
        self._thread: threading.Thread | None = None

    def jpeg(self, index: int, width: int) -> Future[Any]:
        """The JPEG of a frame. Cancel the future when it is no longer needed.

        The future raises MediaError if the frame cannot be decoded.
        """
        data = self.store.get(index, width)
        if data is not None:
            done: Future[Any] = Future()
            done.set_result(data)
            with self._changed:
                self._served = index
            return done
        return self._want(index, width)

    def frame(self, index: int) -> Future[Any]:
        """The decoded frame; its image must not be written to."""
        with self._changed:
            kept = self._kept.get(index)
        if kept is not None:
            done: Future[Any] = Future()
            done.set_result(kept)
            return done
        return self._want(index, None)

    def cancel(self) -> None:
        """Cancel the images that are waited for; frames for prompts are decoded still."""
        with self._changed:
            for wanted in self._waiting:
                if wanted.width is not None:
                    wanted.future.cancel()

    def close(self) -> None:
        """End the thread; what is waited for is cancelled."""
        with self._changed:
            self._is_closed = True
            for wanted in self._waiting:
                wanted.future.cancel()
            self._waiting.clear()
            self._changed.notify_all()
        if self._thread is not None:
            self._thread.join()

    def _want(self, index: int, width: int | None) -> Future[Any]:
        wanted = Wanted(index, width, next(self._numbers))
        with self._changed:
            if self._is_closed:
                wanted.future.cancel()
                return wanted.future
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="frames", daemon=True)
                self._thread.start()
            self._waiting.append(wanted)
            self._width = width or self._width
            self._changed.notify_all()
        return wanted.future

    # In the decoding thread

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(
                    lambda: self._is_closed or self._waiting or self._ahead > 0 or self._coarse != []
                )
                if self._is_closed:
                    break
                wanted = self._choose()
            try:
                self._step(wanted)
            except VosError as error:
                self._fail(wanted, error)
            except Exception as error:  # whatever a decoder does must not end the thread
                logger.exception("decoding failed")
                self._fail(wanted, MediaError(f"cannot decode: {type(error).__name__}: {error}"))
        self._iterator = None
        if self._video is not None:
            self._video.close()

    def _choose(self) -> Wanted | None:
        """What to do next: the nearest frame ahead, else what was asked for last."""
        self._waiting = [wanted for wanted in self._waiting if not wanted.future.cancelled()]
        if not self._waiting:
            return None
        if self._iterator is not None:
            ahead = [w for w in self._waiting if 0 <= w.index - self._position <= NEAR]
            if ahead:
                return min(ahead, key=lambda wanted: wanted.index)
        return max(self._waiting, key=lambda wanted: wanted.number)

    def _step(self, wanted: Wanted | None) -> None:
        if wanted is None:
            if self._ahead > 0:
                self._run_ahead()
            else:
                self._make_coarse()
            return
        with self._changed:
            kept = self._kept.get(wanted.index)
        if kept is not None:
            self._serve(kept)
            return
        if self._iterator is None or not 0 <= wanted.index - self._position <= NEAR:
            is_backwards = 0 < self._served - wanted.index <= NEAR
            self._enter(max(0, wanted.index - NEAR + 1) if is_backwards else wanted.index)
        while self._position <= wanted.index:
            self._serve(self._next())
        self._ahead = AHEAD

    def _run_ahead(self) -> None:
        self._ahead -= 1
        if self._iterator is None or self._position >= self.frames:
            self._ahead = 0
        elif self._ahead > 0 and self.store.has(self._position, self._width):
            self._ahead = 0  # been here before
        elif self._ahead > 0:
            self._serve(self._next())

    def _make_coarse(self) -> None:
        """One coarse image, or a plan for them."""
        video = self._opened()
        width = min(COARSE_WIDTH, video.info.width)
        if self._coarse is None:
            entries = [index for index in video.entries() if index < self.frames]
            step = max(1, -(-len(entries) // COARSE))
            self._coarse = [i for i in entries[::step] if not self.store.has(i, width)][::-1]
        elif self._coarse:
            index = self._coarse.pop()
            frame = next(iter(video.frames(index, index + 1)), None)
            if frame is not None:
                self.store.put(index, width, encode_jpeg(frame, width))

    def _opened(self) -> Video:
        if self._video is None:
            self._video = self._open_video()
        return self._video

    def _enter(self, index: int) -> None:
        self._iterator, self._position = self._opened().frames(index), index

    def _next(self) -> Frame:
        assert self._iterator is not None
        try:
            frame = next(self._iterator)
        except StopIteration:
            self._iterator = None
            raise MediaError(f"the video ends before frame {self._position}") from None
        except BaseException:
            self._iterator = None
            raise
        self._position = frame.index + 1
        return frame

    def _serve(self, frame: Frame) -> None:
        """Keep a frame and its image, and answer those who wait for it."""
        with self._changed:
            self._kept[frame.index] = frame
            self._kept.move_to_end(frame.index)
            while len(self._kept) > max(1, FRAME_BYTES // frame.image.nbytes):
                self._kept.popitem(last=False)
            mine = [wanted for wanted in self._waiting if wanted.index == frame.index]
            self._waiting = [wanted for wanted in self._waiting if wanted.index != frame.index]
            widths = {wanted.width for wanted in mine} | {min(self._width, frame.size[1])}
        answers: dict[int | None, bytes | Frame] = {None: frame}
        for width in widths - {None}:
            assert width is not None
            if any(wanted.width == width for wanted in mine) or not self.store.has(frame.index, width):
                answers[width] = encode_jpeg(frame, width)
        for wanted in mine:
            self._served = frame.index
            if wanted.future.set_running_or_notify_cancel():
                wanted.future.set_result(answers[wanted.width])
        for width, data in answers.items():
            if width is not None and isinstance(data, bytes):
                self.store.put(frame.index, width, data)

    def _fail(self, wanted: Wanted | None, error: VosError) -> None:
        self._ahead = 0
        if wanted is None:
            self._coarse = []
            return
        with self._changed:
            if wanted in self._waiting:
                self._waiting.remove(wanted)
        if wanted.future.set_running_or_notify_cancel():
            wanted.future.set_exception(error)


def store_folder(cache: Path, digest: str) -> Path:
    """Where the images of a video are kept."""
    return cache / "pictures" / digest[:16]


def is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder that is there or can be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(folder, os.W_OK)
