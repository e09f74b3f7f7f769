"""The journals of a project: all are read, one is written to."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from ..errors import InputError
from .events import Draft, Event, now
from .journal import JOURNALS, SUFFIX, JournalWriter, journal_paths, read_journal

logger = logging.getLogger(__name__)


class EventLog:
    """The events of all writers. It is not safe to use from several threads at once.

    Args:
        folder: of the project.
        writer: whose journal is written to.
        read_only: write nothing.

    Raises:
        InputError: if another process writes as the same annotator.
        JournalError: if a journal is damaged.
    """

    def __init__(self, folder: Path, writer: str, *, read_only: bool) -> None:
        self.folder = folder / JOURNALS
        self.writer = writer
        self._events: dict[str, list[Event]] = {}
        self._sizes: dict[str, int] = {}
        self._arrived: list[Event] = []
        """All events, in the order in which they were appended or read here."""
        self._journal: JournalWriter | None = None
        if not read_only:
            self._journal = JournalWriter(self.folder / f"{writer}{SUFFIX}")
            self._events[writer] = list(self._journal.events)
            self._arrived += self._journal.events
        self.cut = self._journal.cut if self._journal else 0
        """Bytes of an event that an earlier process was killed in the middle of writing, now cut off."""
        if self.cut:
            logger.warning(
                "%s: %d bytes of an event that was never acknowledged were cut off: "
                "a process was stopped while it wrote",
                self.folder / f"{writer}{SUFFIX}",
                self.cut,
            )

    @property
    def is_open(self) -> bool:
        """Whether events can be appended."""
        return self._journal is not None

    def check_open(self) -> None:
        """InputError unless events can be appended."""
        if self._journal is None:
            raise InputError(f"{self.folder.parent} is open read-only, or closed: nothing can be changed")

    def close(self) -> None:
        """Let go of the journal; idempotent."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    @property
    def counter(self) -> int:
        """Number of events known here."""
        return len(self._arrived)

    @property
    def view(self) -> dict[str, int]:
        """Writer -> number of its events known here."""
        return {name: len(events) for name, events in sorted(self._events.items()) if events}

    @property
    def own(self) -> Sequence[Event]:
        """The events of the writer, in order."""
        return self._events.get(self.writer, ())

    def events(self, after: int = 0) -> list[Event]:
        """The events that came after the first ``after`` that were known here, in the total order."""
        return sorted(self._arrived[max(after, 0) :], key=lambda event: event.order)

    def refresh(self) -> list[Event]:
        """Read what others have appended since; the new events. Of a damaged journal nothing is taken, nor of
        the others."""
        found = []
        for path in journal_paths(self.folder.parent):
            name = path.name.removesuffix(SUFFIX)
            if self._journal is not None and name == self.writer:
                continue
            start = self._sizes.get(name, 0)
            if path.stat().st_size != start:
                found.append((name, read_journal(path, start, len(self._events.get(name, ())))))
        for name, reading in found:
            self._events.setdefault(name, []).extend(reading.events)
            self._arrived.extend(reading.events)
            self._sizes[name] = reading.size
        return [event for _, reading in found for event in reading.events]

    def append(self, drafts: Sequence[Draft]) -> list[Event]:
        """Append events, all or none; they are on the disk when this returns.

        Raises:
            InputError: if the journals are open read-only, or closed.
            OutputError: if the disk is full.
        """
        self.check_open()
        assert self._journal is not None
        seen = {name: count for name, count in self.view.items() if name != self.writer}
        own, time = self._events.setdefault(self.writer, []), now()
        counter = max((events[-1].counter for events in self._events.values() if events), default=0)
        events = [
            Event(
                self.writer,
                len(own) + 1 + row,
                counter + 1 + row,
                draft.kind,
                dict(draft.payload),
                time,
                seen,
                (row, len(drafts)),
            )
            for row, draft in enumerate(drafts)
        ]
        self._journal.append(events)
        own.extend(events)
        self._arrived.extend(events)
        return events
