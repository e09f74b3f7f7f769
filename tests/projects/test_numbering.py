"""Numbers of objects that several annotators add at once."""

from __future__ import annotations

import random
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from vos.projects.events import MAX_PROJECT_OBJECT, Event
from vos.projects.folding import fold
from vos.projects.numbering import renumbered
from vos.projects.state import State

VIDEO = {"v": 1000}
STEP = st.tuples(st.sampled_from("abc"), st.sampled_from(["add", "anchor", "read"]), st.integers(0, 100))


@dataclass
class Writer:
    """What one annotator knows and meant; no file is written."""

    name: str
    events: list[Event] = field(default_factory=list)
    meant: dict[str, str] = field(default_factory=dict)
    """Anchor -> name of its object."""

    @property
    def state(self) -> State:
        """What this annotator sees."""
        return fold(self.events, VIDEO)

    def append(self, kind: str, **payload: object) -> Event:
        """An event that knows all that this annotator knows."""
        seen: dict[str, int] = {}
        for event in self.events:
            seen[event.writer] = max(seen.get(event.writer, 0), event.number)
        counter = 1 + max((event.counter for event in self.events), default=0)
        number = 1 + seen.pop(self.name, 0)
        self.events.append(Event(self.name, number, counter, kind, payload, "", seen))
        return self.events[-1]

    def do(self, what: str, choice: int, frame: int, others: list[Writer]) -> None:
        """Add an object, give a mask of one that is seen, or read what somebody else knows."""
        state = self.state
        if what == "read":
            known = {event.id for event in self.events}
            self.events += [e for e in others[choice % len(others)].events if e.id not in known]
        elif what == "add" or not state.visible:
            number = state.free_ids[choice % 3]
            self.append("object", object=number, name=f"{self.name}{frame}")
            assert self.state.objects[number].name == f"{self.name}{frame}"
        else:
            number = state.visible[choice % len(state.visible)]
            event = self.append("anchor", video="v", frame=frame, object=number, mask=None)
            self.meant[event.id] = state.objects[number].name


@given(st.lists(STEP, max_size=30), st.randoms(use_true_random=False))
def test_every_mask_stays_with_the_object_that_was_meant(
    steps: list[tuple[str, str, int]], order: random.Random
) -> None:
    """Whatever anybody has read by then; all objects stay, and the order of events is all that counts."""
    writers = {name: Writer(name) for name in "abc"}
    for frame, (name, what, choice) in enumerate(steps):
        writers[name].do(what, choice, frame, [w for w in writers.values() if w.name != name])
    events = list({event.id: event for writer in writers.values() for event in writer.events}.values())
    state = fold(events, VIDEO)
    added = [event.payload["name"] for event in events if event.kind == "object"]
    assert sorted(info.name for info in state.objects.values()) == sorted(added)
    found = {
        anchor.event: state.objects[object_id].name
        for (_, object_id), track in state.tracks.items()
        for anchor in track.anchors.values()
    }
    assert found == {event: name for writer in writers.values() for event, name in writer.meant.items()}
    order.shuffle(events)
    assert fold(events, VIDEO) == state


def test_with_more_objects_than_numbers_some_share_one() -> None:
    """Nothing fails, and nothing is lost."""
    events = [
        Event(writer, number, number, "object", {"object": number, "name": writer})
        for number in range(1, 201)
        for writer in "ab"
    ]
    found, others = renumbered(events)
    assert len(others) == MAX_PROJECT_OBJECT - 200
    assert {event.payload["object"] for event in found} == set(range(1, MAX_PROJECT_OBJECT + 1))
    assert [event.id for event in found] == [event.id for event in events]


def test_what_a_later_version_means_is_left_alone() -> None:
    """Its fields are unknown here."""
    adds = [Event(writer, 1, 1, "object", {"object": 1}) for writer in "ab"]
    later = Event("b", 2, 2, "magic", {"object": [1], "view": [1]})
    assert renumbered([*adds, later])[0][-1] == later
