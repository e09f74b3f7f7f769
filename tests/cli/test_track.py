"""``vos track`` from the command line to the files, with an engine that is followed by hand."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import cv2
import numpy as np
import pytest
import vos_with_drift  # noqa: F401  (registers the engine "drift")
from click.testing import CliRunner, Result
from PIL import Image
from vos_cli.main import cli

from vos.formats.drawing import bright_palette
from vos.formats.index_png import encode_index_png
from vos.results import davis_palette
from vos.testing import Scene, scene, write_images, write_labels, write_video

DRIVER = Path(__file__).with_name("vos_with_drift.py")
SIZE = (48, 65)
COUNT = 30


@pytest.fixture(scope="module")
def clip() -> Scene:
    """Two objects."""
    return scene("crossing", num_frames=COUNT, size=SIZE, seed=1)


@pytest.fixture(scope="module")
def given(clip: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``clip.mkv``, ``images/``, ``masks/``, and ``recipe.yaml`` with a checkpoint every 5 frames."""
    folder = tmp_path_factory.mktemp("given")
    write_video(clip, folder / "clip.mkv")
    write_images(clip, folder / "images")
    write_labels(clip, folder / "masks")
    (folder / "recipe.yaml").write_text("model: drift\ncheckpoint_every: 5\n")
    return folder


def arguments(given: Path, out: Path, *more: str) -> list[str]:
    """The usual command line."""
    mask = given / "masks" / "00000.png"
    return [
        "track",
        str(given / "clip.mkv"),
        "-m",
        str(mask),
        "-o",
        str(out),
        "--config",
        str(given / "recipe.yaml"),
        *more,
    ]


def run(given: Path, out: Path, *more: str) -> Result:
    """The usual command line, in this process."""
    return CliRunner().invoke(cli, arguments(given, out, *more))


def files(folder: Path) -> dict[str, bytes]:
    """Every file under ``folder``, timings of ``run.json`` taken out."""
    found = {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}
    return {name: data.split(b'"timings"')[0] if name == "run.json" else data for name, data in found.items()}


@pytest.fixture(scope="module")
def whole(given: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """The files of an uninterrupted run."""
    out = tmp_path_factory.mktemp("whole") / "out"
    assert run(given, out).exit_code == 0
    return files(out)


def test_a_video_file(given: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """Masks, overlay, annotations, record; a summary on stdout; stderr says how the mask was read."""
    result = run(given, tmp_path / "out")
    assert result.exit_code == 0, result.stderr
    assert re.fullmatch(r"vos: .*00000.png: 2 objects, .*, from palette entries as ids\n", result.stderr)
    assert result.stdout.startswith(f"{COUNT} frames, 2 objects, ")
    assert str(tmp_path / "out" / "overlay.mp4") in result.stdout
    assert set(whole) == {
        f".states/{COUNT - 1:08d}.npz",
        "annotations.json",
        "overlay.mp4",
        "run.json",
        *(f"masks/{n:05d}.png" for n in range(COUNT)),
    }
    with av.open(str(tmp_path / "out" / "overlay.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.frames, stream.width, stream.height, stream.average_rate) == (COUNT, 66, 48, 25)


def test_a_folder_of_images(given: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """The same frames as images give the same masks."""
    out = tmp_path / "out"
    command = arguments(given, out)
    command[1] = str(given / "images")
    assert CliRunner().invoke(cli, command).exit_code == 0
    masks = {name: data for name, data in files(out).items() if name.startswith("masks/")}
    assert masks == {name: data for name, data in whole.items() if name.startswith("masks/")}


def test_json(given: Path, tmp_path: Path) -> None:
    """With --json the summary is all there is on stdout."""
    result = run(given, tmp_path / "out", "--json")
    summary = json.loads(result.stdout)
    assert summary["frames"] == COUNT
    assert summary["objects"] == [1, 2]
    assert summary["files"]["masks"] == str(tmp_path / "out" / "masks")
    assert summary["seconds_per_frame"] > 0
    assert summary["warnings"] == []


def test_quiet(given: Path, tmp_path: Path) -> None:
    """With -q a good run says nothing."""
    result = run(given, tmp_path / "out", "-q")
    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("flags", "palette"),
    [([], "bright"), (["--overlay-palette", "davis"], "davis")],
    ids=["default", "davis"],
)
def test_the_palette_of_the_overlay(given: Path, tmp_path: Path, flags: list[str], palette: str) -> None:
    """The overlay has bright colours, or those of the masks if asked for, beside the recipe's settings."""
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text("model: drift\noverlay: {alpha: 1, contour: false, labels: false}\n")
    command = arguments(given, tmp_path / "out", *flags)
    command[command.index("--config") + 1] = str(recipe)
    assert CliRunner().invoke(cli, command).exit_code == 0
    with av.open(str(tmp_path / "out" / "overlay.mp4")) as container:
        first = next(container.decode(video=0)).to_ndarray(format="rgb24")[:48, :65].astype(float)
    labels = np.asarray(Image.open(given / "masks" / "00000.png"))
    inside = cv2.erode((labels == 2).astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
    expected = {"bright": bright_palette, "davis": davis_palette}[palette]()[2]
    assert np.abs(np.median(first[inside], axis=0) - expected).max() < 25


@pytest.mark.parametrize(
    ("flags", "absent"),
    [
        (["--no-overlay"], {"overlay.mp4"}),
        (["--no-coco"], {"annotations.json"}),
        (["--no-overlay", "--no-coco"], {"overlay.mp4", "annotations.json"}),
        (["--overlay", "--coco"], set()),
    ],
)
def test_outputs_are_chosen_by_flags(given: Path, tmp_path: Path, flags: list[str], absent: set[str]) -> None:
    """An output that is switched off is not there, and the summary does not name it."""
    result = run(given, tmp_path / "out", *flags)
    there = {
        name for name in ("overlay.mp4", "annotations.json", "run.json") if (tmp_path / "out" / name).exists()
    }
    assert there == {"overlay.mp4", "annotations.json", "run.json"} - absent
    assert not [name for name in absent if name in result.stdout]


def test_a_flag_overrules_the_recipe(given: Path, tmp_path: Path) -> None:
    """Defaults, then the file, then flags; the record has what was used."""
    recipe = tmp_path / "mine.yaml"
    recipe.write_text("model: drift\noutputs: [masks]\nstride: 2\nend: 20\n")
    result = run(
        given, tmp_path / "out", "--config", str(recipe), "--stride", "5", "--coco", "--size", "130x96"
    )
    assert result.exit_code == 2  # the mask is 65x48
    assert "65x48" in result.stderr
    assert "130x96" in result.stderr
    result = run(given, tmp_path / "out", "--config", str(recipe), "--stride", "5", "--coco")
    assert result.exit_code == 0, result.stderr
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["settings"]["stride"] == 5
    assert record["settings"]["end"] == 20
    assert record["settings"]["outputs"] == ["masks", "coco"]
    assert [frame["index"] for frame in record["frames"]] == [0, 5, 10, 15]


def test_a_mask_for_a_later_frame(given: Path, tmp_path: Path, clip: Scene) -> None:
    """--frame N tracks in both directions: every frame has its mask, frame N the one that was given."""
    mask = given / "masks" / "00012.png"
    result = run(given, tmp_path / "out", "-m", str(mask), "--frame", "12")
    # The usual command line gives frame 0's mask too: one -m only.
    command = arguments(given, tmp_path / "out", "--frame", "12", "--overwrite")
    command[command.index("-m") + 1] = str(mask)
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 0, result.stderr
    masks = sorted((tmp_path / "out" / "masks").iterdir())
    assert len(masks) == COUNT
    assert np.array_equal(np.array(Image.open(masks[12])), clip.labels[12])
    assert np.array_equal(np.array(Image.open(masks[2])), np.roll(clip.labels[12], 10, axis=1))


def test_a_second_run(given: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """Refused without a flag; nothing changes with --resume; the same again with --overwrite."""
    out = tmp_path / "out"
    assert run(given, out).exit_code == 0
    refused = run(given, out)
    assert refused.exit_code == 2
    assert "--resume" in refused.stderr
    assert "--overwrite" in refused.stderr
    again = run(given, out, "--resume", "--json")
    assert again.exit_code == 0
    assert json.loads(again.stdout)["frames"] == COUNT
    assert files(out) == whole
    assert run(given, out, "--overwrite").exit_code == 0
    assert files(out) == whole


def bad_media(folder: Path, given: Path) -> dict[str, Path]:
    """Files that are no video, by what is wrong with them."""
    data = (given / "clip.mkv").read_bytes()
    made = {}

    def make(name: str, content: bytes) -> None:
        made[name] = folder / name
        made[name].write_bytes(content)

    make("empty.mp4", b"")
    make("text.mp4", b"This is a shopping list.\n" * 100)
    make("header.mkv", data[:300])
    with av.open(str(folder / "audio.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=16000)
        for _ in range(5):
            sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
            sound.rate = 16000
            container.mux(stream.encode(sound))
        container.mux(stream.encode(None))
    made["audio.mp4"] = folder / "audio.mp4"
    (folder / "no-images").mkdir()
    made["no-images"] = folder / "no-images"
    made["absent.mp4"] = folder / "absent.mp4"
    return made


@pytest.mark.parametrize(
    "name", ["empty.mp4", "text.mp4", "header.mkv", "audio.mp4", "no-images", "absent.mp4"]
)
def test_bad_media(given: Path, tmp_path: Path, name: str) -> None:
    """Exit 3, one line that names the file, nothing left behind."""
    video = bad_media(tmp_path, given)[name]
    command = arguments(given, tmp_path / "out")
    command[1] = str(video)
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 3
    assert name in result.stderr
    assert result.stderr.startswith("vos: ")
    assert len(result.stderr.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.zeros(SIZE, np.uint8), r"mask\.png is empty"),
        (np.ones((20, 30), np.uint8), "mask of object 1 .* is 30x20 .* 65x48"),
        (np.full(SIZE, 255, np.uint8), None),  # 0/255: one object
        (None, r"mask\.png is not an image"),
    ],
)
def test_bad_masks(given: Path, tmp_path: Path, labels: np.ndarray | None, message: str | None) -> None:
    """An empty mask, one of another size and one that is none are refused, saying which and why."""
    mask = tmp_path / "mask.png"
    mask.write_bytes(b"not a PNG" if labels is None else encode_index_png(labels))
    command = arguments(given, tmp_path / "out")
    command[command.index("-m") + 1] = str(mask)
    result = CliRunner().invoke(cli, command)
    if message is None:
        assert result.exit_code == 0, result.stderr
        return
    assert result.exit_code == 2, result.stderr
    assert re.search(message, result.stderr)
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "prompt",
    [
        ["--point", "0:5,5"],
        ["--point", "255:5,5"],
        ["--point", "1:5"],
        ["--point", "1:500,5"],
        ["--box", "1:60,40,500,600"],
        ["--box", "1:9,9,3,3"],
        ["--box", "dog:1,1,5,5"],
        ["--prompts", "absent.json"],
        [],
    ],
)
def test_bad_prompts(given: Path, tmp_path: Path, prompt: list[str]) -> None:
    """Ids 0 and 255, places outside the frame, text that is no prompt, no prompt at all: exit 2."""
    command = ["track", str(given / "clip.mkv"), "-o", str(tmp_path / "out"), "--model", "drift", *prompt]
    result = CliRunner().invoke(cli, command)
    assert result.exit_code == 2, result.stderr
    assert "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()


def test_ids_above_254(given: Path, clip: Scene, tmp_path: Path) -> None:
    """Ids of a 16-bit mask are kept, by --resume too, in 16-bit masks, which can be given again."""
    labels = np.select([clip.labels[0] == 1, clip.labels[0] == 2], [60000, 300], 0).astype(np.uint16)
    labels[:3, :5] = 3
    (tmp_path / "first.png").write_bytes(encode_index_png(labels))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "model: classical\ncheckpoint_every: 3\n"
        "tracker: {appearance: {views: 2, samples: 500, iterations: 50, batch: 256}}\n"
    )

    def track(mask: Path, out: Path, end: int, *more: str) -> dict[str, np.ndarray]:
        command = ["track", str(given / "clip.mkv"), "-m", str(mask), "-o", str(out), "--no-overlay"]
        result = CliRunner().invoke(cli, [*command, "--config", str(recipe), "--end", str(end), *more])
        assert result.exit_code == 0, result.stderr
        return {path.name: np.asarray(Image.open(path)) for path in sorted((out / "masks").iterdir())}

    at_once = track(tmp_path / "first.png", tmp_path / "once", 8)
    assert np.array_equal(at_once["00000.png"], labels)
    assert {3, 300, 60000} <= set(np.unique(at_once["00007.png"]).tolist())
    assert at_once["00007.png"].dtype == np.uint16
    track(tmp_path / "once" / "masks" / "00000.png", tmp_path / "parts", 5)
    in_parts = track(tmp_path / "once" / "masks" / "00000.png", tmp_path / "parts", 8, "--resume")
    assert in_parts.keys() == at_once.keys()
    assert all(np.array_equal(mask, at_once[name]) for name, mask in in_parts.items())


def test_an_unknown_model(given: Path, tmp_path: Path) -> None:
    """Exit 4, naming the models there are."""
    result = run(given, tmp_path / "out", "--model", "sam-vit-x")
    assert result.exit_code == 4
    assert "drift" in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("place", ["file", "file/below", "masks-file"])
def test_an_output_place_that_cannot_be_used(given: Path, tmp_path: Path, place: str) -> None:
    """A file where a folder is needed: exit 2 before the first frame, and the file stays."""
    (tmp_path / "file").write_text("mine")
    out = tmp_path / place
    if place == "masks-file":
        out.mkdir()
        (out / "masks").write_text("mine")
    result = run(given, out)
    assert result.exit_code == 2
    assert "file" in result.stderr
    assert (tmp_path / "file").read_text() == "mine"
    if place == "masks-file":
        assert files(out) == {"masks": b"mine"}


def test_an_empty_output_folder(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a variable of a shell that is not set: nothing is written to the working directory."""
    monkeypatch.chdir(tmp_path)
    mask = given / "masks" / "00000.png"
    result = CliRunner().invoke(cli, ["track", str(given / "clip.mkv"), "-m", str(mask), "-o", ""])
    assert result.exit_code == 2
    assert "it is empty; give a folder" in result.stderr
    assert list(tmp_path.iterdir()) == []


def start(given: Path, out: Path, *more: str, waits_at: int = -1) -> subprocess.Popen[str]:
    """The usual command line in a process of its own, slow enough to be met in the middle.

    It stays at frame ``waits_at`` until a signal comes.
    """
    return subprocess.Popen(
        [sys.executable, str(DRIVER), *arguments(given, out, *more)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "DRIFT_SECONDS": "0.03", "DRIFT_WAITS_AT": str(waits_at)},
        # A shell's background jobs ignore Ctrl-C, and so would what they start.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )


def wait_for(condition: Callable[[], bool], process: subprocess.Popen[str]) -> None:
    """Until the condition holds or the process has ended."""
    while not condition() and process.poll() is None:
        time.sleep(0.005)


def count_masks(out: Path) -> int:
    """Finished masks."""
    return len(list((out / "masks").glob("*.png"))) if (out / "masks").is_dir() else 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_stopped_by_a_signal(given: Path, tmp_path: Path, whole: dict[str, bytes], number: int) -> None:
    """Exit 130, a line that says how far it got and how to go on; then --resume gives the same bytes."""
    out = tmp_path / "out"
    with start(given, out, waits_at=8) as process:
        wait_for(lambda: count_masks(out) >= 8, process)
        process.send_signal(number)
        stdout, stderr = process.communicate()
    assert process.returncode == 130, stderr
    assert stdout == ""
    *_, last = stderr.splitlines()
    assert last.startswith("vos: interrupted: ")
    assert "--resume" in stderr
    assert len(stderr.splitlines()) == 2, "how the mask was read, and the error"
    for name, data in files(out).items():
        if not name.startswith(".work"):
            assert data == whole[name]
    assert run(given, out, "--resume").exit_code == 0
    assert files(out) == whole


def test_killed_at_random_moments(given: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """SIGKILL again and again: no partial file under a final name at any time, the same bytes at the end."""
    out, moments = tmp_path / "out", random.Random(3)
    killed = 0
    while killed < 4:
        with start(given, out, "--resume") as process:
            before = count_masks(out)
            wait_for(lambda before=before: (out / ".work").is_dir() and count_masks(out) > before, process)
            time.sleep(moments.uniform(0, 0.15))
            process.kill()
        killed += 1
        for name, data in files(out).items():
            if not Path(name).name.startswith(".") and not name.startswith(".work"):
                assert data == whole[name], name
    assert run(given, out, "--resume").exit_code == 0
    assert files(out) == whole


@contextlib.contextmanager
def small_disk(folder: Path, options: str) -> Iterator[Path]:
    """A file system of its own in memory; skips the test where it cannot be had."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("cannot mount a small file system here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk(given: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """A disk that fills up in the middle: exit 5, complete files, and --resume when there is space again."""
    with small_disk(tmp_path / "disk", "size=100k") as disk:
        result = run(given, disk / "out")
        assert result.exit_code == 5, result.stderr
        assert "the disk is full" in result.stderr
        assert "--resume" in result.stderr
        done = {name: data for name, data in files(disk / "out").items() if not name.startswith(".work")}
        assert done
        assert done.items() <= whole.items()
        subprocess.run(["mount", "-o", "remount,size=10m", str(disk)], check=True)
        assert run(given, disk / "out", "--resume").exit_code == 0
        assert files(disk / "out") == whole


def test_a_read_only_disk(given: Path, tmp_path: Path) -> None:
    """A place that cannot be written to: exit 2 before the first frame."""
    with small_disk(tmp_path / "disk", "ro") as disk:
        for out in (disk, disk / "out"):
            result = run(given, out)
            assert result.exit_code == 2
            assert "read-only" in result.stderr
            assert len(result.stderr.splitlines()) == 2, "how the mask was read, and the error"


def test_a_video_that_ends_in_the_middle(given: Path, tmp_path: Path, whole: dict[str, bytes]) -> None:
    """A truncated file: exit 5, complete masks of what could be read, a hint; --end finishes it."""
    data = (given / "clip.mkv").read_bytes()
    folder = tmp_path / "cut"
    shutil.copytree(given, folder)
    (folder / "clip.mkv").write_bytes(data[: len(data) * 6 // 10])
    result = run(folder, tmp_path / "out")
    assert result.exit_code == 5, result.stderr
    assert "--resume" in result.stderr
    done = count_masks(tmp_path / "out")
    assert 5 < done < COUNT
    assert f"{done} frames are done" in result.stderr
    assert run(folder, tmp_path / "out", "--resume", "--end", str(done)).exit_code == 0
    assert count_masks(tmp_path / "out") == done


def test_the_bar_is_for_terminals(given: Path, tmp_path: Path) -> None:
    """On a terminal there is a bar with rate and time to go, on stderr alone."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, str(DRIVER), *arguments(given, tmp_path / "out", "--json")],
        stdout=subprocess.PIPE,
        stderr=theirs,
        env={**os.environ, "DRIFT_SECONDS": "0.05", "TERM": "xterm", "COLUMNS": "120"},
    )
    os.close(theirs)
    shown = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:  # how Linux says that the other side is closed
            break
        if not piece:
            break
        shown += piece
    stdout, _ = process.communicate()
    os.close(ours)
    assert process.returncode == 0
    assert json.loads(stdout)["frames"] == COUNT
    text = shown.decode()
    assert f"/{COUNT}" in text
    assert "/s" in text
    assert "0:00" in text
