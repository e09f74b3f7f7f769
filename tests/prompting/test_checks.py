"""Prompts that do not fit their frames, or say too little about their objects."""

from __future__ import annotations

import logging
from pathlib import Path

import cv2
import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from vos_cli.main import cli

from vos.backbones.base import Candidates, FrameFeatures
from vos.errors import PromptError
from vos.frame import Frame, Turn
from vos.prompting.checks import check_mask_size
from vos.prompting.decoding import decode_prompts
from vos.prompting.parsing import load_prompts
from vos.prompting.schedule import UserPrompts
from vos.prompts import Prompt, Target
from vos.results import FrameResult
from vos.runs.persam_reference import PersamReference, build_backbone_of, learn_reference
from vos.runs.persam_settings import PersamRunSettings
from vos.video import open_video

UPRIGHT = np.full((40, 30, 3), 90, np.uint8)
cv2.circle(UPRIGHT, (10, 28), 6, (220, 40, 40), -1)
MASK = UPRIGHT[..., 0] == 220
TURNS = {
    2: (0, True),
    3: (180, False),
    4: (180, True),
    5: (270, True),
    6: (90, False),
    7: (90, True),
    8: (270, False),
}


def stored(image: np.ndarray, turn: Turn) -> np.ndarray:
    """The pixels that ``turn`` makes upright."""
    turned = np.rot90(image, turn.degrees // 90)
    return turned[:, ::-1] if turn.mirrored else turned


def photo(path: Path, orientation: int) -> Path:
    """A photograph with an EXIF orientation, upright as :data:`UPRIGHT`."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.ascontiguousarray(stored(UPRIGHT, Turn(*TURNS[orientation])))
    Image.fromarray(pixels).save(path, exif=exif)
    return path


def mask_file(path: Path, mask: np.ndarray) -> Path:
    """A 0/255 mask."""
    Image.fromarray(np.ascontiguousarray(mask).astype(np.uint8) * 255).save(path)
    return path


@pytest.mark.parametrize("orientation", TURNS)
def test_a_mask_of_the_stored_pixels_is_turned(tmp_path: Path, orientation: int) -> None:
    """For every EXIF orientation --turn-masks puts the mask on its object."""
    turn = Turn(*TURNS[orientation])
    video = open_video(photo(tmp_path / "p.png", orientation))
    assert video.info.turn == turn
    mask = mask_file(tmp_path / "m.png", stored(MASK, turn))
    (target,) = load_prompts(masks=[mask], video=video, turn_masks=True)
    assert target.prompt.mask is not None
    assert (target.prompt.mask == MASK).all()


def test_the_hint_names_the_rotation(tmp_path: Path) -> None:
    """Not --size, which would put the mask beside the object."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(2):
        photo(folder / f"{number}.jpg", 6)
    mask = mask_file(tmp_path / "m.png", stored(MASK, Turn(90)))
    line = ["track", str(folder), "-m", str(mask), "-o", str(tmp_path / "out"), "--no-overlay"]
    result = CliRunner().invoke(cli, line)
    assert result.exit_code == 2
    assert "is 40x30 pixels, but the frames as read are 30x40" in result.stderr
    assert "turned by 90 degrees clockwise when read" in result.stderr
    assert "--turn-masks" in result.stderr
    assert "--size" not in result.stderr
    assert CliRunner().invoke(cli, [*line, "--turn-masks"]).exit_code == 0
    first = np.asarray(Image.open(tmp_path / "out" / "masks" / "0.png")) == 1
    assert (first == MASK).all()


def test_only_frames_of_a_video_can_be_resized() -> None:
    """--size is of no use for a reference image, whatever its folder is called."""
    with pytest.raises(PromptError, match=r"make the mask 40x30 \(nearest neighbour\)$"):
        check_mask_size((15, 20), (30, 40), "the mask m.png", "the pixels of frames/0.png as read are")
    with pytest.raises(PromptError, match="or read the video with --size 20x15"):
        check_mask_size((15, 20), (30, 40), "the mask of object 1", "the frames as read are")


def test_frames_are_not_to_be_distorted() -> None:
    """A mask of another shape is no reason to squeeze the video, nor to scale one that lies on its side."""
    with pytest.raises(PromptError, match=r"make the mask 40x30 \(nearest neighbour\)$"):
        check_mask_size((10, 20), (30, 40), "the mask of object 1", "the frames as read are")
    with pytest.raises(PromptError, match=r"30x40 pixels, but .* 40x30: it lies on its side. Turn it by 90"):
        check_mask_size((40, 30), (30, 40), "the mask of object 1", "the frames as read are")


@pytest.mark.parametrize("name", ["m.png", "m.tif"])
@pytest.mark.parametrize("orientation", TURNS)
def test_the_orientation_of_a_mask_is_applied(
    tmp_path: Path, name: str, orientation: int, caplog: pytest.LogCaptureFixture
) -> None:
    """As that of a frame: both are read as they are shown, and so is said."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = np.ascontiguousarray(stored(MASK, Turn(*TURNS[orientation]))).astype(np.uint8) * 255
    options = {"tiffinfo": exif} if name == "m.tif" else {"exif": exif}
    Image.fromarray(pixels).save(tmp_path / name, **options)
    with caplog.at_level(logging.INFO, "vos"):
        (target,) = load_prompts(masks=[tmp_path / name])
    assert target.prompt.mask is not None
    assert (target.prompt.mask == MASK).all()
    assert f"{name} is turned as its EXIF orientation ({orientation}) says" in caplog.text


def test_an_upright_mask_is_taken_as_it_is(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And the turn is mentioned, since a square or half turn does not show in the size."""
    video = open_video(photo(tmp_path / "p.jpg", 3))
    with caplog.at_level(logging.INFO, "vos"):
        (target,) = load_prompts(masks=[mask_file(tmp_path / "m.png", MASK)], video=video)
    assert target.prompt.mask is not None
    assert (target.prompt.mask == MASK).all()
    assert "turned by 180 degrees when read" in caplog.text


def test_persam_names_the_rotation_too(tmp_path: Path) -> None:
    """The reference is a photograph as any other."""
    image = photo(tmp_path / "p.png", 6)
    mask = mask_file(tmp_path / "m.png", stored(MASK, Turn(90)))
    settings = PersamRunSettings()
    backbone = build_backbone_of(settings)
    with pytest.raises(PromptError, match=r"turned by 90 degrees clockwise when read.*--turn-masks"):
        learn_reference(PersamReference(image, mask), settings, backbone)
    learn_reference(PersamReference(image, mask, turn_mask=True), settings, backbone)


def test_fractions_of_the_image_are_refused(tmp_path: Path) -> None:
    """Coordinates of detectors that count from 0 to 1 would all be in the first pixel."""
    Image.fromarray(UPRIGHT).save(tmp_path / "p.png")
    video = open_video(tmp_path / "p.png")
    height, width = UPRIGHT.shape[:2]
    with pytest.raises(
        PromptError, match=f"not fractions of the image; did you mean {width // 2},{height // 4}"
    ):
        load_prompts(points=["1:0.5,0.25"], video=video)
    with pytest.raises(PromptError, match=f"did you mean 1:0,{height // 2},{width // 2},{height}"):
        load_prompts(boxes=["1:0,0.5,0.5,1"], video=video)
    assert load_prompts(points=["1:0,1", "1:0.5,3"], boxes=["2:0,0,1,1"], video=video)


def point(label: int, frame: int = 0) -> Target:
    """Object 1 by one point."""
    return Target(1, Prompt(points=np.array([[5, 5]], np.float32), labels=np.array([label])), frame)


def test_a_lone_negative_click_is_refused() -> None:
    """All that is not there would be the object."""
    with pytest.raises(PromptError, match=r"object 1 has only points off it .* add a point on it"):
        load_prompts(points=["1:5,5,-"])
    with pytest.raises(PromptError, match="only points off it"):
        UserPrompts([point(0), point(1, frame=3)])
    assert len(load_prompts(points=["1:5,5,-", "1:9,9"])) == 1
    UserPrompts([point(1), point(0), point(0, frame=3)])


class Everything:
    """A backbone that answers with one mask."""

    accepts_guidance = False
    device = "cpu"

    def __init__(self, mask: np.ndarray) -> None:
        self.mask = mask

    def encode(self, image):
        import torch

        return FrameFeatures(torch.ones(1, 1, 1), image.shape[:2])

    def decode(self, features, prompts, *, guidance=None, multimask=True):
        import torch

        logits = torch.from_numpy(np.where(self.mask, 1, -1).astype(np.float32))[None, None]
        return Candidates(logits, logits[..., ::2, ::2], torch.full((1, 1), 0.9))


FRAME = Frame(3, UPRIGHT, "00003")


def test_a_negative_click_needs_a_visible_object() -> None:
    """An object that tracking has lost is not known in the frame of the click."""
    lost = FrameResult(3, np.zeros(FRAME.size, np.uint8), {1: 0.0})
    with pytest.raises(PromptError, match="not visible in frame 3"):
        decode_prompts(FRAME, [point(0, frame=3)], Everything(MASK), lost)
    seen = FrameResult(3, MASK.astype(np.uint8), {1: 1.0})
    decode_prompts(FRAME, [point(0, frame=3)], Everything(MASK), seen)


def test_masks_of_doubtful_sizes_warn(caplog: pytest.LogCaptureFixture) -> None:
    """More than half of the frame, much more than the box, hardly any of it; not one as objects have."""
    decode_prompts(FRAME, [point(1, frame=3)], Everything(~MASK))
    assert "object 1 in frame 3 covers 91 % of the frame" in caplog.text
    caplog.clear()
    box = Target(1, Prompt(box=np.array([8, 26, 12, 30], np.float32)), 3)
    decode_prompts(FRAME, [box], Everything(MASK))
    assert "times as large as its box" in caplog.text
    caplog.clear()
    whole = Target(1, Prompt(box=np.array([0, 0, MASK.shape[1] - 1, MASK.shape[0] - 1], np.float32)), 3)
    decode_prompts(FRAME, [whole], Everything(MASK & (np.cumsum(MASK).reshape(MASK.shape) <= 3)))
    assert "of its box: is there an object in it?" in caplog.text
    caplog.clear()
    decode_prompts(FRAME, [whole], Everything(MASK))
    decode_prompts(FRAME, [point(1, frame=3)], Everything(MASK))
    decode_prompts(FRAME, [Target(1, Prompt(mask=MASK), 3)], None)
    assert not caplog.records
    decode_prompts(FRAME, [Target(1, Prompt(mask=~MASK), 3)], None)
    assert "covers 91 %" in caplog.text
