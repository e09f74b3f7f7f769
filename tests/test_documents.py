"""Documents that users give: read whole, or refused in a moment with a short message."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from vos.documents import DEEPEST_YAML, read_json, read_yaml


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 300_000, "nested too deeply"),
        ("- " * 5000, "nested too deeply"),
        ("{a: " * 3000, "nested too deeply"),
        ("a: 1" + ":59" * 300_000, "a number or date of 900001 characters"),
        ("a: 0x" + "f" * 900_000, "a number or date of 900002 characters"),
        ("!" * 900_000, "it is not YAML"),
        ("a: [1\nb: 2\n", "it is not YAML: .*line 2, column 2"),
        ("a: 1\nb: 2\na: 3\n", "the key 'a' twice in one mapping"),
        ("a: {x: 1, x: 2}", "the key 'x' twice in one mapping"),
        ("a: &x 1\nb: *x", "aliases"),
        ("a: 1\n" * 300_000, "characters; up to"),
    ],
)
def test_yaml_that_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Numbers to base 60 once took the square of their length."""
    path = tmp_path / "r.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as caught:
        read_yaml(path)
    assert len(str(caught.value)) < 700
    assert "\n" not in str(caught.value)


def test_yaml_that_is_read(tmp_path: Path) -> None:
    """Nested as deep as allowed; texts may be long."""
    path = tmp_path / "r.yaml"
    deep = DEEPEST_YAML - 1
    path.write_text(f"a: {'[' * deep}{']' * deep}\nb: {'x' * 5000}\nc: 1:30\n")
    found = read_yaml(path)
    assert (found["b"], found["c"]) == ("x" * 5000, 90)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"a": 1, "a": 2}', "the key 'a' twice in one object"),
        ('[{"a": {"b": 1, "c": 2, "b": 1}}]', "the key 'b' twice in one object"),
        ("[" * 100_000, "nested too deeply"),
        ("[1e999]", "1e999"),
        ("[NaN]", "NaN"),
        ("{'a': 1}", "it is not JSON"),
    ],
)
def test_json_that_is_refused(tmp_path: Path, text: str, message: str) -> None:
    """Where two values can be meant, none is taken."""
    path = tmp_path / "x.json"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        read_json(path)


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs /dev/zero")
@pytest.mark.parametrize("read", [read_json, read_yaml])
def test_a_device_is_no_file(read: Callable[[str], object]) -> None:
    """Some have no end."""
    with pytest.raises(ValueError, match="it is a device"):
        read("/dev/zero")


def test_a_pipe_is_read(tmp_path: Path) -> None:
    """As a shell makes one for <(command)."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_text, args=("[1]",))
    writer.start()
    assert read_json(pipe) == [1]
    writer.join()
