"""``vos preview`` and ``vos extract``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image
from vos_cli.main import cli

from vos.runs.preview import draw_grid, grid_step
from vos.testing import Scene, scene


@pytest.fixture(scope="module")
def clip() -> Scene:
    """Two objects, 5 frames."""
    return scene("crossing", num_frames=5, size=(120, 160), seed=1)


@pytest.fixture
def frames(clip: Scene, tmp_path: Path) -> Path:
    """The clip as a folder of PNG, with the mask of frame 2 beside it."""
    folder = tmp_path / "frames"
    folder.mkdir()
    for frame in clip.frames:
        Image.fromarray(frame.image).save(folder / f"{frame.index:05d}.png")
    Image.fromarray(clip.labels[2].astype(np.uint8)).save(tmp_path / "mask.png")
    return folder


def run(*arguments: object) -> Result:
    """The command's result."""
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def picture(path: Path) -> np.ndarray:
    """(H, W, 3) uint8."""
    return np.asarray(Image.open(path).convert("RGB"))


@pytest.mark.parametrize("command", ["extract", "preview", "preview without prompts"])
def test_an_input_is_not_overwritten(frames: Path, tmp_path: Path, command: str) -> None:
    """Not even with --overwrite, and not through a link."""
    (tmp_path / "link").symlink_to(frames)
    mask, frame = tmp_path / "mask.png", frames / "00001.png"
    before = {path: path.read_bytes() for path in (mask, frame)}
    name, *bare = command.split(" ", 1)
    prompts = ["--frame", 2, "-m", mask] if name == "preview" and not bare else []
    outputs = [frame, tmp_path / "link" / "00001.png", *([mask] if prompts else [])]
    for output in outputs:
        refused = run(name, frames, *prompts, "-o", output, "--overwrite")
        assert refused.exit_code == 2, refused.output
        assert "is an input of this command" in refused.stderr
    assert {path: path.read_bytes() for path in before} == before


def test_extract(frames: Path, clip: Scene, tmp_path: Path) -> None:
    """The frame, pixel by pixel; with a grid it differs on lines at round coordinates alone."""
    out = tmp_path / "x.png"
    assert run("extract", frames, "--frame", 3, "-o", out).exit_code == 0
    assert (picture(out) == clip.frames[3].image).all()
    refused = run("extract", frames, "--frame", 3, "--grid", "-o", out)
    assert refused.exit_code == 2
    assert "--overwrite" in refused.output
    assert run("extract", frames, "--frame", 3, "--grid", "-o", out, "--overwrite").exit_code == 0
    changed = (picture(out) != clip.frames[3].image).any(axis=2)
    assert changed[60:80, 20].all()
    assert changed[100, 60:80].all()
    assert not changed[101:119, 121:139].any()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--frame", 5, "-o", "x.png"), "there is no frame 5: the video has 5 frames"),
        (("-o", "x.gif"), ".png or .jpg"),
    ],
)
def test_extract_refuses(frames: Path, tmp_path: Path, arguments: tuple[object, ...], message: str) -> None:
    """A frame that is not there, and a name that is no picture's."""
    done = run("extract", frames, *arguments[:-1], tmp_path / str(arguments[-1]))
    assert done.exit_code == 2
    assert message in done.output
    assert not (tmp_path / str(arguments[-1])).exists()


def test_preview(frames: Path, clip: Scene, tmp_path: Path) -> None:
    """The numbers are those of the masks, and pixels outside the objects and labels are the frame's."""
    out = tmp_path / "p.png"
    done = run("preview", frames, "-m", tmp_path / "mask.png", "--frame", 2, "-o", out, "--json")
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert shown["frame"] == 2
    areas = {key: entry["area"] for key, entry in shown["objects"].items()}
    assert areas == {str(k): int((clip.labels[2] == k).sum()) for k in (1, 2)}
    changed = (picture(out) != clip.frames[2].image).any(axis=2)
    assert changed[clip.labels[2] > 0].mean() > 0.95


def test_preview_of_a_box(frames: Path, clip: Scene, tmp_path: Path) -> None:
    """A box becomes a mask inside it: that of the object."""
    truth = clip.labels[0] == 1
    box = "7:" + ",".join(map(str, clip.boxes[0][1]))
    done = run("preview", frames, "--box", box, "-o", tmp_path / "p.png", "--json")
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)["objects"]
    assert list(shown) == ["7"]
    assert shown["7"]["area"] == pytest.approx(truth.sum(), rel=0.05)
    changed = (picture(tmp_path / "p.png") != clip.frames[0].image).any(axis=2)
    assert changed[truth].mean() > 0.95


def test_pictures_of_scaled_frames(frames: Path, tmp_path: Path) -> None:
    """With --size, or a size in the recipe, pictures and coordinates are those of the run."""
    out, recipe = tmp_path / "x.png", tmp_path / "recipe.yaml"
    recipe.write_text("size: 60\n")
    assert run("extract", frames, "--size", 60, "-o", out).exit_code == 0
    assert picture(out).shape == (60, 80, 3)
    for more in (["--size", 60], ["--config", recipe]):
        assert run("preview", frames, *more, "-o", out, "--overwrite").exit_code == 0
        assert picture(out).shape == (60, 80, 3)
    refused = run("preview", frames, "--size", 60, "--box", "1:70,10,100,40", "-o", out, "--overwrite")
    assert refused.exit_code == 2
    assert "the frames as read are 80x60" in refused.output


def test_candidates_of_a_click(frames: Path, clip: Scene, tmp_path: Path) -> None:
    """From small to large, one panel and one mask file each; the likeliest is what would be tracked."""
    row, column = np.argwhere(clip.labels[2] == 1)[30]
    click = ("--point", f"3:{column},{row}", "--frame", 2)
    out = tmp_path / "c.png"
    result = run("preview", frames, *click, "--candidates", "-o", out, "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    areas = [candidate["area"] for candidate in told["candidates"]]
    assert areas == sorted(areas)
    masks = [np.asarray(Image.open(candidate["mask"])) for candidate in told["candidates"]]
    assert [int((mask == 3).sum()) for mask in masks] == areas
    assert all(mask[row, column] == 3 for mask in masks)
    assert picture(out).shape == (120, 160 * len(masks), 3)
    tracked = json.loads(run("preview", frames, *click, "-o", tmp_path / "p.png", "--json").stdout)
    assert tracked["objects"]["3"]["area"] == areas[told["likeliest"] - 1]
    plain = run("preview", frames, *click, "--candidates", "-o", tmp_path / "d.png").stdout
    assert [", the most likely" in line for line in plain.splitlines()[1:]].index(True) + 1 == told[
        "likeliest"
    ]
    again = run("preview", frames, *click, "--candidates", "-o", out)
    assert again.exit_code != 0
    assert "already there" in again.output


@pytest.mark.parametrize(
    "prompts", [(), ("--point", "1:5,5", "--point", "2:50,50"), ("-m", "mask.png", "--frame", 2)]
)
def test_candidates_are_those_of_one_object(
    frames: Path, tmp_path: Path, prompts: tuple[object, ...]
) -> None:
    """No prompt, two objects, or a mask: refused."""
    told = [tmp_path / "mask.png" if value == "mask.png" else value for value in prompts]
    result = run("preview", frames, *told, "--candidates", "-o", tmp_path / "c.png")
    assert result.exit_code != 0
    assert "one object" in result.output
    assert not (tmp_path / "c.png").exists()


def test_preview_without_prompts(frames: Path, clip: Scene, tmp_path: Path) -> None:
    """The frame with a grid."""
    assert run("preview", frames, "-o", tmp_path / "p.png").exit_code == 0
    assert (picture(tmp_path / "p.png") == draw_grid(clip.frames[0].image)).all()


@pytest.mark.parametrize(("side", "step"), [(1, 1), (30, 5), (160, 20), (854, 100), (1920, 200), (3840, 500)])
def test_steps_of_the_grid(side: int, step: int) -> None:
    """Round numbers."""
    assert grid_step(side) == step


def test_brackets_in_the_name_of_a_folder(frames: Path, tmp_path: Path) -> None:
    """A folder whose name has brackets is found by a glob in it."""
    folder = frames.rename(tmp_path / "clip [v2]")
    done = run("probe", folder / "*.png", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["num_frames"] == 5
    assert "[ ] stands for" in run("probe", tmp_path / "none [v3]" / "*.png").output
