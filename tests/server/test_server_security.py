"""Every rule about who may ask, and what; each fails without its rule."""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import pytest
import uvicorn
from starlette.testclient import TestClient

from vos.errors import InputError, OutputError
from vos.projects import Project
from vos.server import bodies, connections
from vos.server.app import ROUTES, create_app, static_folder
from vos.server.connections import TimedProtocol
from vos.server.launching import Place, serve
from vos.server.security import POLICY, Gate
from vos.server.uploads import below, list_folder
from vos.server.workspace import Options, Workspace

from .conftest import ADDRESS, CLIP, PORT

OBJECT = {"events": [{"kind": "object", "object": 3}]}


def kind(answer: Any) -> tuple[int, str]:
    """Status and kind of an error."""
    return answer.status_code, answer.json()["error"]["kind"]


# Host: DNS rebinding


@pytest.mark.parametrize(
    "host", ["evil.example", "127.0.0.1", f"127.0.0.1:{PORT + 1}", f"evil.example:{PORT}", ""]
)
def test_a_wrong_host_is_refused(client: TestClient, host: str) -> None:
    """Also without our port."""
    assert kind(client.get("/api/project", headers={"Host": host})) == (400, "host")


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "LOCALHOST", "[::1]"])
def test_the_names_of_this_machine_are_allowed(client: TestClient, name: str) -> None:
    """All of them, with our port."""
    assert client.get("/api/project", headers={"Host": f"{name}:{PORT}"}).status_code == 200


def test_the_host_is_checked_for_static_files_too(stranger: TestClient) -> None:
    """A rebound name gets not even the page."""
    assert kind(stranger.get("/", headers={"Host": "evil.example"})) == (400, "host")


# Session


def test_everything_below_api_needs_the_cookie(stranger: TestClient) -> None:
    """Every route, with its method."""
    headers = {"Origin": ADDRESS, "X-Vos": "1"}
    for route in ROUTES:
        path = route.path.replace("{key}", CLIP).replace("{index:int}", "0").replace("{object:int}", "1")
        path = path.replace("{job}", "1").replace("{export}", "1")
        for method in route.methods or ():
            if path != "/api/session":
                answer = stranger.request(method, path, headers=headers)
                assert answer.status_code == 401, (method, path)
    assert stranger.get("/api").status_code == 401
    assert stranger.get("/api/nothing").status_code == 401


def test_only_the_token_opens_a_session(stranger: TestClient, gate: Gate) -> None:
    """A wrong one, an empty one and the cookie's value do not."""
    headers = {"Origin": ADDRESS, "X-Vos": "1"}
    for token in ("", "wrong", gate.token[:-1], gate.cookie, "ä"):
        answer = stranger.post("/api/session", json={"token": token}, headers=headers)
        assert kind(answer) == (401, "session")
        assert "set-cookie" not in answer.headers
    answer = stranger.post("/api/session", json={"token": gate.token}, headers=headers)
    assert answer.status_code == 204
    assert stranger.get("/api/project").status_code == 200


def test_secrets_are_compared_in_constant_time(gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Token and cookie, whole, by the function that is made for it."""
    compared = []
    monkeypatch.setattr("vos.server.security.hmac.compare_digest", lambda *both: bool(compared.append(both)))
    assert not gate.is_token(gate.token)
    assert not gate.has_cookie(f"{gate.cookie_name}={gate.cookie}")
    assert compared == [(secret.encode(),) * 2 for secret in (gate.token, gate.cookie)]


def test_the_cookie_is_for_this_server_alone(stranger: TestClient, gate: Gate) -> None:
    """Scripts cannot read it, other sites cannot send it, another port has another; it is not the token."""
    answer = stranger.post(
        "/api/session", json={"token": gate.token}, headers={"Origin": ADDRESS, "X-Vos": "1"}
    )
    name, _, rest = answer.headers["set-cookie"].partition("=")
    value, *attributes = rest.split("; ")
    assert name == f"vos-{PORT}"
    assert set(attributes) == {"HttpOnly", "SameSite=Strict", "Path=/"}
    assert value != gate.token
    assert min(len(value), len(gate.token)) >= 43  # 256 bits


def test_tokens_and_cookies_differ_between_starts() -> None:
    """And neither is shown where the gate is printed."""
    one, two = Gate(PORT), Gate(PORT)
    assert len({one.token, two.token, one.cookie, two.cookie}) == 4
    assert one.token not in repr(one)
    assert one.cookie not in repr(one)


@pytest.mark.parametrize("cookie", [f"vos-{PORT}=wrong", "other=1", f"vos-{PORT}", "=;=", 'a="'])
def test_a_wrong_cookie_is_no_session(stranger: TestClient, cookie: str) -> None:
    """Nor one that is malformed."""
    assert kind(stranger.get("/api/project", headers={"Cookie": cookie})) == (401, "session")


@pytest.mark.parametrize(
    "others",
    ['prefs={"theme":"dark mode"}; ', "=; a b=c; ", "x=1; vos=2; ", f"vos-{PORT}=of an earlier start; "],
)
def test_cookies_of_other_programs_are_passed_over(stranger: TestClient, gate: Gate, others: str) -> None:
    """Cookies know no ports: those of all servers of this machine come along, in any form."""
    for header in (f"{others}vos-{PORT}={gate.cookie}", f"vos-{PORT}={gate.cookie}; {others}"):
        assert stranger.get("/api/project", headers={"Cookie": header}).status_code == 200
    assert stranger.get("/api/project", headers={"Cookie": f"x-vos-{PORT}={gate.cookie}"}).status_code == 401


# Requests that other sites forge


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "", f"http://localhost:{PORT + 1}", f"https://127.0.0.1:{PORT}"]
)
def test_a_foreign_origin_is_refused(client: TestClient, project: Project, origin: str) -> None:
    """Nothing happens."""
    assert kind(client.post("/api/events", json=OBJECT, headers={"Origin": origin})) == (403, "origin")
    assert 3 not in project.state.objects


def test_a_missing_origin_is_refused(client: TestClient) -> None:
    """A browser sends it with every POST."""
    del client.headers["Origin"]
    assert kind(client.post("/api/events", json=OBJECT)) == (403, "origin")


def test_the_header_that_no_form_can_send_is_needed(client: TestClient, project: Project) -> None:
    """For POST and DELETE."""
    del client.headers["X-Vos"]
    assert kind(client.post("/api/events", json=OBJECT)) == (403, "header")
    assert kind(client.delete("/api/jobs/1")) == (403, "header")
    assert 3 not in project.state.objects


def test_other_origins_get_no_permission(client: TestClient) -> None:
    """No CORS: neither for a request nor for its preflight."""
    for answer in (
        client.get("/api/project", headers={"Origin": "http://evil.example"}),
        client.options("/api/events", headers={"Access-Control-Request-Method": "POST"}),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]


# Headers


@pytest.mark.parametrize(
    "path", ["/", "/api/project", "/api/nothing", "/../x", f"/api/videos/{CLIP}/frames/0.jpg"]
)
def test_every_answer_has_the_headers(client: TestClient, path: str) -> None:
    """Errors too, and those of requests that are refused."""
    for headers in ({}, {"Host": "evil.example"}):
        answer = client.get(path, headers=headers)
        assert answer.headers["Content-Security-Policy"] == POLICY
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert answer.headers["Cross-Origin-Opener-Policy"] == "same-origin"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


def test_the_policy_runs_our_files_only() -> None:
    """No inline script or style, no eval, no frame around us, no form, nothing from elsewhere."""
    rules = dict(rule.split(" ", 1) for rule in POLICY.split("; "))
    assert rules["default-src"] == "'none'"
    assert rules["script-src"] == rules["style-src"] == rules["connect-src"] == "'self'"
    assert rules["frame-ancestors"] == rules["base-uri"] == rules["form-action"] == "'none'"
    assert "unsafe" not in POLICY


def test_the_page_has_no_inline_code() -> None:
    """What the policy would block, and what text could slip into."""
    for path in sorted(static_folder().rglob("*")):
        text = path.read_text(encoding="utf-8") if path.suffix in (".html", ".js", ".mjs", ".css") else ""
        for word in (
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
            "new Function",
        ):
            assert word not in text, f"{path.name}: {word}"
        if path.suffix == ".html":
            for word in (" onclick", " onload", " style=", "javascript:", "<style"):
                assert word not in text, f"{path.name}: {word}"


def test_a_websocket_is_refused(client: TestClient) -> None:
    """There is none, and none is forgotten by the gate."""
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), client.websocket_connect("/api/events"):
        pass


# Paths


@pytest.mark.parametrize(
    "path",
    [
        "/../security.py",
        "/%2e%2e/security.py",
        "/..%2fsecurity.py",
        "/%2e%2e%2fsecurity.py",
        "/static/../../security.py",
        "/....//security.py",
        "/%00",
        "/..\\security.py",
    ],
)
def test_no_path_leads_out_of_the_static_files(workspace: Workspace, gate: Gate, path: str) -> None:
    """Asked as they are, as far as the client lets them through."""
    with TestClient(create_app(workspace, gate), base_url=ADDRESS) as client:
        assert client.get(ADDRESS + path).status_code == 404


@pytest.mark.parametrize("key", ["..", "%2e%2e", "../clip", "nothing", "clip%2f.."])
def test_videos_have_keys_and_no_paths(client: TestClient, key: str) -> None:
    """Only those of the project."""
    assert client.get(f"/api/videos/{key}/strip").status_code == 404
    assert client.get(f"/api/videos/{key}/frames/0.jpg").status_code == 404


def test_blobs_have_digests_and_no_paths(client: TestClient) -> None:
    """A digest that is none is refused before anything is opened."""
    event = {"kind": "anchor", "video": CLIP, "frame": 0, "object": 1, "mask": "../../project"}
    assert kind(client.post("/api/events", json={"events": [event]})) == (400, "usage")


def test_the_interface_tells_no_paths(client: TestClient, tmp_path: Path) -> None:
    """Where things lie on this machine is nobody's business."""
    assert str(tmp_path) not in client.get("/api/project").text


def test_the_folder_for_pages_has_walls(tmp_path: Path) -> None:
    """``..``, absolute paths, links that lead out and hidden files are not there; the rest is."""
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "sub").mkdir(parents=True)
    outside.mkdir()
    (outside / "secret.mp4").touch()
    (root / "sub" / "clip.mp4").touch()
    (root / ".hidden").mkdir()
    (root / ".hidden" / "a.mp4").touch()
    (root / "link").symlink_to(outside)
    (root / "sub" / "link.mp4").symlink_to(outside / "secret.mp4")
    assert list_folder(root, "") == {"path": ".", "folders": ["sub"], "videos": []}
    assert list_folder(root, "sub")["videos"] == ["clip.mp4"]
    assert below(root, "sub/clip.mp4") == (root / "sub" / "clip.mp4").resolve()
    bad = ["../outside", "sub/../../outside", str(outside), "link", "link/secret.mp4", "sub/link.mp4"]
    for text in [*bad, ".hidden", ".hidden/a.mp4", "nothing", "a\0b"]:
        with pytest.raises(Exception, match="there is no"):
            below(root, text)


def test_without_root_and_upload_pages_open_nothing(client: TestClient) -> None:
    """Both are off unless they were switched on."""
    assert kind(client.get("/api/files")) == (403, "off")
    assert kind(client.post("/api/videos", json={"path": "/etc"})) == (403, "off")
    assert kind(client.post("/api/videos?name=a.mp4", content=b"x")) == (403, "off")


# Bodies


def test_bodies_are_bounded(client: TestClient) -> None:
    """Refused early by Content-Length, and late by count where there is none."""
    large = b" " * (bodies.JSON_BYTES + 1)
    assert kind(client.post("/api/events", content=large)) == (413, "large")
    assert kind(client.post("/api/events", content=iter([large]))) == (413, "large")
    answer = client.post("/api/events", content=b"{}", headers={"Content-Length": str(10**12)})
    assert kind(answer) == (413, "large")


def test_masks_are_bounded(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """They may be larger than JSON, and not more."""
    assert bodies.MASK_BYTES == 64 << 20
    monkeypatch.setattr("vos.server.video_routes.MASK_BYTES", 1000)
    answer = client.post(f"/api/videos/{CLIP}/masks/0/1", content=b"x" * 1001)
    assert kind(answer) == (413, "large")


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"nonsense",
        b'{"events": 1}',
        b'{"expect": NaN}',
        b'{"expect": 1e999}',
        b'{"x": 1}',
        b"[" * 100_000,
        b'{"events": [{"kind": "object", "object": 1, "name": "\\ud800"}]}',
        b'{"events": [{"kind": "anchor", "video": "clip", "frame": 0, "object": 1, "mask": null, '
        b'"prompt": {"box": [0, 0, 1e999, 1]}}]}',
        b'{"events": [{"kind": "review", "video": "clip", "first": 0, "last": 0, "state": "rejected", '
        b'"note": "\\udfff"}]}',
        b'{"events": [{"kind": "undo", "of": "anna:' + b"1" * 5000 + b'"}], "expect": ' + b"1" * 5000 + b"}",
    ],
)
def test_malformed_json_is_refused(client: TestClient, body: bytes) -> None:
    """With a sentence, never with a traceback."""
    assert kind(client.post("/api/events", content=body)) == (400, "usage")
    assert kind(client.post("/api/session", content=b'{"token": "\\ud800"}')) == (400, "usage")


def test_addresses_with_numbers_of_any_length(client: TestClient) -> None:
    """There is no such frame."""
    for number in ("9" * 30, "9" * 5000):
        assert client.get(f"/api/videos/{CLIP}/frames/{number}.jpg").status_code in (400, 404)
        assert client.get(f"/api/videos/{CLIP}/frames/{number}.json").status_code in (400, 404)


# A real server


@pytest.fixture
def address(workspace: Workspace) -> Iterator[tuple[str, Gate]]:
    """The server on a socket, and its gate."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    gate = Gate(listener.getsockname()[1])
    app = create_app(workspace, gate)
    config = uvicorn.Config(
        app,
        log_level="error",
        lifespan="on",
        http=TimedProtocol,
        timeout_keep_alive=3600,  # uvicorn's own limit between requests: ours is shorter
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listener],))
    thread.start()
    yield f"127.0.0.1:{gate.port}", gate
    workspace.feed.close()
    server.should_exit = True
    thread.join()


def test_a_slow_body_is_given_up(address: tuple[str, Gate], monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is closed, so that nobody can hold them all."""
    monkeypatch.setattr(bodies, "PATIENCE", 0.2)
    netloc, gate = address
    with socket.create_connection(("127.0.0.1", gate.port), timeout=20) as connection:
        head = f"POST /api/session HTTP/1.1\r\nHost: {netloc}\r\nOrigin: http://{netloc}\r\nX-Vos: 1\r\n"
        connection.sendall(f"{head}Content-Length: 100\r\n\r\n{{".encode())
        answer = b""
        while chunk := connection.recv(1000):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: {netloc}\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: {netloc}\r\n\r\nG",
    ],
)
def test_connections_without_a_request_are_closed(
    address: tuple[str, Gate], monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    """Whether nothing was asked yet, or something before, or half of it."""
    monkeypatch.setattr(connections, "REQUEST_TIME", 0.2)
    netloc, gate = address
    with socket.create_connection(("127.0.0.1", gate.port), timeout=20) as connection:
        connection.sendall(begun.replace(b"{netloc}", netloc.encode()))
        answer = b""
        while chunk := connection.recv(1000):
            answer += chunk
    assert answer.startswith(b"HTTP/1.1 200") == begun.startswith(b"GET / HTTP/1.1")


def test_answers_may_take_longer_than_requests(
    address: tuple[str, Gate], monkeypatch: pytest.MonkeyPatch, project: Project
) -> None:
    """A stream goes on, and so does a connection with one request after the other."""
    monkeypatch.setattr(connections, "REQUEST_TIME", 0.2)
    netloc, gate = address
    headers = {"Cookie": gate.set_cookie().split(";")[0]}
    connection = http.client.HTTPConnection(netloc, timeout=20)
    for _ in range(4):
        connection.request("GET", "/api/keys", headers=headers)
        connection.getresponse().read()
        time.sleep(0.1)
    connection.request("GET", "/api/events", headers=headers)
    answer = connection.getresponse()
    time.sleep(0.5)
    project.add_object("three")
    lines = b""
    while b'"name":"three"' not in lines:
        line = answer.readline()
        assert line
        lines += line
    connection.close()


def test_raw_paths_lead_nowhere(address: tuple[str, Gate]) -> None:
    """``..`` as bytes on the wire."""
    netloc, _ = address
    for path in ("/../security.py", "/%2e%2e/security.py", "/..%2f..%2fsecurity.py", "/static/..%5c..%5cx"):
        connection = http.client.HTTPConnection(netloc, timeout=20)
        connection.putrequest("GET", path, skip_host=False)
        connection.endheaders()
        assert connection.getresponse().status == 404


def test_a_stream_needs_the_cookie_and_tells_what_happens(
    address: tuple[str, Gate], project: Project
) -> None:
    """What was missed comes first, then what happens, each with the counter to resume from."""
    netloc, gate = address
    connection = http.client.HTTPConnection(netloc, timeout=20)
    connection.request("GET", "/api/events?after=1")
    refused = connection.getresponse()
    assert refused.status == 401
    refused.read()
    connection.request("GET", "/api/events?after=1", headers={"Cookie": gate.set_cookie().split(";")[0]})
    answer = connection.getresponse()
    assert answer.getheader("content-type", "").startswith("text/event-stream")
    lines = [answer.readline() for _ in range(4)]
    assert lines[:2] == [b"id: 2\n", b"event: event\n"]
    assert b'"name":"two"' in lines[2]
    threading.Thread(target=lambda: (time.sleep(0.1), project.add_object("three"))).start()
    while not (line := answer.readline()).startswith(b"id: 3"):
        assert line
    assert answer.readline() == b"event: event\n"
    assert b'"name":"three"' in answer.readline()
    connection.close()


# Where it listens


def test_other_machines_are_kept_out_unless_they_are_wanted() -> None:
    """An address that others can reach needs a second word."""
    for host in ("127.0.0.1", "::1", "localhost"):
        Place(host).check()
    for host in ("0.0.0.0", "192.168.0.7", "::", "example.org"):
        with pytest.raises(InputError, match="--allow-remote"):
            Place(host).check()
        Place(host, allow_remote=True).check()
    assert Place().host == "127.0.0.1"
    assert Place("192.168.0.7", allow_remote=True).names == ("127.0.0.1", "localhost", "[::1]", "192.168.0.7")


@pytest.mark.parametrize(
    ("host", "shown"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("localhost", "127.0.0.1"),
        ("127.0.0.2", "127.0.0.2"),
        ("::1", "[::1]"),
        ("0:0::1", "[::1]"),
        ("0.0.0.0", "127.0.0.1"),
    ],
)
def test_the_printed_address_can_be_opened(
    host: str, shown: str, monkeypatch: pytest.MonkeyPatch, project: Project
) -> None:
    """It is the one where the server listens, and the server answers to it."""
    told: list[str] = []
    status: list[int] = []

    def run(server: uvicorn.Server, sockets: list[socket.socket]) -> None:
        parsed = urlparse(told[0])
        thread = threading.Thread(target=uvicorn.Server.run, args=(server, sockets))
        thread.start()
        connection = http.client.HTTPConnection(parsed.netloc, timeout=20)
        connection.request("GET", "/")
        status.append(connection.getresponse().status)
        connection.close()
        server.should_exit = True
        thread.join()

    monkeypatch.setattr("vos.server.launching.Server.run", run)
    try:
        serve(project, Place(host, allow_remote=True), Options(), announce=told.append)
    except OutputError:
        pytest.skip(f"this machine has no address {host}")
    assert status == [200]
    assert told[0].startswith(f"http://{shown}:")


def test_port_80_is_left_out_by_browsers() -> None:
    """So that the bare host is allowed there, and only there."""
    assert {"127.0.0.1", "127.0.0.1:80"} <= set(Gate(80).netlocs)
    assert "127.0.0.1" not in Gate(8080).netlocs


def test_neither_journal_nor_cache_holds_the_token(client: TestClient, gate: Gate, project: Project) -> None:
    """Whoever copies a project copies no key."""
    client.post("/api/events", json=OBJECT).raise_for_status()
    client.get(f"/api/videos/{CLIP}/frames/0.jpg").raise_for_status()
    for path in project.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            assert gate.token.encode() not in data
            assert gate.cookie.encode() not in data


def test_a_project_that_is_open_read_only_stays_as_it_is(project: Project, gate: Gate, clip: Path) -> None:
    """Every request that would change it is refused."""
    project.close()
    opened = Project.open(project.folder, read_only=True)
    with TestClient(create_app(Workspace(opened, Options()), gate), base_url=ADDRESS) as client:
        client.headers.update({"Origin": ADDRESS, "X-Vos": "1"})
        client.post("/api/session", json={"token": gate.token}).raise_for_status()
        for path in (
            "events",
            "undo",
            "redo",
            "accept",
            "settings",
            f"videos/{CLIP}/masks/0/1",
            "uploads?name=a.json",
        ):
            assert kind(client.post(f"/api/{path}", json={})) == (403, "read-only"), path
        assert client.post("/api/jobs", json={"kind": "track"}).status_code == 400
        assert client.get("/api/project").json()["read_only"] is True
