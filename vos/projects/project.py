"""A project: videos, objects, corrections and results in one folder that survives anything.

::

    PROJECT/
      project.json             version, id, videos, settings
      journal/<writer>.jsonl   what each annotator did: events, only ever appended
      blobs/ab/<sha256>.png    masks that were given
      blobs/ab/<sha256>.rle    tracked masks
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from ..arrays import Mask
from ..errors import InputError
from ..results import FrameResult
from ..video import Video
from .blobs import BLOBS, BlobStore
from .checks import check_mask, complete
from .events import MAX_PROJECT_OBJECT, VERSION, ConflictError, Draft, Event
from .folding import extend, fold
from .history import History, history, undo_drafts
from .journal import writer_name
from .log import EventLog
from .project_file import ProjectFile, ProjectSettings, ProjectVideo
from .shown import ShownMask, shown_frame, shown_mask
from .state import State


class Project:
    """A project that is open, for reading and, unless ``read_only``, for appending as one writer.

    Use :meth:`create` and :meth:`open`. All methods may be called from any thread. Whatever a method has
    returned from is on the disk.
    """

    def __init__(self, folder: Path, writer: str, *, read_only: bool) -> None:
        self.folder = folder
        self.writer = writer
        """Name of the journal that is written to."""
        self.blobs = BlobStore(folder / BLOBS, read_only=read_only)
        self._lock = threading.RLock()
        self._listeners: list[Callable[[Sequence[Event]], None]] = []
        self._state: State | None = None
        self._file = ProjectFile(folder)
        self._log = EventLog(folder, writer, read_only=read_only)
        try:
            self.refresh()
            later = {event.kind for event in self.events() if event.version > VERSION}
            if later and not read_only:
                raise InputError(
                    f"{folder} holds events of a later version of this program ({', '.join(sorted(later))}): "
                    "install that version, or open the project read-only"
                )
        except BaseException:
            self.close()
            raise

    @classmethod
    def create(
        cls,
        folder: str | os.PathLike[str],
        *,
        annotator: str | None = None,
        settings: ProjectSettings | None = None,
    ) -> Project:
        """Make an empty project and open it.

        Raises:
            OutputError: if the folder is there and not empty, or cannot be made.
            InputError: for a name of the annotator that cannot be used.
        """
        writer = writer_name(annotator)
        root = Path(folder)
        ProjectFile.create(root, settings)
        return cls(root, writer, read_only=False)

    @classmethod
    def open(
        cls, folder: str | os.PathLike[str], *, annotator: str | None = None, read_only: bool = False
    ) -> Project:
        """Open a project that is there.

        Args:
            folder: that holds ``project.json``.
            annotator: whose journal is written to, by default the user's.
            read_only: write nothing; as many as like may have it open so.

        Raises:
            InputError: if it is no project, or another process has it open as the same annotator.
            JournalError: if a journal is damaged.
        """
        return cls(Path(folder), writer_name(annotator), read_only=read_only)

    def close(self) -> None:
        """Let go of the journal; idempotent."""
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # What the project is about

    @property
    def read_only(self) -> bool:
        """Whether nothing can be appended."""
        return not self._log.is_open

    @property
    def cut(self) -> int:
        """Bytes of an event that an earlier process was killed in the middle of writing, now cut off."""
        return self._log.cut

    @property
    def id(self) -> str:
        """Random, the same in all copies of the project."""
        return self._file.id

    @property
    def videos(self) -> Mapping[str, ProjectVideo]:
        """The videos by key, in the order they were added."""
        return self._file.videos

    def video(self, key: str | None = None) -> ProjectVideo:
        """The video of that key; without one, the only video there is.

        Raises:
            InputError: naming the videos there are.
        """
        return self._file.video(key)

    def add_video(self, source: str | os.PathLike[str], key: str | None = None) -> ProjectVideo:
        """Add a video file or a folder of images; it stays where it is.

        Args:
            source: see :func:`vos.open_video`.
            key: its name in the project, by default made of the file's, with a number if that is taken.

        Raises:
            MediaError: if it cannot be read.
            InputError: if ``key`` is taken or cannot be used, or the project is open read-only.
            OutputError: if the disk is full.
        """
        with self._lock:
            self._log.check_open()
            video = self._file.add_video(source, key)
            self._state = None
        return video

    def video_path(self, key: str | None = None) -> Path:
        """Where the file or the folder of a video is.

        Raises:
            MediaError: if it is no longer there.
        """
        return self._file.video_path(key)

    def check_video(self, key: str) -> None:
        """Compare the content of a video with what it was when it was added; once, until its files change.

        Raises:
            MediaError: if it is no longer where it was, or is another one.
        """
        self._file.check_video(key)

    def open_video(self, key: str | None = None) -> Video:
        """The frames of a video.

        Raises:
            MediaError: if it is no longer where it was, or is another one.
        """
        return self._file.open_video(key)

    @property
    def settings(self) -> ProjectSettings:
        """How the project tracks."""
        return self._file.settings

    def change_settings(self, **changes: Any) -> ProjectSettings:
        """Change settings for what is tracked from now on; None leaves one as it is.

        Raises:
            SettingsError: for an unknown setting, or a value of the wrong type.
            InputError: if the project is open read-only.
            OutputError: if the disk is full.
        """
        with self._lock:
            self._log.check_open()
            self._file.change_settings(changes)
        return self.settings

    # What happened, and what it adds up to

    @property
    def state(self) -> State:
        """What all events add up to; immutable, so it stays as it is while others append."""
        with self._lock:
            if self._state is None:
                self._state = fold(self.events(), {v.key: v.frames for v in self.videos.values()})
            return self._state

    @property
    def counter(self) -> int:
        """Number of events known here, which each that is appended or read raises; see :meth:`append`."""
        with self._lock:
            return self._log.counter

    @property
    def view(self) -> dict[str, int]:
        """Writer -> number of its events known here."""
        with self._lock:
            return self._log.view

    def snapshot(self) -> tuple[State, dict[str, int]]:
        """State and :attr:`view` of one moment."""
        with self._lock:
            return self.state, self.view

    def events(self, after: int = 0) -> list[Event]:
        """The events that came since :attr:`counter` was ``after``, in the total order."""
        with self._lock:
            return self._log.events(after)

    def subscribe(self, listener: Callable[[Sequence[Event]], None]) -> Callable[[], None]:
        """Have ``listener`` called with events as they are appended or read; the answer ends that.

        It is called in the thread that appends, which waits for it, in the order in which events come.
        """
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def refresh(self) -> list[Event]:
        """Read what others have appended since, and videos and settings; the new events."""
        with self._lock:
            has_changed = self._file.refresh()
            new = self._log.refresh()
            if new or has_changed:
                self._state = None
            self._tell(new)
        return new

    def append(self, drafts: Sequence[Draft], expect: int | None = None) -> list[Event]:
        """Append events, all or none.

        Args:
            drafts: at least one; what they mean is checked first.
            expect: the :attr:`counter` that the caller has seen.

        Returns:
            The events, once they are on the disk.

        Raises:
            InputError: for a draft that cannot be, or a project that is open read-only.
            ConflictError: if ``expect`` is old.
            OutputError: if the disk is full.
        """
        with self._lock:
            if expect is not None and expect != self.counter:
                raise ConflictError(self.events(expect), self.counter)
            events = self._log.append(complete(drafts, self))
            if self._state is not None:
                self._state = extend(self._state, events)
            self._tell(events)
        return events

    # What annotators do

    def add_object(
        self, name: str = "", category: str = "", color: str | None = None, object_id: int | None = None
    ) -> int:
        """Add an object; its id, by default the smallest that was never used.

        Raises:
            InputError: if there are 254 objects already.
        """
        with self._lock:
            if object_id is None:
                if not (free := self.state.free_ids):
                    raise InputError(f"a project holds at most {MAX_PROJECT_OBJECT} objects")
                object_id = free[0]
            payload = {"object": object_id, "name": name, "category": category, "color": color}
            self.append([Draft("object", payload)])
        return object_id

    def anchor(
        self,
        video: str,
        frame: int,
        object_id: int,
        mask: Mask | None,
        *,
        origin: str = "drawn",
        prompt: Mapping[str, Any] | None = None,
        by: Mapping[str, Any] | None = None,
    ) -> Event:
        """Say what the mask of an object in a frame is, whatever any tracker says.

        Args:
            mask: (H, W) bool; None, or an empty one: the object is absent.
            origin: how it came about: one of :data:`vos.projects.events.ORIGINS`.
            prompt: points, box or strokes that it was made of, for the record.
            by: the model that made it, for the record.

        Raises:
            InputError: for an unknown video, frame or object, or a mask of another size.
        """
        payload: dict[str, Any] = {"video": video, "frame": frame, "object": object_id, "origin": origin}
        digest = None if mask is None else self.put_mask(video, mask)
        payload["mask"] = digest if mask is not None and mask.any() else None
        payload |= {key: dict(value) for key, value in (("prompt", prompt), ("by", by)) if value is not None}
        return self.append([Draft("anchor", payload)])[0]

    def put_mask(self, video: str, mask: Mask) -> str:
        """Store a mask, to be named by an ``anchor`` event; its digest.

        Raises:
            InputError: if it is not as large as the frames, or the project is open read-only.
        """
        self._log.check_open()
        check_mask(mask, self.video(video))
        return self.blobs.put_mask(mask)

    def review(
        self,
        video: str,
        first: int,
        last: int,
        state: str,
        objects: Sequence[int] | None = None,
        note: str = "",
    ) -> Event:
        """Accept, reject or reopen what is shown in ``first`` to ``last``.

        Args:
            state: ``accepted`` locks the masks as they are, ``rejected`` marks them, ``open`` undoes both.
            objects: ids; None for all that are visible.
        """
        payload: dict[str, Any] = {"video": video, "first": first, "last": last, "state": state}
        payload |= {} if objects is None else {"objects": list(objects)}
        payload |= {"note": note} if note else {}
        return self.append([Draft("review", payload)])[0]

    def undo(self, event_id: str | None = None) -> list[Event]:
        """Undo an event, by default this writer's last action; the events appended, none if there is none."""
        done = self.history.done
        ids = (event_id,) if event_id else (done[-1] if done else ())
        return self.append(undo_drafts(ids)) if ids else []

    def redo(self) -> list[Event]:
        """Redo what :meth:`undo` undid last; the events appended, none if there is nothing to redo."""
        undone = self.history.undone
        return self.append(undo_drafts(undone[-1])) if undone else []

    @property
    def history(self) -> History:
        """What this writer can undo and redo."""
        with self._lock:
            return history(self._log.own)

    # What is shown

    def frame(self, video: str, frame: int) -> FrameResult:
        """All objects of a frame of which something is known, overlaps resolved: what is exported."""
        entry = self.check_frame(video, frame)
        return shown_frame(self.state, self.blobs, video, frame, entry.size)

    def shown(self, video: str, frame: int, object_id: int) -> ShownMask | None:
        """One object's own mask in a frame, before overlaps; None where nothing is known."""
        entry = self.check_frame(video, frame)
        return shown_mask(self.state, self.blobs, video, frame, object_id, entry.size)

    def check_frame(self, video: str, frame: int) -> ProjectVideo:
        """The video, if it has such a frame.

        Raises:
            InputError: naming the frames that there are.
        """
        entry = self.video(video)
        if not 0 <= frame < entry.frames:
            raise InputError(f"frame {frame} of {video!r}: it has the frames 0 to {entry.frames - 1}")
        return entry

    def _tell(self, events: Sequence[Event]) -> None:
        for listener in list(self._listeners) if events else ():
            listener(events)
