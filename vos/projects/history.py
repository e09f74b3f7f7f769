"""Undo and redo: which of a writer's actions comes next."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .events import Draft, Event

ACTIONS = frozenset(
    {"object", "remove", "anchor", "unanchor", "review", "swap", "move", "hide", "assign", "import"}
)
"""What people do. Results of tracking go and come back with the anchors that they were tracked from."""


@dataclass(frozen=True)
class History:
    """The actions of one writer: each the ids of the events that were appended together."""

    done: tuple[tuple[str, ...], ...]
    """What can be undone, the newest last."""
    undone: tuple[tuple[str, ...], ...]
    """``undo`` events that can themselves be undone, the newest last."""


def history(events: Iterable[Event]) -> History:
    """What a writer can undo and redo, given the events of its journal in order."""
    done: list[tuple[str, ...]] = []
    undone: list[tuple[str, ...]] = []
    target: dict[tuple[str, ...], tuple[str, ...]] = {}
    for batch in _batches(events):
        ids = tuple(event.id for event in batch)
        if batch[0].kind in ACTIONS:
            done.append(ids)
            undone.clear()
        elif batch[0].kind == "undo":
            of = tuple(event.payload["of"] for event in batch)
            if of in done:
                done.remove(of)
                undone.append(ids)
                target[ids] = of
            elif of in undone:
                undone.remove(of)
                done.append(target[of])
    return History(tuple(done), tuple(undone))


def undo_drafts(ids: Sequence[str]) -> list[Draft]:
    """The events that undo these."""
    return [Draft("undo", {"of": event_id}) for event_id in ids]


def _batches(events: Iterable[Event]) -> Iterable[list[Event]]:
    batch: list[Event] = []
    for event in events:
        if event.batch[0] == 0:
            batch = []
        batch.append(event)
        if event.batch[0] == event.batch[1] - 1:
            yield batch
