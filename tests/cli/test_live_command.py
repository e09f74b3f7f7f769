"""``vos live`` over a synthetic device, and its page."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from vos_cli.main import cli

from vos.errors import InputError
from vos.runs.mjpeg import MjpegServer
from vos.runs.preview import draw_grid
from vos.video.live import open_live

DEVICE = "device:lavfi:testsrc=size=96x64:rate=10:duration=0.6"
ONE_FRAME = "device:lavfi:testsrc=size=96x64:rate=10:duration=0.1"


def test_it_tracks_until_the_source_ends() -> None:
    """Frames tracked and dropped are those of the source."""
    result = CliRunner().invoke(cli, ["live", DEVICE, "--box", "1:20,10,60,50", "--json"])
    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)
    assert found["frames"] + found["dropped"] == 6
    assert found["frames"] >= 1
    assert "http://127.0.0.1:" in result.stderr


def test_the_first_frame_as_a_picture(tmp_path: Path) -> None:
    """With coordinates, to find prompts by."""
    path = tmp_path / "first.png"
    result = CliRunner().invoke(cli, ["live", ONE_FRAME, "--snapshot", str(path)])
    assert result.exit_code == 0, result.stderr
    with open_live(ONE_FRAME) as source:
        (first,) = (frame.image for frame in source)
    assert np.array_equal(np.asarray(Image.open(path)), draw_grid(first))


def test_a_prompt_for_a_later_frame_is_refused() -> None:
    """Nobody can know it."""
    result = CliRunner().invoke(cli, ["live", DEVICE, "--box", "1:20,10,60,50", "--frame", "3"])
    assert result.exit_code == 2
    assert "only the first frame is known" in result.stderr


def test_the_page_shows_the_newest_image() -> None:
    """As motion JPEG, to this machine alone."""
    with MjpegServer() as page:
        page.show(np.full((48, 64, 3), 200, np.uint8))
        with urllib.request.urlopen(page.address, timeout=10) as answer:
            assert b'src="/stream"' in answer.read()
        with urllib.request.urlopen(page.address + "stream", timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("multipart/x-mixed-replace")
            assert answer.readline() == b"--vos-frame\r\n"
            head = [answer.readline() for _ in range(3)]
            length = int(head[1].split(b":")[1])
            assert answer.read(length)[:2] == b"\xff\xd8"
        foreign = urllib.request.Request(page.address, headers={"Host": "evil.example:80"})
        with pytest.raises(urllib.error.HTTPError, match="403"):
            urllib.request.urlopen(foreign, timeout=10)
        with pytest.raises(InputError, match="choose another --port"):
            MjpegServer(int(page.address.rsplit(":", 1)[1].strip("/")))
