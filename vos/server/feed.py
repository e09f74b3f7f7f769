"""What happens, as a stream of server-sent events to every open page."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any

from ..projects.events import Event

PING = 15.0
"""Seconds between two signs of life."""
WAITING = 1000
"""Messages a page may be behind; then its stream ends, and it asks for what it missed."""

Queue = asyncio.Queue[bytes | None]

_HEAVY = {"tracked": ("pieces", "signals", "view", "engine"), "review": ("pins",)}
"""Kind -> fields that are for the store and not for pages."""


def describe_event(event: Event) -> dict[str, Any]:
    """An event as JSON for pages."""
    left_out = _HEAVY.get(event.kind, ())
    entry = {key: value for key, value in event.as_dict().items() if key not in left_out}
    if "by" in entry:
        entry["by"] = {key: value for key, value in entry["by"].items() if key == "name"}  # as pages send it
    return entry


def message(kind: str, data: Mapping[str, Any], number: int | None = None) -> bytes:
    """One message of a stream."""
    head = f"id: {number}\n" if number is not None else ""
    body = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return f"{head}event: {kind}\ndata: {body}\n\n".encode()


class Feed:
    """Sends messages from any thread to all streams."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._queues: set[Queue] = set()
        self._is_open = True

    def attach(self) -> None:
        """Take the running event loop; before that there are no listeners."""
        self._loop = asyncio.get_running_loop()

    def publish(self, kind: str, data: Mapping[str, Any], number: int | None = None) -> None:
        """Send a message to all streams."""
        self._call(self._deliver, message(kind, data, number))

    def close(self) -> None:
        """End all streams."""
        self._call(self._end)

    def _call(self, function: Callable[..., None], *arguments: Any) -> None:
        """In the event loop, where all streams are."""
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and with it all listeners
                self._loop.call_soon_threadsafe(function, *arguments)

    def _end(self) -> None:
        self._deliver(message("bye", {}))
        self._deliver(None)
        self._is_open = False  # not before: a stream that is not waiting would end without these

    def _deliver(self, item: bytes | None) -> None:
        for queue in list(self._queues):
            if queue.full():  # far behind: it ends, and its page asks again
                self._queues.discard(queue)
                while not queue.empty():
                    queue.get_nowait()
                queue.put_nowait(None)
            else:
                queue.put_nowait(item)

    @contextlib.contextmanager
    def subscription(self) -> Iterator[Queue]:
        """A queue that gets every message from now on; None ends it."""
        queue: Queue = asyncio.Queue(WAITING)
        self._queues.add(queue)
        try:
            yield queue
        finally:
            self._queues.discard(queue)

    async def follow(self, queue: Queue, first: Sequence[bytes]) -> AsyncIterator[bytes]:
        """The messages of a queue after these, with signs of life."""
        for item in first:
            yield item
        while self._is_open or not queue.empty():
            try:
                found = await asyncio.wait_for(queue.get(), PING)
            except TimeoutError:
                yield message("ping", {})
                continue
            if found is None:
                return
            yield found
