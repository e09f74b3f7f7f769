"""Bodies of requests: bounded in size and time, and of the type that is expected."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import AsyncIterator, Mapping
from typing import Any, NoReturn

from starlette.requests import ClientDisconnect, Request

from .failures import Refusal

JSON_BYTES = 1 << 20
MASK_BYTES = 64 << 20
VIDEO_BYTES = 4 << 30
PATIENCE = 30.0
"""Seconds for a whole small body, or between two pieces of a large one."""


async def chunks(request: Request, limit: int) -> AsyncIterator[bytes]:
    """The body in pieces.

    Raises:
        Refusal: 413 for more than ``limit`` bytes, early where ``Content-Length`` says so; 408 for a pause of
            more than :data:`PATIENCE`.
    """
    declared = request.headers.get("content-length", "0")
    if not declared.isdecimal() or int(declared) > limit:
        raise _too_large(limit)
    stream = aiter(request.stream())
    received = 0
    while True:
        try:
            chunk = await asyncio.wait_for(anext(stream), PATIENCE)
        except StopAsyncIteration:
            return
        except TimeoutError as error:
            raise _too_slow() from error
        except ClientDisconnect as error:
            raise Refusal(400, "usage", "the body was cut short") from error
        received += len(chunk)
        if received > limit:
            raise _too_large(limit)
        yield chunk


async def read_body(request: Request, limit: int) -> bytes:
    """The whole body.

    Raises:
        Refusal: as :func:`chunks`; 408 where all of it takes longer than :data:`PATIENCE`.
    """
    try:
        async with asyncio.timeout(PATIENCE):
            return b"".join([chunk async for chunk in chunks(request, limit)])
    except TimeoutError as error:
        raise _too_slow() from error


async def read_json(request: Request, fields: Mapping[str, tuple[type, ...]]) -> dict[str, Any]:
    """The JSON object of the body, with ``fields`` only; those that are missing are None.

    Raises:
        Refusal: 400 for anything else; as :func:`read_body`.
    """
    data = await read_body(request, JSON_BYTES)
    try:
        content = json.loads(data or b"{}", parse_constant=_no_constant, parse_float=_finite)
        json.dumps(content, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise Refusal(400, "usage", f"the body is not JSON: {error}") from error
    if not isinstance(content, dict):
        raise Refusal(400, "usage", "the body must be a JSON object")
    for name, value in content.items():
        if name not in fields:
            known = ", ".join(fields) or "none"
            raise Refusal(400, "usage", f"unknown field {name!r}; known: {known}")
        if value is not None and type(value) not in fields[name]:
            names = " or ".join(_NAMES[kind] for kind in fields[name])
            raise Refusal(400, "usage", f"{name!r} must be {names}, got {value!r}")
    return {name: content.get(name) for name in fields}


TEXT, WHOLE, FLAG, LIST, OBJECT = (str,), (int,), (bool,), (list,), (dict,)
NUMBER = (float, int)
_NAMES = {
    str: "text",
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
}


def is_number(text: str) -> bool:
    """Whether it is a whole number of at most nine digits."""
    return text.isascii() and text.isdecimal() and len(text) < 10


def query_number(request: Request, name: str, default: int | None = None) -> int:
    """A whole number of the query.

    Raises:
        Refusal: 400 if it is missing and there is no default, or is none.
    """
    text = request.query_params.get(name)
    if text is None and default is not None:
        return default
    if text is None or not is_number(text):
        raise Refusal(400, "usage", f"{name}={text or ''}: a whole number is needed")
    return int(text)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_constant(text)


def _too_large(limit: int) -> Refusal:
    return Refusal(413, "large", f"the body is too large: at most {limit} bytes")


def _too_slow() -> Refusal:
    return Refusal(408, "slow", f"the body did not come within {PATIENCE:.0f} seconds")
