"""Journals: what is acknowledged is kept, and nothing else counts."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from vos.errors import InputError, OutputError
from vos.projects import Project
from vos.projects.events import Draft, Event, JournalError, check_draft, parse_line
from vos.projects.journal import JOURNALS, JournalWriter, read_journal, writer_name

from .drifting import CLIP, new_project

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(min_size=1), inner, max_size=3),
    max_leaves=6,
)


def events(count: int, writer: str = "anna", start: int = 1) -> list[Event]:
    """Events of one writer."""
    return [Event(writer, n, n, "remove", {"object": n}) for n in range(start, start + count)]


RELAXED = settings(suppress_health_check=list(HealthCheck), max_examples=50)


@RELAXED
@given(st.dictionaries(st.sampled_from(["a", "b", "note"]), JSON))
def test_an_event_survives_its_line(payload: dict[str, object]) -> None:
    """Whatever the payload holds."""
    event = Event("anna", 3, 7, "import", payload, "2026-01-01T00:00:00Z", {"ben": 2}, (1, 2))
    line = event.line()
    assert line.count(b"\n") == 1
    assert parse_line(line) == event


@RELAXED
@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_changed_byte_is_noticed(position: int, change: int) -> None:
    """The checksum covers the whole line."""
    line = bytearray(Event("anna", 1, 1, "object", {"object": 1, "name": "dog"}).line())
    line[position % (len(line) - 1)] ^= change
    with pytest.raises((ValueError, KeyError, TypeError)):
        parse_line(bytes(line))


def test_a_torn_last_line_is_cut_by_its_writer_and_ignored_by_others(tmp_path: Path) -> None:
    """At whatever byte the writer was stopped."""
    whole = b"".join(event.line() for event in events(3))
    second_end = len(b"".join(event.line() for event in events(2)))
    for size in range(second_end, len(whole)):
        path = tmp_path / "anna.jsonl"
        path.write_bytes(whole[:size])
        assert read_journal(path).events == events(2)
        writer = JournalWriter(path)
        assert writer.cut == size - second_end
        writer.append(events(1, start=3))
        writer.close()
        assert path.read_bytes() == whole


def test_a_cut_is_reported(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """By its writer, with file and size; others say nothing."""
    with new_project(tmp_path) as project:
        path = project.folder / JOURNALS / "anna.jsonl"
    path.write_bytes(path.read_bytes()[:-5])
    with Project.open(project.folder, annotator="ben"):
        assert not caplog.records
    with Project.open(project.folder, annotator="anna") as project:
        assert project.cut > 0
        assert list(project.state.objects) == [1]
    (record,) = caplog.records
    assert f"{path}: {record.args[1]} bytes" in record.getMessage()


def test_events_appended_together_count_together(tmp_path: Path) -> None:
    """A part of them is not there."""
    batch = [Event("anna", n + 1, n + 1, "remove", {"object": 1}, batch=(n, 3)) for n in range(3)]
    path = tmp_path / "anna.jsonl"
    path.write_bytes(b"".join(event.line() for event in batch[:2]))
    assert read_journal(path).events == []


def test_damage_elsewhere_names_file_and_line(tmp_path: Path) -> None:
    """It is an error, not something to cut."""
    path = tmp_path / "anna.jsonl"
    lines = [event.line() for event in events(3)]
    path.write_bytes(lines[0] + lines[1].replace(b"remove", b"rename") + lines[2])
    with pytest.raises(JournalError, match=r"anna\.jsonl, line 2: damaged \(wrong checksum\)"):
        read_journal(path)
    path.write_bytes(lines[0] + lines[2])
    with pytest.raises(JournalError, match=r"line 2: holds event anna:3 in place of anna:2"):
        read_journal(path)


def test_one_process_writes_a_journal(tmp_path: Path) -> None:
    """The second is told what to do."""
    first = JournalWriter(tmp_path / "anna.jsonl")
    with pytest.raises(InputError, match="another process works on this project as 'anna'"):
        JournalWriter(tmp_path / "anna.jsonl")
    first.close()
    JournalWriter(tmp_path / "anna.jsonl").close()


def test_a_full_disk_leaves_the_journal_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where a part of a line was written."""
    path = tmp_path / "anna.jsonl"
    writer = JournalWriter(path)
    writer.append(events(1))
    before = path.read_bytes()
    write = __import__("os").write
    monkeypatch.setattr("os.write", lambda file, data: write(file, data[: len(data) // 2]))
    with pytest.raises(OutputError, match="the disk is full"):
        writer.append(events(1, start=2))
    monkeypatch.undo()
    assert path.read_bytes() == before
    writer.append(events(1, start=2))
    assert read_journal(path).events == events(2)


@pytest.mark.parametrize("content", [{"box": [0, float("inf")]}, {"text": "\ud800"}, {"mask": object()}])
def test_what_json_cannot_hold_is_refused(tmp_path: Path, content: dict[str, object]) -> None:
    """And nothing is appended, nor is the next event hindered."""
    with new_project(tmp_path) as project:
        with pytest.raises(InputError, match="cannot be written as JSON"):
            project.anchor(CLIP, 0, 1, None, prompt=content)
        assert project.anchor(CLIP, 0, 1, None).number == 3


@RELAXED
@given(st.text())
def test_writer_names_are_safe_file_names(name: str) -> None:
    """Or refused."""
    try:
        safe = writer_name(name)
    except InputError:
        return
    assert safe == writer_name(safe)
    assert "/" not in safe
    assert not safe.startswith(".")


def test_drafts_are_checked() -> None:
    """The message names the field, its value and what is allowed."""
    with pytest.raises(InputError, match="unknown kind of event 'jump'; choose one of object, remove"):
        check_draft(Draft("jump"))
    with pytest.raises(InputError, match="needs 'frame'"):
        check_draft(Draft("anchor", {"video": "v"}))
    with pytest.raises(InputError, match=r"'object' .* must be an object id in 1\.\.254, got 255"):
        check_draft(Draft("remove", {"object": 255}))
    with pytest.raises(InputError, match="unknown field 'sise'"):
        check_draft(Draft("remove", {"object": 1, "sise": 3}))


def test_a_damaged_journal_keeps_none_of_the_new_events(tmp_path: Path) -> None:
    """Events are read from all journals or from none, so that what is shown and what is known agree."""
    with new_project(tmp_path) as anna:
        folder, before = anna.folder, anna.counter
        for writer in ("ben", "carl"):
            with Project.open(folder, annotator=writer) as other:
                other.add_object(writer)
                other.add_object(f"{writer} 2")
        journal = folder / JOURNALS / "carl.jsonl"
        whole = journal.read_bytes()
        journal.write_bytes(b"x" + whole[1:])
        with pytest.raises(JournalError):
            anna.refresh()
        assert anna.counter == before
        assert anna.events(before) == []
        journal.write_bytes(whole)
        assert {event.writer for event in anna.refresh()} == {"ben", "carl"}
        assert {"ben", "carl"} <= {found.name for found in anna.state.objects.values()}
