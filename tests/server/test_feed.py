"""The stream of events: everything in order, signs of life, and an end for those who fall behind."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from vos.server import feed as feeds
from vos.server.feed import Feed, message


def parsed(item: bytes) -> tuple[str, Any, str | None]:
    """Kind, data and id of a message."""
    fields = dict(line.split(": ", 1) for line in item.decode().strip().split("\n"))
    return fields["event"], json.loads(fields["data"]), fields.get("id")


def run(coroutine: Any) -> Any:
    """In an event loop of its own, with a limit."""
    return asyncio.run(asyncio.wait_for(coroutine, 20))


def test_messages_arrive_in_order_at_every_stream() -> None:
    """From another thread, after what was missed; ``bye`` is the last."""

    async def scenario() -> list[list[bytes]]:
        feed = Feed()
        feed.attach()

        async def page() -> list[bytes]:
            with feed.subscription() as queue:
                return [item async for item in feed.follow(queue, [message("event", {"counter": 1}, 1)])]

        pages = [asyncio.create_task(page()) for _ in range(2)]
        await asyncio.sleep(0)
        for number in (2, 3):
            await asyncio.to_thread(feed.publish, "event", {"text": "two\nlines \u2028 é"}, number)
        await asyncio.to_thread(feed.close)
        return await asyncio.gather(*pages)

    for items in run(scenario()):
        found = [parsed(item) for item in items]
        assert [kind for kind, _, _ in found] == ["event", "event", "event", "bye"]
        assert [number for _, _, number in found] == ["1", "2", "3", None]
        assert found[1][1] == {"text": "two\nlines \u2028 é"}


def test_a_silent_stream_shows_that_it_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that a page knows a dead server from a quiet one."""
    monkeypatch.setattr(feeds, "PING", 0.01)

    async def scenario() -> bytes:
        feed = Feed()
        feed.attach()
        with feed.subscription() as queue:
            return await anext(feed.follow(queue, []))

    assert parsed(run(scenario())) == ("ping", {}, None)


def test_who_falls_behind_starts_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its stream ends, and the others go on: the page asks for what it missed by the last counter."""
    monkeypatch.setattr(feeds, "WAITING", 3)

    async def scenario() -> tuple[list[bytes], int]:
        feed = Feed()
        feed.attach()
        with feed.subscription() as slow, feed.subscription() as quick:
            seen = 0
            for number in range(6):
                feed.publish("event", {}, number)
                await asyncio.sleep(0)
                while not quick.empty():
                    quick.get_nowait()
                    seen += 1
            return [item async for item in feed.follow(slow, [])], seen

    behind, seen = run(scenario())
    assert behind == []
    assert seen == 6


def test_nobody_listens_before_and_after() -> None:
    """Publishing is no error then, and who listens between gets nothing of it."""
    feed = Feed()
    feed.publish("event", {"counter": 1})

    async def scenario() -> list[bytes]:
        feed.attach()
        with feed.subscription() as queue:
            feed.publish("event", {"counter": 2})
            feed.close()
            return [item async for item in feed.follow(queue, [])]

    found = [parsed(item) for item in run(scenario())]
    assert found == [("event", {"counter": 2}, None), ("bye", {}, None)]
    feed.publish("event", {"counter": 3})
    feed.close()
