"""Published weights: located, fetched, resumed, verified. The server is on this machine."""

from __future__ import annotations

import hashlib
import http.server
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from vos_cli.main import cli

from vos.backbones.weights import catalog as registry
from vos.backbones.weights.catalog import WEIGHTS, Weights
from vos.backbones.weights.download import download
from vos.backbones.weights.location import locate, sha256_of, weights_folder
from vos.errors import ModelError

CONTENT = bytes(range(256)) * 40


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT and remembers what it was asked; told how to misbehave."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges: list[str | None] = []
        self.content = CONTENT
        self.knows_ranges = True
        self.stop_after: int | None = None
        self.status: int | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/model.pth"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        self.server.ranges.append(wanted)
        if self.server.status is not None:
            self.send_error(self.server.status)
            return
        body, start = self.server.content, 0
        match = re.fullmatch(r"bytes=(\d+)-", wanted or "")
        if match and self.server.knows_ranges:
            start = int(match[1])
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
        else:
            self.send_response(200)
        body = body[start:]
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        stop = self.server.stop_after
        self.wfile.write(body if stop is None else body[:stop])
        if stop is not None:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def weights(server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Weights:
    """A published file on the server, and a cache folder of the test's own."""
    monkeypatch.setenv("VOS_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("VOS_OFFLINE", raising=False)
    weights = Weights(
        "toy", "toy.pth", server.url, len(CONTENT), hashlib.sha256(CONTENT).hexdigest(), "Apache-2.0"
    )
    monkeypatch.setitem(registry.WEIGHTS, "toy", weights)
    return weights


def test_download_puts_the_whole_file_in_place(server: Server, weights: Weights) -> None:
    """The file gets its name when it is complete; a second call fetches nothing."""
    seen: list[tuple[int, int]] = []
    path = download(weights, progress=lambda done, total: seen.append((done, total)))
    assert path == weights_folder() / "toy.pth" == locate("toy")
    assert path.read_bytes() == CONTENT
    assert seen[-1] == (len(CONTENT), len(CONTENT))
    assert [p.name for p in path.parent.iterdir()] == ["toy.pth"]
    assert download(weights) == path
    assert server.ranges == [None]
    download(weights, force=True)
    assert server.ranges == [None, None]


def test_interrupted_download_is_resumed(server: Server, weights: Weights) -> None:
    """What arrived is kept; the next call asks for the rest alone."""
    server.stop_after = 3000
    with pytest.raises(ModelError, match=r"after 3000 of 10240 bytes.*run it again to resume"):
        download(weights)
    part = weights_folder() / "toy.pth.part"
    assert part.read_bytes() == CONTENT[:3000]
    server.stop_after = None
    assert download(weights).read_bytes() == CONTENT
    assert server.ranges == [None, "bytes=3000-"]
    assert not part.exists()


def test_server_without_ranges_starts_over(server: Server, weights: Weights) -> None:
    """A whole file in answer to a range replaces what was there."""
    weights_folder().mkdir(parents=True)
    (weights_folder() / "toy.pth.part").write_bytes(b"x" * 3000)
    server.knows_ranges = False
    assert download(weights).read_bytes() == CONTENT
    assert server.ranges == ["bytes=3000-"]


def test_complete_part_needs_no_network(server: Server, weights: Weights) -> None:
    """A run stopped between the last byte and the rename is finished without a request."""
    weights_folder().mkdir(parents=True)
    (weights_folder() / "toy.pth.part").write_bytes(CONTENT)
    assert download(weights).read_bytes() == CONTENT
    assert server.ranges == []


def test_wrong_bytes_are_dropped(server: Server, weights: Weights) -> None:
    """A file with another hash never gets the name, and is not resumed either."""
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(ModelError, match="is not the published file"):
        download(weights)
    assert list(weights_folder().iterdir()) == []


def test_resumed_onto_wrong_bytes_recovers(server: Server, weights: Weights) -> None:
    """A damaged part costs one failed attempt, then the download begins at the start."""
    weights_folder().mkdir(parents=True)
    (weights_folder() / "toy.pth.part").write_bytes(b"x" * 3000)
    with pytest.raises(ModelError, match="is not the published file"):
        download(weights)
    assert download(weights).read_bytes() == CONTENT


def test_longer_file_is_refused(server: Server, weights: Weights) -> None:
    """More bytes than were published are not stored without end."""
    server.content = CONTENT * 2
    with pytest.raises(ModelError, match="sends more than the 10240 bytes"):
        download(weights)
    assert not (weights_folder() / "toy.pth").exists()
    server.content = CONTENT
    assert download(weights).read_bytes() == CONTENT


def test_server_errors_are_named(server: Server, weights: Weights) -> None:
    """404 is said as such; nothing is left behind."""
    server.status = 404
    with pytest.raises(ModelError, match="the server responded 404 Not Found"):
        download(weights)
    assert list(weights_folder().iterdir()) == []


def test_unreachable_server(weights: Weights) -> None:
    """No server: the message says so and what to do."""
    gone = Weights("toy", "toy.pth", "http://127.0.0.1:9/x", 10, "0" * 64, "none")
    with pytest.raises(ModelError, match=r"was interrupted after 0 of 10 bytes"):
        download(gone)


def test_offline_fetches_nothing(server: Server, weights: Weights, monkeypatch: pytest.MonkeyPatch) -> None:
    """VOS_OFFLINE forbids the network, but not the use of what is here."""
    monkeypatch.setenv("VOS_OFFLINE", "1")
    with pytest.raises(ModelError, match=r"VOS_OFFLINE is set.*toy\.pth"):
        download(weights)
    monkeypatch.setenv("VOS_OFFLINE", "0")
    download(weights)
    monkeypatch.setenv("VOS_OFFLINE", "1")
    assert download(weights).exists()
    assert len(server.ranges) == 1


def test_folder_that_cannot_be_made(
    weights: Weights, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A file where the cache folder should be is an error with its name."""
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("VOS_HOME", str(tmp_path / "file"))
    with pytest.raises(ModelError, match=r"cannot write weights to .*file"):
        download(weights)


def test_damaged_file_is_found(weights: Weights) -> None:
    """A file of another size is not located; one of the right size is found out by its hash."""
    path = download(weights)
    path.write_bytes(CONTENT[:-5])
    with pytest.raises(ModelError, match=r"has 10235 bytes where 10240 were published.*--force"):
        locate("toy")
    path.write_bytes(CONTENT[:-1] + b"?")
    assert locate("toy") == path
    with pytest.raises(ModelError, match="is not the published file of toy"):
        download(weights)


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """VOS_HOME moves the cache; without it, it lies in the platform's cache folder."""
    monkeypatch.setenv("VOS_HOME", str(tmp_path))
    assert weights_folder() == tmp_path / "weights"
    monkeypatch.delenv("VOS_HOME")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr("sys.platform", "linux")
    assert weights_folder() == tmp_path / "xdg" / "vos" / "weights"
    monkeypatch.setattr("sys.platform", "darwin")
    assert weights_folder() == Path.home() / "Library" / "Caches" / "vos" / "weights"
    monkeypatch.setattr("sys.platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    assert weights_folder() == tmp_path / "local" / "vos" / "weights"


def test_registry_is_well_formed() -> None:
    """Every entry has https, a size, a sha256, and is a model that can be built."""
    from vos.trackers.registry import MODELS

    for name, weights in WEIGHTS.items():
        assert name == weights.name
        assert weights.url.startswith("https://")
        assert weights.url.endswith(weights.file)
        assert weights.size > 0
        assert re.fullmatch(r"[0-9a-f]{64}", weights.sha256)
        assert name in MODELS


def _vos(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["models", *arguments])


def test_commands(weights: Weights) -> None:
    """list, download, path and verify, before and after the file is here, and with a damaged file."""
    listed = _vos("list")
    assert listed.exit_code == 0
    assert re.search(r"toy .* not fetched", listed.output)
    assert re.search(r"sam3 +3450.1 MB  SAM License +gated +SA-V test 84.4", listed.output)
    assert re.search(r"edgetam +56.0 MB  Apache-2.0 +not fetched +SA-V test 71.7", listed.output)
    missing = _vos("path", "toy")
    assert missing.exit_code == 4
    assert "vos models download toy" in missing.output
    fetched = _vos("download", "toy")
    assert fetched.exit_code == 0
    assert fetched.output.strip() == str(weights_folder() / "toy.pth")
    assert '"here": true' in _vos("list", "--json").output
    assert _vos("path", "toy").output.strip() == str(weights_folder() / "toy.pth")
    assert "is the published file" in _vos("verify", "toy").output
    locate("toy").write_bytes(CONTENT[:-1] + b"?")
    damaged = _vos("verify", "toy")
    assert damaged.exit_code == 4
    assert "--force" in damaged.output
    assert _vos("download", "toy", "--force").exit_code == 0
    assert sha256_of(locate("toy")) == weights.sha256


def test_unknown_model() -> None:
    """A name without weights is answered with the names that have them."""
    unknown = _vos("download", "sam-vit-x")
    assert unknown.exit_code == 4
    assert "mobile-sam, sam-vit-b" in unknown.output


def test_everything_with_weights_is_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every tracker and backbone that has weights of its own, and the features; with sizes and licences."""
    from vos.backbones.features import FEATURES
    from vos.backbones.registry import BACKBONES
    from vos.trackers.registry import TRACKERS

    monkeypatch.setenv("VOS_HOME", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    rows = {row["model"]: row for row in json.loads(_vos("list", "--json").output)}
    tables = (*TRACKERS.items(), *BACKBONES.items())
    assert {name for name, entry in tables if entry.weights == "download"} <= set(rows)
    assert set(FEATURES) <= set(rows)
    assert all(row["megabytes"] > 1 and row["licence"] and row["url"] for row in rows.values())
    assert {name for name, row in rows.items() if row["gated"]} == {
        "sam3",
        "dinov3-s",
        "dinov3-b",
        "dinov3-l",
    }


def test_weights_that_are_not_fetched() -> None:
    """``download`` says where they are to be had."""
    for name, where in (("efficienttam-s", "efficient-track-anything"), ("sam3", "Access is gated")):
        refused = _vos("download", name)
        assert refused.exit_code == 4
        assert where in refused.output
        assert "give it with --checkpoint" in refused.output
