"""Maps from ranges of frames to values."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from vos.projects.spans import SpanMap, gaps

LAST = 9
SETS = st.lists(st.tuples(st.integers(0, LAST), st.integers(0, LAST), st.sampled_from([None, "a", "b"])))


@given(SETS)
def test_a_span_map_is_a_dictionary_by_frame(changes: list[tuple[int, int, str | None]]) -> None:
    """Whatever is set in whatever order; equal contents are equal maps."""
    spans, truth = SpanMap[str](), {}
    for a, b, value in changes:
        first, last = min(a, b), max(a, b)
        spans = spans.set(first, last, value)
        truth |= dict.fromkeys(range(first, last + 1), value)
    assert [spans.get(frame) for frame in range(LAST + 1)] == [truth.get(f) for f in range(LAST + 1)]
    again = SpanMap[str]()
    for frame, value in truth.items():
        again = again.set(frame, frame, value)
    assert spans == again
    free = {frame for first, last in gaps(2, 7, spans) for frame in range(first, last + 1)}
    assert free == {frame for frame in range(2, 8) if truth.get(frame) is None}
    cut = {f: span.value for span in spans.within(2, 7) for f in range(span.first, span.last + 1)}
    assert cut == {f: value for f, value in truth.items() if 2 <= f <= 7 and value is not None}


def test_gaps_of_one_frame_are_gaps() -> None:
    """At either end and between; none where all is set."""
    spans = SpanMap[str]().set(3, 4, "a").set(6, 8, "b")
    assert list(gaps(2, 9, spans)) == [(2, 2), (5, 5), (9, 9)]
    assert list(gaps(3, 8, spans)) == [(5, 5)]
    assert list(gaps(6, 8, spans)) == []
    assert list(gaps(0, 3, SpanMap[str]())) == [(0, 3)]
