"""From the command line to a server, and its ends."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock
from urllib.parse import urlparse

import numpy as np
import pytest
from click.testing import CliRunner
from vos_cli.main import cli

from vos.errors import InputError, MediaError, OutputError, VosError
from vos.projects import Project
from vos.server.launching import open_project
from vos.testing import Scene, write_video

from .conftest import CLIP, FRAMES, square

Start = Callable[..., tuple[subprocess.Popen[str], "Client"]]


class Client:
    """Bare requests to a server that was started."""

    def __init__(self, address: str) -> None:
        parsed = urlparse(address)
        self.netloc = parsed.netloc
        self.headers = {"Origin": f"http://{self.netloc}", "X-Vos": "1"}
        token = parsed.fragment.removeprefix("token=")
        _, headers = self.ask("POST", "/api/session", {"token": token})
        self.headers["Cookie"] = headers["set-cookie"].split(";")[0]

    def ask(self, method: str, path: str, body: Any = None) -> tuple[Any, dict[str, str]]:
        """The JSON that is answered, and the headers."""
        connection = http.client.HTTPConnection(self.netloc, timeout=60)
        connection.request(method, path, None if body is None else json.dumps(body), self.headers)
        answer = connection.getresponse()
        data = answer.read()
        assert answer.status < 300, (answer.status, data)
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        return json.loads(data) if is_json else data, {k.lower(): v for k, v in answer.getheaders()}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Starts ``vos annotate``; the process, and a client with a session."""
    processes = []

    def run(*arguments: str) -> tuple[subprocess.Popen[str], Client]:
        command = [sys.executable, "-m", "vos_cli", "annotate", "--no-browser", *arguments]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=tmp_path
        )
        processes.append(process)
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), process.communicate()
        return process, Client(address)

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def test_a_bare_video_gets_a_project_beside_it(tmp_path: Path, clip: Path, truth: Scene) -> None:
    """Which is opened the next time; further videos are added once."""
    write_video(truth, tmp_path / "b.mkv")
    with open_project([str(tmp_path / "b.mkv")]) as project:
        assert project.folder == tmp_path / "b.vosproject"
        assert [video.key for video in project.videos.values()] == ["b"]
        project.add_object("dog")
    for paths in (["b.mkv"], ["b.vosproject"], ["b.vosproject", CLIP], ["b.mkv", CLIP]):
        with open_project([str(tmp_path / path) for path in paths]) as project:
            assert project.state.objects[1].name == "dog"
    assert list(Project.open(tmp_path / "b.vosproject", read_only=True).videos) == ["b", CLIP]


def test_what_is_neither_project_nor_video_is_refused(tmp_path: Path, clip: Path) -> None:
    """And nothing is made."""
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty").mkdir()
    before = sorted(tmp_path.iterdir())
    for name in ("nothing", "text.mp4", "empty"):
        with pytest.raises(MediaError):
            open_project([str(tmp_path / name)])
    with pytest.raises(VosError):
        open_project([str(clip), str(tmp_path / "nothing")], read_only=True)
    assert sorted(tmp_path.iterdir()) == before


def test_videos_of_one_name(tmp_path: Path, truth: Scene) -> None:
    """Each gets a key of its own, without being asked for one, and keeps it."""
    paths = [tmp_path / folder / "clip.mkv" for folder in ("a", "b", "c")]
    for path in paths:
        path.parent.mkdir()
        write_video(truth, path)
    for _ in range(2):
        with open_project([str(path) for path in paths]) as project:
            assert project.folder == tmp_path / "a" / "clip.vosproject"
            assert list(project.videos) == ["clip", "clip-2", "clip-3"]
            assert project.video_path("clip-2") == paths[1]
            with pytest.raises(InputError, match="has a video 'clip' already"):
                project.add_video(paths[2], "clip")


def test_read_only_changes_no_settings(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not by ``--model``, and not by what is called from Python; an unknown model is refused."""
    monkeypatch.setattr("vos.server.launching.serve", lambda project, *_, **__: project.close())
    open_project([str(clip)]).close()
    file = clip.parent / "clip.vosproject" / "project.json"
    before = file.read_bytes()
    done = CliRunner().invoke(cli, ["annotate", str(clip), "--read-only", "--model", "nano"])
    assert (done.exit_code, "leave one of them out" in done.output) == (2, True)
    assert CliRunner().invoke(cli, ["annotate", str(clip), "--model", "nono"]).exit_code == 4
    with open_project([str(clip)], read_only=True) as project:
        with pytest.raises(InputError, match="read-only"):
            project.change_settings(model="nano")
        with pytest.raises(InputError, match="read-only"):
            project.add_video(clip)
    assert file.read_bytes() == before


def test_where_no_project_can_be_made(clip: Path) -> None:
    """The message says how to make it elsewhere."""
    (clip.parent / "clip.vosproject").write_text("in the way")
    with pytest.raises(OutputError, match=rf"vos project new {clip} -o FOLDER; vos annotate FOLDER"):
        open_project([str(clip)])


def test_a_project_that_cannot_be_written_to(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message says how to look at it all the same."""
    open_project([str(clip)]).close()
    monkeypatch.setattr(
        "vos.projects.log.JournalWriter", refuse := Mock(side_effect=OutputError("read-only"))
    )
    with pytest.raises(OutputError, match="read-only, or look at it without changes: --read-only"):
        open_project([str(clip)])
    assert refuse.called
    open_project([str(clip)], read_only=True).close()


def test_one_process_writes_as_one_annotator(tmp_path: Path, clip: Path) -> None:
    """A second one is told to take another name, which it may."""
    with open_project([str(clip)], "anna"):
        with pytest.raises(InputError, match="--annotator"):
            open_project([str(clip)], "anna")
        open_project([str(clip)], "ben").close()
        open_project([str(clip)], "anna", read_only=True).close()


def test_other_addresses_are_refused_on_the_command_line(clip: Path) -> None:
    """Before anything is opened."""
    done = CliRunner().invoke(cli, ["annotate", str(clip), "--host", "0.0.0.0"])
    assert done.exit_code == 2
    assert "--allow-remote" in done.output
    assert not list(clip.parent.glob("*.vosproject"))


def test_who_opens_the_server_to_others_is_warned(clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also with --quiet; and nobody else is."""
    monkeypatch.setattr("vos.server.launching.serve", lambda project, *_, **__: project.close())
    for more, expected in ((["--host", "0.0.0.0"], True), ([], False)):
        done = CliRunner().invoke(cli, ["annotate", str(clip), "--quiet", "--allow-remote", *more])
        assert done.exit_code == 0
        assert ("nothing is encrypted" in done.stderr) == expected


def test_without_the_extra_the_command_says_what_to_install(
    clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one line."""
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    done = CliRunner().invoke(cli, ["annotate", str(clip)])
    assert done.exit_code == 2
    assert "pip install 'vos-toolkit[app]'" in done.output


def test_nothing_acknowledged_is_lost_by_kill(start: Start, clip: Path, truth: Scene) -> None:
    """And the same project is opened again at once, as the same annotator."""
    process, client = start(str(clip))
    assert client.ask("GET", "/api/project")[0]["videos"][0]["frames"] == FRAMES
    acknowledged = []
    for number in range(1, 6):
        event = {"kind": "object", "object": number, "name": f"object {number}"}
        acknowledged += client.ask("POST", "/api/events", {"events": [event]})[0]["events"]
    process.kill()
    process.wait()
    second, client = start(str(clip))
    found = client.ask("GET", "/api/project")[0]
    assert [entry["name"] for entry in found["objects"]] == [event["name"] for event in acknowledged]
    assert found["counter"] == 5
    client.ask("POST", "/api/shutdown", {})
    assert second.wait(30) == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
def test_a_signal_ends_the_server_in_good_order(start: Start, clip: Path, tmp_path: Path) -> None:
    """Also while a page listens; what is temporary is removed, and no query was logged."""
    process, client = start(str(clip))
    project = Project.open(tmp_path / "clip.vosproject", annotator="ben")
    project.add_object("one")
    project.anchor(CLIP, 0, 1, square(1, 1))
    project.close()
    connection = http.client.HTTPConnection(client.netloc, timeout=60)
    connection.request("GET", "/api/events", headers=client.headers)
    answer = connection.getresponse()
    lines = b""
    while b'"kind":"anchor"' not in lines:  # what another annotator does arrives, too
        lines += answer.readline()
    for path in ("/api/project?secret=1", "/?secret=1", "/nothing?secret=1"):
        asked = http.client.HTTPConnection(client.netloc, timeout=60)
        asked.request("GET", path, headers=client.headers)
        asked.getresponse().read()
    process.send_signal(signal.SIGINT)
    assert b"event: bye" in answer.read()
    printed, errors = process.communicate(timeout=30)
    assert process.returncode == 0
    assert "secret" not in printed + errors
    assert "Traceback" not in errors
    assert not list((tmp_path / "clip.vosproject" / "cache").glob("session-*"))
    again = Project.open(tmp_path / "clip.vosproject", read_only=True)
    np.testing.assert_array_equal(again.frame(CLIP, 0).mask(1), square(1, 1))
