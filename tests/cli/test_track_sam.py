"""``vos track`` with SAM networks that nobody trained, from checkpoint files in the original format."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result
from PIL import Image
from vos_cli.main import cli

import vos
from vos.testing import scene, tiny_sam_checkpoint, write_images, write_labels

pytestmark = pytest.mark.usefixtures("one_thread")

SIZE = (61, 84)
COUNT = 5


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``images/``, ``masks/``, ``vit.pth`` and ``mobile.pt``."""
    folder = tmp_path_factory.mktemp("given")
    clip = scene("still", num_frames=COUNT, size=SIZE, seed=1)
    write_images(clip, folder / "images")
    write_labels(clip, folder / "masks")
    tiny_sam_checkpoint(folder / "vit.pth", seed=3)
    tiny_sam_checkpoint(folder / "mobile.pt", seed=3, kind="tiny-vit")
    return folder


def track(given: Path, out: Path, *more: str, mask: bool = True) -> Result:
    """The command on the images; more options follow."""
    start = ["-m", str(given / "masks" / "00000.png")] if mask else []
    return CliRunner().invoke(cli, ["track", str(given / "images"), *start, "-o", str(out), *more])


def sam(given: Path) -> list[str]:
    """The options of a tiny ViT."""
    return ["--model", "sam-vit-b", "--checkpoint", str(given / "vit.pth")]


@pytest.mark.parametrize(
    "how",
    [[], ["--tune"], ["--recipe", "parity"], ["--recipe", "parity", "--tune"], ["--dtype", "bfloat16"]],
    ids=" ".join,
)
def test_a_sam_tracks(given: Path, tmp_path: Path, how: list[str]) -> None:
    """Our tracker and the published scripts, with and without the fit: a mask per frame, scores for both."""
    result = track(given, tmp_path / "out", *sam(given), *how)
    assert result.exit_code == 0, result.output
    masks = sorted((tmp_path / "out" / "masks").iterdir())
    assert [path.name for path in masks] == [f"{i:05d}.png" for i in range(COUNT)]
    first = np.array(Image.open(given / "masks" / "00000.png"))
    assert np.array_equal(np.array(Image.open(masks[0])), first)
    record = json.loads((tmp_path / "out" / "run.json").read_text())
    assert record["settings"]["model"] == "sam-vit-b"
    assert record["settings"]["tune"] is ("--tune" in how)
    assert record["settings"]["tracker"] == ({"variant": "as-published"} if "parity" in how else {})
    assert len(record["frames"]) == COUNT
    assert all(set(frame["objects"]) == {"1", "2"} for frame in record["frames"])


def test_mobile_sam_tracks_from_a_point(given: Path, tmp_path: Path) -> None:
    """MobileSAM's own decoder turns the point into the first mask."""
    how = [
        "--model",
        "mobile-sam",
        "--checkpoint",
        str(given / "mobile.pt"),
        "--end",
        "2",
        "--dtype",
        "float32",
    ]
    result = track(given, tmp_path / "out", *how, "--point", "1:42,30", mask=False)
    assert result.exit_code == 0, result.output
    image = np.array(Image.open(given / "images" / "00000.png"))
    prompt = vos.load_prompts(points=["1:42,30"])
    first = vos.segment_image(image, prompt, backbone="mobile-sam", checkpoint=given / "mobile.pt")
    masks = sorted((tmp_path / "out" / "masks").iterdir())
    assert [path.name for path in masks] == ["00000.png", "00001.png"]
    assert np.array_equal(np.array(Image.open(masks[0])), first.labels)
    assert first.labels.any()


def test_the_network_is_loaded_once(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large network is not held twice, once for the prompts and once for tracking."""
    from vos.backbones.sam import backbone as module

    loads: list[object] = []
    load_state = module.load_state
    monkeypatch.setattr(module, "load_state", lambda path: loads.append(path) or load_state(path))
    result = track(given, tmp_path / "out", *sam(given), "--box", "1:10,10,40,40", mask=False)
    assert result.exit_code == 0, result.output
    assert len(loads) == 1


def test_options_that_do_not_go_together(given: Path, tmp_path: Path) -> None:
    """Each is refused, says what would help, and leaves nothing behind."""
    out = tmp_path / "out"
    for how, hint in (
        (["--checkpoint", str(given / "vit.pth")], "no weights"),
        (["--tune"], "cannot be tuned"),
        (["--model", "classical", "--recipe", "parity"], "tracker classical: unknown setting 'variant'"),
        (["--recipe", "parity", "--checkpoint", str(given / "none.pth")], "none.pth"),
        (["--model", "mobile-sam", "--checkpoint", str(given / "vit.pth")], "not MobileSAM"),
        (["--model", "sam-vit-b", "--checkpoint", str(given / "none.pth")], "none.pth"),
        (["--model", "sam-vit-q"], "choose one of"),
    ):
        result = track(given, out, *how)
        assert result.exit_code == (2 if "classical" in how else 4), (how, result.output)
        assert hint in result.output
        assert "Traceback" not in result.output
        assert not out.exists()


def test_broken_weights_are_refused(given: Path, tmp_path: Path) -> None:
    """A truncated file and one with NaN in it: exit code 4, the file named, nothing left behind."""
    whole = (given / "vit.pth").read_bytes()
    (tmp_path / "short.pth").write_bytes(whole[: len(whole) // 2])
    state = torch.load(given / "vit.pth", weights_only=True)
    next(iter(state.values())).fill_(torch.nan)
    torch.save(state, tmp_path / "nan.pth")
    for name in ("short.pth", "nan.pth"):
        result = track(given, tmp_path / "out", "--model", "sam-vit-b", "--checkpoint", str(tmp_path / name))
        assert result.exit_code == 4, result.output
        assert name in result.output
        assert not (tmp_path / "out").exists()


def test_missing_weights_say_what_to_do(given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Exit code 4, the command that fetches them, and the option that takes a file."""
    monkeypatch.setenv("VOS_HOME", str(tmp_path / "empty"))
    result = track(given, tmp_path / "out", "--model", "sam-vit-h")
    assert result.exit_code == 4
    assert "vos models download sam-vit-h" in result.output
    assert "--checkpoint" in result.output
