"""Connections that wait for a request are closed after a while: nobody can hold them all."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_TIME = 10.0
"""Seconds for the head of a request, from the beginning of the connection or the end of the last answer."""


class TimedProtocol(H11Protocol):
    """HTTP with a limit on the time that a request takes to begin; uvicorn has one between requests only."""

    _waiting: asyncio.TimerHandle

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio."""
        self._waiting.cancel()
        super().connection_lost(exc)

    def handle_events(self) -> None:
        """See uvicorn."""
        super().handle_events()
        if self.cycle is not None and not self.cycle.response_complete:
            self._waiting.cancel()

    def on_response_complete(self) -> None:
        """See uvicorn."""
        self._waiting.cancel()
        self._wait()
        super().on_response_complete()  # the next request may be here already

    def _wait(self) -> None:
        self._waiting = self.loop.call_later(REQUEST_TIME, self.transport.close)
