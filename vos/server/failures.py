"""Errors as answers: a status, a kind for programs and a message for people."""

from __future__ import annotations

import logging
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from ..errors import InputError, MediaError, ModelError, VosError
from ..projects.events import ConflictError
from .feed import describe_event

logger = logging.getLogger(__name__)

_BY_CLASS: tuple[tuple[type[VosError], int, str], ...] = (
    (InputError, 400, "usage"),
    (MediaError, 422, "media"),
    (ModelError, 503, "busy"),
    (VosError, 500, "internal"),
)
_UNREAD = (408, 413)
_BY_STATUS = {400: "usage", 404: "unknown", 405: "method", 413: "large"}


class Refusal(Exception):
    """A request that is refused with a status of its own."""

    def __init__(self, status: int, kind: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind


def failure(status: int, kind: str, message: str, **more: Any) -> JSONResponse:
    """The answer to what went wrong. Where a part of the body was not read, the connection ends."""
    headers = {"Connection": "close"} if status in _UNREAD else None
    return JSONResponse({"error": {"kind": kind, "message": message}, **more}, status, headers)


def describe(error: VosError) -> tuple[int, str, str]:
    """Status, kind and message of an error of the library."""
    status, kind = next((s, k) for cls, s, k in _BY_CLASS if isinstance(error, cls))
    return status, kind, str(error)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, Refusal)
    return failure(error.status, error.kind, str(error))


async def _conflict(request: Request, error: Exception) -> Response:
    assert isinstance(error, ConflictError)
    events = [describe_event(event) for event in error.events]
    return failure(409, "conflict", str(error), counter=error.counter, events=events)


async def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, VosError)
    return failure(*describe(error))


async def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    kind = _BY_STATUS.get(error.status_code, "usage")
    texts = {404: "there is nothing at this address", 405: f"{request.method} is not allowed here"}
    return failure(error.status_code, kind, texts.get(error.status_code, str(error.detail)))


async def _internal(request: Request, error: Exception) -> Response:
    logger.error("%s %s: %r", request.method, request.url.path, error, exc_info=error)
    return failure(500, "internal", f"internal error: {type(error).__name__}; the server's log says more")


HANDLERS: dict[Any, Any] = {
    Refusal: _refused,
    ConflictError: _conflict,
    VosError: _known,
    HTTPException: _http,
    Exception: _internal,
}
"""Class of exception -> what answers it."""
