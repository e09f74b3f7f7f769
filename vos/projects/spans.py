"""Values over ranges of frames: an immutable map from frame index to value, kept as runs of equal values."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Span(Generic[T]):
    """The frames ``first`` to ``last``, both included, and their common value."""

    first: int
    last: int
    value: T


@dataclass(frozen=True)
class SpanMap(Generic[T]):
    """Frame index -> value, where set. Two maps are equal exactly if all their frames are.

    >>> spans = SpanMap().set(0, 9, "a").set(4, 5, "b")
    >>> [(span.first, span.last, span.value) for span in spans]
    [(0, 3, 'a'), (4, 5, 'b'), (6, 9, 'a')]
    >>> spans.get(5), spans.get(10)
    ('b', None)
    """

    spans: tuple[Span[T], ...] = ()
    """In order, without overlaps; neighbours that touch have different values."""

    @classmethod
    def of(cls, spans: Iterable[Span[T]]) -> SpanMap[T]:
        """A map of spans that do not overlap, in any order."""
        return cls(_joined(spans))

    def __iter__(self) -> Iterator[Span[T]]:
        return iter(self.spans)

    def __len__(self) -> int:
        return len(self.spans)

    def get(self, frame: int) -> T | None:
        """The value at a frame, None where none is set."""
        position = bisect_right(self.spans, frame, key=lambda span: span.first) - 1
        if position < 0 or self.spans[position].last < frame:
            return None
        return self.spans[position].value

    def within(self, first: int, last: int) -> Iterator[Span[T]]:
        """The spans that meet ``first`` to ``last``, cut to it."""
        low, high = self._meeting(first, last)
        for span in self.spans[low:high]:
            yield Span(max(span.first, first), min(span.last, last), span.value)

    def set(self, first: int, last: int, value: T | None) -> SpanMap[T]:
        """The same with ``value`` at the frames ``first`` to ``last``; None clears them."""
        if first > last:
            return self
        low, high = self._meeting(first, last)
        parts: list[Span[T]] = []
        if low < high and self.spans[low].first < first:
            parts.append(Span(self.spans[low].first, first - 1, self.spans[low].value))
        if value is not None:
            parts.append(Span(first, last, value))
        if low < high and self.spans[high - 1].last > last:
            parts.append(Span(last + 1, self.spans[high - 1].last, self.spans[high - 1].value))
        # Only the neighbours on both sides can join with what is new: long maps are changed in little time.
        left, right = max(0, low - 1), min(len(self.spans), high + 1)
        parts = [*self.spans[left:low], *parts, *self.spans[high:right]]
        return SpanMap((*self.spans[:left], *_joined(parts), *self.spans[right:]))

    def _meeting(self, first: int, last: int) -> tuple[int, int]:
        """Positions of the spans that meet ``first`` to ``last``: from, and to before."""
        low = bisect_left(self.spans, first, key=lambda span: span.last)
        return low, max(low, bisect_right(self.spans, last, key=lambda span: span.first))


def gaps(first: int, last: int, taken: SpanMap[T]) -> Iterator[tuple[int, int]]:
    """The longest ranges of ``first`` to ``last`` in which nothing is set."""
    start = first
    for span in taken.within(first, last):
        if span.first > start:
            yield start, span.first - 1
        start = span.last + 1
    if start <= last:
        yield start, last


def _joined(spans: Iterable[Span[T]]) -> tuple[Span[T], ...]:
    joined: list[Span[T]] = []
    for span in sorted(spans, key=lambda span: span.first):
        if joined and joined[-1].last + 1 == span.first and joined[-1].value == span.value:
            joined[-1] = Span(joined[-1].first, span.last, span.value)
        else:
            joined.append(span)
    return tuple(joined)
