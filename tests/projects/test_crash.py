"""A process killed at any moment loses nothing that it has acknowledged."""

from __future__ import annotations

import os
import random
import signal
import time
import traceback
from pathlib import Path

import pytest

from vos.projects import Project, check, track_project
from vos.projects.maintenance import references

from .drifting import CLIP, FRAMES, drifting, new_project, square


def work(folder: Path, acknowledged: int, seed: int) -> None:
    """Annotate and track without end, writing the id of every event once it is acknowledged."""
    choose = random.Random(seed)
    with Project.open(folder, annotator="anna") as project:
        project.subscribe(
            lambda events: os.write(acknowledged, b"".join(f"{e.id}\n".encode() for e in events))
        )
        while True:
            mask = square(choose.randrange(16), choose.randrange(20), choose.randrange(3, 8))
            project.anchor(CLIP, choose.randrange(FRAMES), choose.choice((1, 2)), mask)
            if choose.random() < 0.3:
                track_project(project, engine=drifting())
            if choose.random() < 0.2:
                project.undo()


def killed_after(folder: Path, events: int, seconds: float, seed: int) -> list[str]:
    """Ids that a process had acknowledged before it was killed, some time after this many events."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover
        try:
            os.close(read)
            work(folder, write, seed)
        except BaseException:
            traceback.print_exc()
        os._exit(1)
    os.close(write)
    acknowledged = b""
    while acknowledged.count(b"\n") < events and (more := os.read(read, 1 << 16)):
        acknowledged += more
    time.sleep(seconds)
    os.kill(child, signal.SIGKILL)
    _, status = os.waitpid(child, 0)
    assert os.WIFSIGNALED(status), "the process ended by itself"
    with os.fdopen(read, "rb") as rest:
        acknowledged += rest.read()
    return acknowledged.decode().split("\n")[:-1]


def kill_many(folder: Path, times: int, seed: int) -> None:
    """Kill one process after the other on one project, and look at what is left."""
    choose = random.Random(seed)
    with new_project(folder) as project:
        known = {event.id for event in project.events()}
    total = 0
    for number in range(times):
        events_before, seconds = choose.randrange(4), choose.uniform(0, 0.1)
        acknowledged = killed_after(folder / "project", events_before, seconds, number)
        total += len(acknowledged)
        known |= set(acknowledged)
        with Project.open(folder / "project", annotator="anna") as project:
            present = {event.id for event in project.events()}
            assert known <= present
            # At most the one call that was not answered: an event, or a batch that counts as one.
            assert len(present - known) <= 1
            known = present
            events = project.events()
            assert project.frame(CLIP, 0) is not None
        names = {path.name for path in (folder / "project" / "blobs").glob("??/*")}
        assert {name for event in events for name in references(event)} <= names
    found = check(folder / "project")
    assert found.problems == ()
    assert total > 0


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_kill_a_few_times(tmp_path: Path) -> None:
    """At random points."""
    kill_many(tmp_path, 8, seed=1)


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork")
def test_kill_two_hundred_times(tmp_path: Path) -> None:
    """At random points."""
    kill_many(tmp_path, 200, seed=2)
