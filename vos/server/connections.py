"""Connections that wait, for a request or for an answer to be taken, end after a while.

Anybody on this machine can open them, without a session: who asks nothing, or never reads, must not hold one.
"""

from __future__ import annotations

import asyncio
import math

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_TIME = 10.0
"""Seconds for the head of a request, from the beginning of the connection or the end of the last answer."""
READING_TIME = 60.0
"""Seconds in which a part of a waiting answer has to be taken. The system takes megabytes before they are
read, and more only when much of that is gone, so that this is long enough for slow lines."""


class TimedProtocol(H11Protocol):
    """HTTP with limits on the time that a request takes to begin, and that nothing of an answer is taken."""

    _timer: asyncio.TimerHandle
    _unread: float = math.inf
    """Bytes of answers that waited when the timer last ended; infinite if there were more since."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(REQUEST_TIME, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._timer.cancel()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """See asyncio."""
        self._unread = math.inf
        super().pause_writing()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        self._begin_anew()
        super().on_response_complete()  # the next request may be here already

    def _begin_anew(self) -> None:
        self._unread = math.inf
        self._timer.cancel()
        self._timer = self.loop.call_later(REQUEST_TIME, self._look)

    def _look(self) -> None:
        unread = self.transport.get_write_buffer_size()
        is_answering = self.cycle is not None and not self.cycle.response_complete
        is_stopped = self.flow.write_paused or self.transport.is_closing() or not is_answering
        if unread and is_stopped:  # nothing is added to it
            if unread >= self._unread:
                self.transport.abort()  # close() would wait until it is read
                return
            self._unread = unread
            self._timer = self.loop.call_later(READING_TIME, self._look)
        elif is_answering:
            self._begin_anew()
        else:
            self.transport.close()
