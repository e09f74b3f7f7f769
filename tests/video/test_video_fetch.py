"""Addresses are opened only where that is allowed; what they give is fetched once, and nothing else is."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from loopback import Answer, Server, serving
from video_clips import number_of

from vos.errors import MediaError
from vos.video import fetch, open_video, probe


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server on this machine; temporary files are in ``tmp_path/tmp``."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as running:
        yield running


@pytest.fixture
def left(tmp_path: Path) -> Callable[[], list[str]]:
    """What is left among the temporary files."""
    return lambda: sorted(os.listdir(tmp_path / "tmp"))


def test_a_video_at_an_address(
    server: Server, clip: Callable[[str], Path], left: Callable[[], list[str]]
) -> None:
    """It is asked for once, read in both directions, probed, and removed when it is closed."""
    path = clip("b_frames.mp4")
    server.answers["/clip.mp4"] = Answer(path.read_bytes())
    address = f"{server.address}/clip.mp4?key=secret"
    with open_video(address, allow_url=True) as video, open_video(path) as expected:
        assert video.location == f"{server.address}/clip.mp4"
        assert video.count_frames() == expected.count_frames()
        numbers = [number_of(frame.image) for frame in video]
        assert numbers == [number_of(frame.image) for frame in expected]
        assert [number_of(frame.image) for frame in video.frames(reverse=True)] == numbers[::-1]
        assert video.paths[0].read_bytes() == path.read_bytes()
        assert left() != []
    assert left() == []
    assert [request for request, _ in server.requests] == ["/clip.mp4?key=secret"]
    found = probe(address, allow_url=True)
    assert (found.source, found.num_frames) == (f"{server.address}/clip.mp4", len(numbers))
    assert left() == []


def test_names_that_are_not_ascii_and_passwords(server: Server, clip: Callable[[str], Path]) -> None:
    """Both reach the server as it expects them, and the password is in no name."""
    server.answers["/a%20b/%C3%A9%201.mp4"] = Answer(clip("b_frames.mp4").read_bytes())
    address = server.address.replace("//", "//me:p%40ss@")
    with open_video(f"{address}/a b/é 1.mp4", allow_url=True) as video:
        assert video.location == f"{server.address}/a b/é 1.mp4"
        assert video.paths[0].name == "é_1.mp4"
    assert server.requests[0][1]["Authorization"] == "Basic bWU6cEBzcw=="


def test_no_address_is_opened_unless_allowed(server: Server) -> None:
    """The message names the flag; protocols that are not fetched never are."""
    with pytest.raises(MediaError, match="opened only with --allow-url"):
        open_video(f"{server.address}/clip.mp4?a=[1]")
    with pytest.raises(MediaError, match="opened only with --allow-url"):
        probe(f"{server.address}/clip.mp4")
    for address in (
        "rtsp://127.0.0.1/x",
        "ftp://127.0.0.1/x",
        "concat://a|b",
        "http:x",
    ):
        with pytest.raises(MediaError, match="addresses of http and https"):
            open_video(address, allow_url=True)
    with pytest.raises(MediaError, match="give the file by its path: /etc/passwd"):
        open_video("file:///etc/passwd", allow_url=True)
    assert server.requests == []


LOCAL = "/local.mp4"
REFUSED: dict[str, tuple[Answer, str]] = {
    "/absent.mp4": (Answer(code=404), "responded 404"),
    "/page": (Answer(b"<html>", headers={"Content-Type": "text/html; charset=utf-8"}), "is a web page"),
    "/camera": (Answer(headers={"Content-Type": "multipart/x-mixed-replace; boundary=b"}), "vos live"),
    "/text.mp4": (Answer(b"not a video"), "it is not a video"),
    "/empty.mp4": (Answer(), "the file is empty"),
    "/list.m3u8": (Answer(b"#EXTM3U\n#EXTINF:1,\n{local}\n"), "it is an HLS playlist"),
    "/list.mp4": (Answer(b"ffconcat version 1.0\nfile {local}\n"), "it is a concat list"),
    "/away": (Answer(code=302, headers={"Location": "file://{local}"}), "not allowed"),
    "/ftp": (Answer(code=302, headers={"Location": "ftp://127.0.0.1/x.mp4"}), "unknown url type"),
    "/round": (Answer(code=302, headers={"Location": "/round"}), "infinite loop"),
    "/short.mp4": (Answer(b"0123", headers={"Content-Length": "99"}), "was interrupted after 4 of 99 bytes"),
    "/huge.mp4": (Answer(b"0", headers={"Content-Length": str(1 << 60)}), "has room for"),
}


@pytest.mark.parametrize("path", REFUSED)
def test_what_is_no_video(
    server: Server, clip: Callable[[str], Path], left: Callable[[], list[str]], path: str
) -> None:
    """It is refused under its address, with exit code 3, no file of this machine is read, nothing is left."""
    answer, message = REFUSED[path]
    local = str(clip("b_frames.mp4"))
    answer.body = answer.body.replace(b"{local}", local.encode())
    answer.headers = {key: value.format(local=local) for key, value in answer.headers.items()}
    server.answers[path] = answer
    with pytest.raises(MediaError, match=message) as caught:
        open_video(server.address + path, allow_url=True)
    assert f"{server.address}{path}" in str(caught.value)
    assert "vos-" not in str(caught.value)
    assert left() == []


@pytest.mark.parametrize(
    "answer",
    [Answer(waits=True, headers={"Content-Length": "9"}), Answer(b"x", waits=True, has_length=False)],
)
def test_a_server_that_goes_silent(
    server: Server, left: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch, answer: Answer
) -> None:
    """It is given up after a while."""
    monkeypatch.setattr(fetch, "TIMEOUT", 0.5)
    server.answers["/slow.mp4"] = answer
    with pytest.raises(MediaError, match=r"slow\.mp4(: timed out| has sent . bytes in 0\.5 s)"):
        open_video(f"{server.address}/slow.mp4", allow_url=True)
    assert left() == []


def test_a_server_that_never_ends(
    server: Server, left: Callable[[], list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """So much is taken, and no more."""
    monkeypatch.setattr(fetch, "LIMIT", 1 << 20)
    server.answers["/endless.ts"] = Answer(bytes(1 << 16), has_length=False, endless=True)
    with pytest.raises(MediaError, match="without an end"):
        open_video(f"{server.address}/endless.ts", allow_url=True)
    assert left() == []


def test_an_image_without_a_suffix(server: Server, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What the server calls it says how it is read; the log says how much was fetched."""
    from PIL import Image

    Image.new("RGB", (20, 10), (9, 8, 7)).save(tmp_path / "x.png")
    server.answers["/photo"] = Answer(
        (tmp_path / "x.png").read_bytes(), headers={"Content-Type": "image/png"}
    )
    with (
        caplog.at_level(logging.INFO, "vos"),
        open_video(f"{server.address}/photo", allow_url=True) as video,
    ):
        assert video.is_images
        assert [frame.image[0, 0].tolist() for frame in video] == [[9, 8, 7]]
    assert f"fetched {server.address}/photo (0.0 MB)" in caplog.text
