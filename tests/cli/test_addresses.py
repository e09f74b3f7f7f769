"""Videos at addresses, from the command line: allowed by a flag, resumed by content, ended by signals."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import vos_with_drift  # noqa: F401  (registers the engine "drift")
from click.testing import CliRunner, Result
from loopback import Answer, Server, serving
from vos_cli.main import cli

from vos.testing import scene, write_labels, write_video

DRIVER = Path(__file__).with_name("vos_with_drift.py")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``clip.mkv``, the same without its last frame, and ``masks/``."""
    folder = tmp_path_factory.mktemp("given")
    clip = scene("crossing", num_frames=12, size=(48, 65), seed=1)
    write_video(clip, folder / "clip.mkv")
    write_labels(clip, folder / "masks")
    write_video(scene("crossing", num_frames=11, size=(48, 65), seed=1), folder / "other.mkv")
    (folder / "recipe.yaml").write_text("model: drift\ncheckpoint_every: 3\n")
    return folder


@pytest.fixture
def server(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """A server with ``clip.mkv`` on this machine; temporary files are in ``tmp_path/tmp``."""
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    monkeypatch.setenv("TMPDIR", str(tmp_path / "tmp"))
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as running:
        running.answers["/clip.mkv"] = Answer((given / "clip.mkv").read_bytes())
        running.answers["/waits.mkv"] = Answer(
            (given / "clip.mkv").read_bytes(), waits=True, has_length=False
        )
        yield running


def vos(*arguments: object) -> Result:
    """The command, in this process."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def tracking(given: Path, video: object, out: Path, *more: object) -> list[object]:
    """Arguments of `vos track`."""
    mask = given / "masks" / "00000.png"
    return ["track", video, "-m", mask, "-o", out, "--config", given / "recipe.yaml", *more]


def results(out: Path) -> dict[str, bytes]:
    """All files but the record."""
    names = {path for path in out.rglob("*") if path.is_file() and path.name != "run.json"}
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in names}


def test_a_run_from_an_address(given: Path, server: Server, tmp_path: Path) -> None:
    """The results are those of the file; resuming goes by what is there, and refuses what has changed."""
    address = f"{server.address}/clip.mkv"
    refused = vos(*tracking(given, address, tmp_path / "out"))
    assert (refused.exit_code, server.requests) == (3, [])
    assert "--allow-url" in refused.stderr
    assert not (tmp_path / "out").exists()
    done = vos(*tracking(given, f"{address}?token=1", tmp_path / "out", "--allow-url", "--end", 6))
    assert done.exit_code == 0, done.output
    again = vos(*tracking(given, f"{address}?token=2", tmp_path / "out", "--allow-url", "--resume"))
    assert again.exit_code == 0, again.output
    record = (tmp_path / "out" / "run.json").read_text()
    assert json.loads(record)["input"]["path"] == address
    assert "token" not in record
    assert vos(*tracking(given, given / "clip.mkv", tmp_path / "local")).exit_code == 0
    assert results(tmp_path / "out") == results(tmp_path / "local")
    server.answers["/clip.mkv"] = Answer((given / "other.mkv").read_bytes())
    changed = vos(*tracking(given, address, tmp_path / "out", "--allow-url", "--resume"))
    assert changed.exit_code == 2
    assert "input.sha256" in changed.stderr or "input.size" in changed.stderr
    assert os.listdir(tmp_path / "tmp") == []


def test_commands_that_read_a_video(given: Path, server: Server, tmp_path: Path) -> None:
    """All take the flag; a run from an address is shown where the address is given again."""
    address, out = f"{server.address}/clip.mkv", tmp_path / "out"
    assert vos(*tracking(given, address, out, "--allow-url")).exit_code == 0
    for number, command in enumerate(
        (
            ["probe", address],
            ["extract", address, "--frame", 3, "-o", tmp_path / "3.png"],
            ["preview", address, "-o", tmp_path / "grid.png"],
            ["visualize", out, "--video", address, "-o", tmp_path / "sheet.png"],
            ["export", out, "-f", "davis", "--images", "copy", "--video", address, "-o", tmp_path / "davis"],
            ["export", out, "-f", "rgba-png", "--video", address, "-o", tmp_path / "cut"],
            ["import", out / "masks", "--video", address, "-o", tmp_path / "imported"],
        )
    ):
        refused = vos(*command)
        assert (refused.exit_code, len(server.requests)) == (3, 1 + number), command
        assert "--allow-url" in refused.stderr
        done = vos(*command, "--allow-url")
        assert done.exit_code == 0, done.output
    unsaid = vos("visualize", out, "-o", tmp_path / "sheet2.png")
    assert unsaid.exit_code == 2
    assert f"was fetched from {address}: give it, or a file, with --video" in unsaid.stderr
    for refused in (
        vos("project", "new", address, "-o", tmp_path / "p.vosproject"),
        vos("annotate", address, "--no-browser"),
    ):
        assert refused.exit_code == 3, refused.output
        assert "is an address" in refused.stderr
    assert os.listdir(tmp_path / "tmp") == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_signals_while_a_server_is_waited_for(
    given: Path, server: Server, tmp_path: Path, number: signal.Signals
) -> None:
    """The command ends at once, and what a killed one leaves goes with the next that fetches."""
    arguments = tracking(given, f"{server.address}/waits.mkv", tmp_path / "out", "--allow-url")
    with subprocess.Popen(
        [sys.executable, str(DRIVER), *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    ) as process:
        while not list((tmp_path / "tmp").glob(".vos-*/waits.mkv")) and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        _, stderr = process.communicate()
    assert process.returncode == (-9 if number == signal.SIGKILL else 130), stderr
    assert not (tmp_path / "out").exists()
    assert bool(os.listdir(tmp_path / "tmp")) == (number == signal.SIGKILL)
    assert "Traceback" not in stderr
    if number == signal.SIGKILL:
        done = subprocess.run(
            [sys.executable, "-m", "vos_cli", "probe", f"{server.address}/clip.mkv", "--allow-url"],
            check=False,
        )
        assert done.returncode == 0
        assert os.listdir(tmp_path / "tmp") == []
