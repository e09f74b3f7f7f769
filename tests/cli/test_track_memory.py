"""``vos track`` with trackers that have a memory of their own, with a network that nobody trained."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from vos_cli.main import cli

from vos.results import FrameResult
from vos.testing import scene, tiny_sam2_checkpoint, write_images, write_labels
from vos.trackers.memory.tracker import MemoryTracker

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def given(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """``images/``, ``masks/`` and ``tiny.pt``."""
    folder = tmp_path_factory.mktemp("given")
    clip = scene("moving", num_frames=8, size=(48, 64), seed=1)
    write_images(clip, folder / "images")
    write_labels(clip, folder / "masks")
    tiny_sam2_checkpoint(folder / "tiny.pt")
    (folder / "often.yaml").write_text(
        "checkpoint_every: 2\ntracker: {memory: samurai, max_conditioning: 2}\n"
    )
    return folder


def track(given: Path, out: Path, *more: str, model: str = "sam2.1-tiny") -> Result:
    """The command on the images, from a mask and a click; more options follow."""
    prompts = ["-m", str(given / "masks" / "00000.png"), "--point", "7:50,10"]
    where = ["track", str(given / "images"), *prompts, "-o", str(out), "--model", model]
    return CliRunner().invoke(cli, [*where, "--recipe", str(given / "often.yaml"), *more])


def contents(folder: Path) -> dict[str, bytes]:
    """The files of a result, but for the record, which holds times."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != "run.json"]
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.mark.parametrize("memory", ["sam2", "long"])
def test_a_stopped_run_goes_on_to_the_same_bytes(
    given: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, memory: str
) -> None:
    """Stopped between two checkpoints, --resume repeats little and ends with the same files."""
    how = ["--checkpoint", str(given / "tiny.pt"), "--memory", memory]
    assert track(given, tmp_path / "whole", *how).exit_code == 0
    step, indices = MemoryTracker.step, []

    def stopping(self: MemoryTracker, *rest: Any, **options: Any) -> FrameResult:
        indices.append(rest[0].index)
        if len(indices) == 6:
            raise KeyboardInterrupt
        return step(self, *rest, **options)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryTracker, "step", stopping)
        assert track(given, tmp_path / "out", *how).exit_code == 130
        assert track(given, tmp_path / "out", *how, "--resume").exit_code == 0
    assert len(indices) < 12, "frames before the checkpoint are not tracked again"
    whole = contents(tmp_path / "whole")
    assert len(whole) > 8
    assert contents(tmp_path / "out") == whole


def test_flags_lie_over_the_recipe(given: Path, tmp_path: Path) -> None:
    """They are the tracker's settings; what the recipe says besides stays."""
    weights = ["--checkpoint", str(given / "tiny.pt")]
    result = track(
        given, tmp_path / "out", *weights, "--memory", "dam", "--max-batch", "2", "--fill-holes", "0"
    )
    assert result.exit_code == 0, result.output
    engine = json.loads((tmp_path / "out" / "run.json").read_text())["engine"]
    found = {name: engine[name] for name in ("memory", "max_batch", "fill_holes", "max_conditioning")}
    assert found == {"memory": "dam", "max_batch": 2, "fill_holes": 0, "max_conditioning": 2}


def test_what_has_no_memory_refuses_the_flags(given: Path, tmp_path: Path) -> None:
    """One line that names the flag and the trackers that take it; an unknown policy names those there are."""
    refused = track(given, tmp_path / "out", "--fill-holes", "4", model="classical")
    assert refused.exit_code == 2
    assert "--fill-holes is for trackers with a memory" in refused.output
    assert "sam2.1-tiny" in refused.output
    unknown = track(given, tmp_path / "out", "--checkpoint", str(given / "tiny.pt"), "--memory", "magic")
    assert unknown.exit_code == 2
    assert "memory must be one of sam2, samurai, dam, sam3, long" in unknown.output
    assert not (tmp_path / "out").exists()
