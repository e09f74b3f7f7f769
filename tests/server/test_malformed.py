"""Whatever is sent, the answer is one of those that are described, and never an internal error."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from starlette.testclient import TestClient

from .conftest import CLIP, FRAMES

pytestmark = pytest.mark.slow
VIDEO = f"/api/videos/{CLIP}"
FUZZ = settings(
    max_examples=100,
)

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 300),
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from([CLIP, "shown", "none", "brush", "polygon", "AAAA", "accepted", "0" * 64]),
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


def body(*names: str) -> Any:
    """Objects with some of these fields, holding anything."""
    return st.dictionaries(st.sampled_from(names), ANYTHING, max_size=len(names))


POINTS = st.lists(st.lists(SCALARS, min_size=1, max_size=3), max_size=4)
STROKE = st.fixed_dictionaries(
    {}, optional={"tool": SCALARS, "points": st.one_of(ANYTHING, POINTS), "size": ANYTHING}
)
NAMES = (
    *("object", "name", "color", "video", "frame", "mask", "first", "last", "a", "b"),
    *("from", "to", "state", "objects", "of", "prompt", "origin"),
)
EVENT = st.fixed_dictionaries(
    {
        "kind": st.sampled_from(
            ["object", "remove", "anchor", "unanchor", "review", "swap", "move", "hide", "undo"]
        )
    },
    optional={name: st.one_of(ANYTHING, st.integers(0, FRAMES), st.just(CLIP)) for name in NAMES},
)


def check(answer: Any) -> None:
    """An answer that is described."""
    assert answer.status_code in (200, 202, 204, 400, 403, 404, 409, 422), (answer.status_code, answer.text)
    if answer.status_code >= 400:
        assert answer.json()["error"]["message"]


@FUZZ
@given(st.fixed_dictionaries({"events": st.lists(st.one_of(EVENT, ANYTHING), max_size=3)}))
def test_events(client: TestClient, content: dict[str, Any]) -> None:
    """Every field of every kind; the project can be read after each."""
    check(client.post("/api/events", json=content))
    check(client.get("/api/project"))
    check(client.get(f"{VIDEO}/strip"))
    check(client.get(f"{VIDEO}/masks?first=0&last={FRAMES - 1}"))
    check(client.get("/api/queue"))


@FUZZ
@given(body("frame", "object", "points", "labels", "box", "rough", "refine", "seq"), POINTS)
def test_prompts(client: TestClient, content: dict[str, Any], points: Any) -> None:
    """Prompts of any form."""
    check(client.post(f"{VIDEO}/decode", json=content))
    given = {"frame": 0, "object": 1, "points": points, "labels": [1] * len(points)}
    check(client.post(f"{VIDEO}/decode", json={**given, **content}))


@FUZZ
@given(st.lists(STROKE, max_size=3), body("base", "fill_holes", "object"))
def test_strokes(client: TestClient, strokes: Any, content: dict[str, Any]) -> None:
    """Strokes of any form."""
    check(client.post(f"{VIDEO}/draw", json={"frame": 0, "strokes": strokes, **content}))


@FUZZ
@given(body("model", "memory"), body("below", "video"), body("path", "key"), ANYTHING)
def test_the_rest(
    client: TestClient, changed: dict[str, Any], accepted: dict[str, Any], path: dict[str, Any], text: Any
) -> None:
    """Everything else that takes JSON, and numbers in addresses."""
    answer = client.post("/api/settings", json=changed)
    assert answer.status_code in (200, 400, 503)
    check(client.post("/api/accept", json=accepted))
    check(client.post("/api/videos", json=path))
    check(client.post(f"{VIDEO}/prepare", json={"frame": text}))
    for query in ("masks?first={}&last=3", "frames/0.jpg?w={}", "frames/0.jpg?d={}"):
        check(client.get(f"{VIDEO}/{query.format(quote(str(text)))}"))
    for query in ("queue?items={}", "queue?video={}", "queue?order={}"):
        check(client.get(f"/api/{query.format(quote(str(text)))}"))


@FUZZ
@given(st.binary(max_size=200), st.sampled_from(["image/png", "application/x-vos-runs", ""]), st.booleans())
def test_masks(client: TestClient, data: bytes, media_type: str, with_head: bool) -> None:
    """Bytes of any kind, with and without a proper beginning."""
    head = {"image/png": b"\x89PNG\r\n\x1a\n", "application/x-vos-runs": b"VRL1"}.get(media_type, b"")
    content = head + data if with_head else data
    check(client.post(f"{VIDEO}/masks/0/1", content=content, headers={"Content-Type": media_type}))
