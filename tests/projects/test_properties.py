"""What holds in every project, whatever annotators do in whatever order."""

from __future__ import annotations

import random
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from vos.errors import InputError
from vos.projects import Draft, Project, ProjectSettings, State, check, merge, pending_jobs, track_project
from vos.projects.folding import fold

from .drifting import CLIP, FRAMES, clip, drifting, square

OBJECTS = (1, 2)
FRAME = st.integers(0, FRAMES - 1)
OBJECT = st.sampled_from(OBJECTS)
RANGE = st.tuples(FRAME, FRAME).map(sorted)
ACTION = st.one_of(
    st.tuples(st.just("anchor"), FRAME, OBJECT, st.none() | st.integers(0, 40)),
    st.tuples(st.just("anchor"), FRAME, OBJECT, st.integers(0, 40)),
    st.tuples(st.just("new"), FRAME, st.integers(0, 40)),
    st.tuples(st.just("unanchor"), FRAME, OBJECT),
    st.tuples(st.just("review"), RANGE, OBJECT, st.sampled_from(["accepted", "rejected", "open"])),
    st.tuples(st.just("hide"), RANGE, OBJECT),
    st.tuples(st.just("swap"), RANGE),
    st.tuples(st.just("move"), RANGE),
    st.tuples(st.just("track")),
    st.tuples(st.just("track")),
    st.tuples(st.just("undo")),
    st.tuples(st.just("redo")),
)
FEW = settings(max_examples=6, suppress_health_check=list(HealthCheck))
MANY = settings(FEW, max_examples=100)


@contextmanager
def folder() -> Iterator[Path]:
    """A folder for one example."""
    with tempfile.TemporaryDirectory() as name:
        clip(Path(name))
        yield Path(name)


def start(root: Path) -> Project:
    """A project with two objects given in frame 0."""
    project = Project.create(root / "project", annotator="anna", settings=ProjectSettings(fill=0))
    project.add_video(root / "clip")
    for object_id, row in zip(OBJECTS, (2, 14), strict=True):
        project.add_object(f"object {object_id}")
        project.anchor(CLIP, 0, object_id, square(row, 2))
    return project


def masks(project: Project, object_id: int) -> list[bytes | None]:
    """An object's own masks."""
    shown = [project.shown(CLIP, frame, object_id) for frame in range(FRAMES)]
    return [None if mask is None else np.packbits(mask.mask).tobytes() for mask in shown]


def refolded(project: Project, order: random.Random) -> State:
    """The state from scratch, of the events in another order."""
    events = project.events()
    order.shuffle(events)
    return fold(events, {CLIP: FRAMES})


@dataclass
class Annotator:
    """Does what examples say, and checks at each step what a step may change."""

    project: Project
    given: dict[str, bytes] = field(default_factory=dict)
    """Event -> packed mask, of all anchors given in this example."""

    def do(self, action: tuple) -> None:
        """One action; one on an object whose making was undone is refused, and changes nothing."""
        before = self.project.state
        try:
            getattr(self, action[0])(*action[1:])
        except InputError:
            assert not set(OBJECTS) <= set(before.visible)
            assert self.project.state == before
        self.check_anchors()

    def check_anchors(self) -> None:
        """What is shown of an anchor are the pixels that were given."""
        for (_, object_id), track in self.project.state.tracks.items():
            for frame, anchor in track.anchors.items():
                shown = self.project.shown(CLIP, frame, object_id)
                if anchor.event in self.given and shown is not None:
                    assert np.packbits(shown.mask).tobytes() == self.given[anchor.event]
                    later = [
                        other.order
                        for k in self.project.state.visible
                        if (other := self.project.state.track(CLIP, k).anchors.get(frame)) is not None
                    ]
                    if anchor.order == max(later):
                        np.testing.assert_array_equal(
                            self.project.frame(CLIP, frame).mask(object_id), shown.mask
                        )

    def anchor(self, frame: int, object_id: int, where: int | None) -> None:
        """It changes nothing else at once, and later no more than the intervals beside it."""
        project = self.project
        mask = None if where is None else square(where % 16, where % 20)
        before = {k: masks(project, k) for k in OBJECTS}
        pending = {k: project.state.track(CLIP, k).pending for k in OBJECTS}
        event = project.anchor(CLIP, frame, object_id, mask)
        self.given[event.id] = np.packbits(np.zeros_like(square(0, 0)) if mask is None else mask).tobytes()
        track = project.state.track(CLIP, object_id)
        touched = {frame}
        for interval in track.intervals:
            if interval.first - 1 == frame or interval.last + 1 == frame:
                touched |= set(range(interval.first, interval.last + 1))
        after = {k: masks(project, k) for k in OBJECTS}
        for other in OBJECTS:
            for f in range(FRAMES):
                if (other, f) != (object_id, frame):
                    assert after[other][f] == before[other][f]
            if other != object_id:
                assert project.state.track(CLIP, other).pending == pending[other]
        if not pending[object_id]:
            track_project(project, objects=[object_id], engine=drifting())
            tracked = masks(project, object_id)
            assert [m for f, m in enumerate(tracked) if f not in touched] == [
                m for f, m in enumerate(before[object_id]) if f not in touched
            ]

    def new(self, frame: int, where: int) -> None:
        """Another object, under a number that the other annotator may give, too."""
        mask = square(where % 16, where % 20)
        object_id = self.project.add_object(f"new {self.project.writer} {self.project.counter}")
        self.given[self.project.anchor(CLIP, frame, object_id, mask).id] = np.packbits(mask).tobytes()

    def unanchor(self, frame: int, object_id: int) -> None:
        """Take an anchor away."""
        self.project.append([Draft("unanchor", {"video": CLIP, "frame": frame, "object": object_id})])

    def review(self, frames: list[int], object_id: int, state: str) -> None:
        """A review changes no mask."""
        before = masks(self.project, object_id)
        self.project.review(CLIP, *frames, state, [object_id])
        assert masks(self.project, object_id) == before

    def hide(self, frames: list[int], object_id: int) -> None:
        """The object is absent there."""
        first, last = frames
        payload = {"video": CLIP, "object": object_id, "first": first, "last": last}
        self.project.append([Draft("hide", payload)])
        for frame in range(first, last + 1):
            assert not self.project.frame(CLIP, frame).mask(object_id).any()

    def swap(self, frames: list[int]) -> None:
        """Swapping twice changes nothing."""
        first, last = frames
        draft = Draft("swap", {"video": CLIP, "a": 1, "b": 2, "first": first, "last": last})
        before = [masks(self.project, k) for k in OBJECTS]
        self.project.append([draft])
        swapped = [masks(self.project, k) for k in OBJECTS]
        assert swapped[0][first : last + 1] == before[1][first : last + 1]
        self.project.append([draft])
        assert [masks(self.project, k) for k in OBJECTS] == before
        self.project.append([draft])

    def move(self, frames: list[int]) -> None:
        """One object gets what the other had."""
        first, last = frames
        before = masks(self.project, 2)
        payload = {"video": CLIP, "from": 2, "to": 1, "first": first, "last": last}
        self.project.append([Draft("move", payload)])
        assert masks(self.project, 1)[first : last + 1] == before[first : last + 1]

    def track(self) -> None:
        """Neither locked frames nor those that are fresh change, and nothing is left to do."""
        project = self.project
        tracks = {k: project.state.track(CLIP, k) for k in OBJECTS}
        pending = {k: {f for i in t.pending for f in range(i.first, i.last + 1)} for k, t in tracks.items()}
        before = {k: masks(project, k) for k in OBJECTS}
        track_project(project, engine=drifting())
        assert pending_jobs(project) == []
        for k in OBJECTS:
            after = masks(project, k)
            for frame in set(range(FRAMES)) - pending[k]:
                assert after[frame] == before[k][frame]

    def undo(self) -> None:
        """Undo and redo is the identity; then undo."""
        self._there_and_back(self.project.undo, self.project.redo)

    def redo(self) -> None:
        """Redo and undo is the identity; then redo."""
        self._there_and_back(self.project.redo, self.project.undo)

    def _there_and_back(self, there: Callable, back: Callable) -> None:
        before = self.project.state
        if there():
            back()
            assert self.project.state.tracks == before.tracks
            assert self.project.state.objects == before.objects
            there()


ONE = given(st.lists(ACTION, max_size=10), st.randoms(use_true_random=False))
TWO = given(
    st.lists(st.tuples(st.sampled_from(["anna", "ben", "meet"]), ACTION), max_size=12),
    st.randoms(use_true_random=False),
)


@FEW
@example([("undo",), ("undo",), ("swap", [0, 0])], random.Random(0))
@ONE
def test_one_annotator(actions: list[tuple], order: random.Random) -> None:
    """Corrections are exact and local; the state is a function of the set of events; all of it is on disk."""
    one_annotator(actions, order)


@pytest.mark.slow
@MANY
@ONE
def test_one_annotator_at_length(actions: list[tuple], order: random.Random) -> None:
    """More of the same."""
    one_annotator(actions, order)


@FEW
@example(
    [
        ("anna", ("new", 2, 3)),
        ("ben", ("new", 4, 5)),
        ("ben", ("track",)),
        ("meet", ()),
        ("anna", ("new", 3, 9)),
        ("ben", ("new", 4, 9)),
        ("ben", ("undo",)),
    ],
    random.Random(0),
)
@TWO
def test_two_annotators(steps: list[tuple[str, tuple]], order: random.Random) -> None:
    """Two copies come to the same state by merging in either direction, and again and again."""
    two_annotators(steps, order)


@pytest.mark.slow
@MANY
@TWO
def test_two_annotators_at_length(steps: list[tuple[str, tuple]], order: random.Random) -> None:
    """More of the same."""
    two_annotators(steps, order)


def one_annotator(actions: list[tuple], order: random.Random) -> None:
    """Do what an example says, and check."""
    with folder() as root, start(root) as project:
        annotator = Annotator(project)
        for action in actions:
            annotator.do(action)
            assert refolded(project, order) == project.state
        with Project.open(root / "project", annotator="reader", read_only=True) as again:
            assert again.state == project.state
        assert not [p for p in check(root / "project").problems if "missing" in p or "damaged" in p]


def two_annotators(steps: list[tuple[str, tuple]], order: random.Random) -> None:
    """Do what an example says, and check."""
    with folder() as root, start(root) as anna:
        shutil.copytree(root / "project", root / "copy")
        ben = Project.open(root / "copy", annotator="ben")
        people = {"anna": Annotator(anna), "ben": Annotator(ben)}
        for who, action in steps:
            if who == "meet":
                exchange(root, people)
            else:
                people[who].do(action)
        for annotator in people.values():
            annotator.project.close()
        for target, other in (("project", "copy"), ("copy", "project"), ("project", "copy")):
            merge(root / target, root / other)
        with (
            Project.open(root / "project", read_only=True) as one,
            Project.open(root / "copy", read_only=True) as two,
        ):
            assert one.state == two.state
            assert refolded(one, order) == one.state
            assert [masks(one, k) for k in OBJECTS] == [masks(two, k) for k in OBJECTS]
            made = [e for e in one.events() if e.kind == "object" and e.id not in one.state.undone]
            named = [info.name for info in one.state.objects.values() if info.name]
            assert sorted(named) == sorted(event.payload["name"] for event in made)


def exchange(root: Path, people: dict[str, Annotator]) -> None:
    """Both see what the other has done so far."""
    for annotator in people.values():
        annotator.project.close()
    merge(root / "project", root / "copy")
    merge(root / "copy", root / "project")
    for name, place in (("anna", "project"), ("ben", "copy")):
        people[name].project = Project.open(root / place, annotator=name)
    assert people["anna"].project.state == people["ben"].project.state
