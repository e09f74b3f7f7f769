"""Numbers of objects, where annotators gave one number to two objects without knowing of each other.

An object is the event that added it; its number is what people see, and what events say. Who comes later in
the total order gets another number for its object, the smallest that was not asked for. What an event means
by a number is what its writer saw when it was written, so that events never change hands.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from ..errors import InputError
from .events import KINDS, MAX_PROJECT_OBJECT, Draft, Event

E = TypeVar("E", Event, Draft)
Numbers = Mapping[int, int]
"""Number in an event -> number of the object."""


@dataclass(frozen=True)
class Renumbered:
    """An object that has another number than the one it was added with."""

    object_id: int
    event: str
    """Id of the event that added it."""
    asked: int
    """The number in that event."""


def renumbered(ordered: Sequence[Event]) -> tuple[Sequence[Event], tuple[Renumbered, ...]]:
    """Events with every object under a number of its own, and the objects whose numbers that changes.

    Args:
        ordered: in the total order.
    """
    claims = _Claims()
    for event in ordered:
        if event.kind == "object" and event.payload["object"] not in claims.seen_by(event):
            claims.add(event)
    final = claims.numbers(tuple(claims.events))
    changed = tuple(
        Renumbered(number, added.id, added.payload["object"])
        for number, added in sorted(final.items())
        if number != added.payload["object"]
    )
    if not changed:
        return ordered, ()
    number_of = {added.id: number for number, added in final.items()}
    result = []
    for event in ordered:
        seen = claims.seen_by(event)
        if event.id in number_of:
            seen = {**seen, event.payload["object"]: event}
        moved = {k: number_of[a.id] for k, a in seen.items() if number_of.get(a.id, k) != k}
        result.append(_with_numbers(event, moved) if moved and event.kind in KINDS else event)
    return result, changed


def with_current_numbers(draft: Draft, added: Mapping[int, str]) -> Draft:
    """A checked draft about the objects that its writer means, under the numbers that they have.

    Args:
        added: number -> id of the event that added the object.

    Raises:
        InputError: for an event that added no object.
    """
    number_of = {event: number for number, event in added.items()}
    for event in draft.objects.values():
        if event not in number_of:
            raise InputError(f"event {event!r} added no object; those of the project: {', '.join(number_of)}")
    moved = {number: number_of[event] for number, event in draft.objects.items()}
    return _with_numbers(draft, moved)


class _Claims:
    """The events that add objects, and the numbers that follow for whoever knows some of them."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        """In the total order."""
        self._by_writer: dict[str, list[int]] = {}
        """Writer -> numbers of its events that add objects."""
        self._cache: dict[tuple[tuple[str, int], ...], dict[int, Event]] = {}

    def add(self, event: Event) -> None:
        self.events.append(event)
        self._by_writer.setdefault(event.writer, []).append(event.number)

    def seen_by(self, event: Event) -> Mapping[int, Event]:
        """Number -> the event that added the object which the writer of ``event`` means by it."""
        # A tracking job means what it saw when it began, not when its results were written.
        view = event.payload.get("view") if event.kind == "tracked" else None
        known = view or {**event.seen, event.writer: event.number - 1}
        key = tuple(
            (writer, bisect_right(numbers, known.get(writer, 0)))
            for writer, numbers in self._by_writer.items()
        )
        if key not in self._cache:
            latest = {writer: self._by_writer[writer][count - 1] for writer, count in key if count}
            self._cache[key] = self.numbers([e for e in self.events if e.number <= latest.get(e.writer, 0)])
        return self._cache[key]

    def numbers(self, events: Sequence[Event]) -> dict[int, Event]:
        """Number -> the event that added its object. With more objects than numbers some share one."""
        first: dict[int, Event] = {}
        others = []
        for event in events:
            if first.setdefault(event.payload["object"], event) is not event:
                others.append(event)
        free = (k for k in range(1, MAX_PROJECT_OBJECT + 1) if k not in first)
        return {**first, **dict(zip(free, others, strict=False))}


def _one(object_id: int, numbers: Numbers) -> int:
    return numbers.get(object_id, object_id)


def _several(object_ids: Sequence[int], numbers: Numbers) -> list[int]:
    return [_one(object_id, numbers) for object_id in object_ids]


def _keys(values: Mapping[str, Any], numbers: Numbers) -> dict[str, Any]:
    return {str(_one(int(object_id), numbers)): value for object_id, value in values.items()}


def _pins(values: Mapping[str, Any], numbers: Numbers) -> dict[str, Any]:
    return {
        object_id: [[first, last, event, _one(of, numbers)] for first, last, event, of in pins]
        for object_id, pins in _keys(values, numbers).items()
    }


_NAMES: dict[str, Callable[[Any, Numbers], Any]] = {
    "object": _one,
    "a": _one,
    "b": _one,
    "objects": _several,
    "pins": _pins,
}
_NAMES_OF_KIND: dict[str, dict[str, Callable[[Any, Numbers], Any]]] = {
    "move": {"from": _one, "to": _one},
    "tracked": {"from": _keys, "switch": _keys, "pieces": _keys, "signals": _keys},
}
"""Field of a payload -> what changes the objects in it."""


def _with_numbers(event: E, numbers: Numbers) -> E:
    names = _NAMES | _NAMES_OF_KIND.get(event.kind, {})
    changed = {name: names[name](value, numbers) for name, value in event.payload.items() if name in names}
    return replace(event, payload={**event.payload, **changed})
