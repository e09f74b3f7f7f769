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
        if all(event.kind == "undo" for event in batch):
            of = tuple(event.payload["of"] for event in batch)
            if of in undone:
                undone.remove(of)
                done.append(target.get(of, ids))
            else:
                if of in done:
                    done.remove(of)
                    target[ids] = of
                undone.append(ids)
        elif batch[0].kind in ACTIONS or batch[0].kind == "undo":
            done.append(ids)
            undone.clear()
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
