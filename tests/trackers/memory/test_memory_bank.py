"""What the memory of one object keeps, attends and forgets."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from vos.trackers.memory.bank import Bank, MemoryEntry


def entry(number: float, *, with_memory: bool = False) -> MemoryEntry:
    """An entry that can be told by its score."""
    memory = torch.full((1, 2), number, dtype=torch.bfloat16) if with_memory else None
    return MemoryEntry(number, 0.5, torch.zeros(3), memory, torch.ones(2, 2))


def bank(times: range, **options: object) -> Bank:
    """With a prompt at each of these times."""
    made = Bank(**options)
    for t in times:
        made.condition(t, entry(t))
    return made


@pytest.mark.parametrize(
    ("t", "keep_first", "attended"),
    [
        (35, True, [0, 30, 40]),  # the first, the nearest before, the nearest after
        (40, True, [0, 30, 40]),  # one at this time counts as after it
        (99, True, [0, 50, 40]),
        (35, False, [30, 40, 20]),
        (0, False, [0, 10, 20]),
    ],
)
def test_conditioning_frames_that_are_attended(t: int, keep_first: bool, attended: list[int]) -> None:
    made = Bank(max_conditioning=3, keep_first=keep_first, first=0)
    times = range(0, 60, 10)
    assert made.attended_conditioning(t, times) == attended
    assert Bank(max_conditioning=None).attended_conditioning(t, times) == list(times)
    assert made.attended_conditioning(t, [7, 3]) == [7, 3]


def test_a_bounded_bank_keeps_the_prompts_it_will_attend() -> None:
    """The newest is never the one to go."""
    for most, kept in ((3, [0, 40, 50]), (2, [0, 50]), (1, [50])):
        assert list(bank(range(0, 60, 10), max_conditioning=most).conditioning) == kept
        assert list(bank(range(0, -60, -10), max_conditioning=most).conditioning) == [-k for k in kept]
    assert len(bank(range(0, 60, 10), max_conditioning=3, bounded=False).conditioning) == 6
    assert bank(range(5, 9)).first == 5


def test_a_prompt_replaces_what_was_tracked_and_ends_the_competition() -> None:
    made = Bank(rivals=(Bank(),), log_score=-2.0)
    made.track(4, entry(4), 1)
    made.condition(4, entry(40))
    assert (list(made.tracked), made.conditioning[4].score) == ([], 40)
    assert (made.rivals, made.log_score) == ((), 0.0)


def test_a_bounded_bank_keeps_no_logits_of_tracked_frames() -> None:
    """They are there for prompts of the same frame, and are forgotten before the next."""
    for bounded in (True, False):
        made = Bank(bounded=bounded)
        made.track(1, entry(1), -1)
        assert made.tracked[1].low_res is not None
        made.forget(1, memories={1}, pointers={1})
        assert (made.tracked[1].low_res is None) is bounded
        assert made.passed == {1: -1}


def test_frames_around_a_correction_are_forgotten() -> None:
    """Those at most so far away, on both sides."""
    made = Bank()
    for t in range(10):
        made.track(t, entry(t), 1)
    made.clear_around(5, 2)
    assert list(made.tracked) == [0, 1, 2, 8, 9]


def test_what_no_later_frame_attends_is_dropped() -> None:
    """Memories and pointers by themselves; the direction of prompts and of the newest frame stays known."""
    made = bank(range(1))
    made.pass_through(0, 1)
    for t in range(1, 6):
        made.track(t, entry(t, with_memory=True), 1)
    unbounded = replace(made.copy(), bounded=False)
    made.forget(5, memories={4, 5}, pointers={2, 4})
    assert {t: e.memory is not None for t, e in made.tracked.items()} == {2: False, 4: True, 5: True}
    assert made.passed == {0: 1, 5: 1}
    unbounded.forget(5, memories={4, 5}, pointers=set())
    assert len(unbounded.tracked) == 5


def test_the_newest_frames_are_noted() -> None:
    """One more than the limit: the frame itself, and this many before it; without memories."""
    made = Bank()
    for t in range(5):
        made.note(t, entry(t, with_memory=True), 2)
    assert [t for t, _ in made.history] == [2, 3, 4]
    assert all(found.memory is None for _, found in made.history)


def test_a_turn_keeps_prompts_alone() -> None:
    made = bank(range(2))
    made.track(2, entry(2), 1)
    made.turn()
    assert (list(made.tracked), list(made.conditioning)) == ([], [0, 1])


def test_a_copy_changes_by_itself_and_a_saved_bank_comes_back() -> None:
    """Half-precision memories to the bit, rivals included."""
    made = bank(range(2), max_conditioning=4)
    made.track(2, entry(0.1, with_memory=True), 1)
    made.rivals, made.log_score, made.state = (bank(range(1)),), -1.5, {"seen": [1, 2]}
    other = made.copy()
    other.turn()
    other.state["seen"] = []
    assert list(made.tracked) == [2]
    assert made.state == {"seen": [1, 2]}
    loaded = Bank(max_conditioning=4)
    loaded.load(made.to_dict(), "cpu")
    assert torch.equal(loaded.tracked[2].memory, made.tracked[2].memory)
    assert loaded.tracked[2].memory.dtype == torch.bfloat16
    assert torch.equal(loaded.conditioning[1].low_res, made.conditioning[1].low_res)
    assert (loaded.first, loaded.passed, loaded.log_score, loaded.state) == (
        0,
        {2: 1},
        -1.5,
        {"seen": [1, 2]},
    )
    assert list(loaded.rivals[0].conditioning) == [0]
