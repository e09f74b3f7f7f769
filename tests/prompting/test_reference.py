"""References: read from files and frames, and found in a video as class names are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vos.backbones.registry import build_backbone
from vos.errors import PromptError
from vos.evaluation import region_similarity
from vos.prompting.reference import ReferenceImage, References, ReferenceSettings, load_references
from vos.prompting.reference_detector import ReferenceDetector
from vos.runs import TrackSettings, track_video
from vos.scenes.shapes import line
from vos.testing import Scene, ScriptedTracker, Shape, scene, write_images
from vos.video import open_video

pytestmark = pytest.mark.usefixtures("one_thread")

COUNT = 8
LATE = 3


@pytest.fixture(scope="module")
def clip() -> Scene:
    """A star that comes in from the left in frame 3, and a disc of another colour from the start."""
    shapes = (
        Shape(1, lambda t: (-80.0 if t < LATE else 40.0 + t, 50.0), 17, "star", colour=(196, 70, 56)),
        Shape(2, line((110, 45), (0.5, 0.2)), 15, "disc", colour=(58, 92, 190)),
    )
    return scene(shapes, num_frames=COUNT, size=(90, 150), seed=3)


@pytest.fixture(scope="module")
def frames(clip: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The clip as a folder of images."""
    folder = tmp_path_factory.mktemp("clip")
    write_images(clip, folder)
    return folder


@pytest.fixture
def here(clip: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Files of the last frame: its image, both things in one mask, and each alone in one of 0 and 255."""
    monkeypatch.chdir(tmp_path)
    Image.fromarray(clip.frames[-1].image).save("mug.png")
    Image.fromarray(clip.labels[-1]).save("both_mask.png")
    for object_id, name in ((1, "star"), (2, "disc")):
        Image.fromarray(np.uint8(255) * (clip.labels[-1] == object_id)).save(f"{name}_mask.png")
    return tmp_path


def test_files_and_frames(here: Path, frames: Path, clip: Scene) -> None:
    """A number is a frame of the video; a mask of several objects shows several things."""
    with open_video(str(frames)) as video:
        found = load_references([str(COUNT - 1), "mug.png"], ["star_mask.png", "both_mask.png"], video=video)
    assert [(view.name, view.source) for view in found.views] == [
        ("frame 7", "frame 7"),
        ("frame 7", "mug.png"),
        ("mug", "mug.png"),
    ]
    assert found.names == ("frame 7", "mug")
    with open_video(str(frames)) as video:
        both = load_references(COUNT - 1, "both_mask.png", video=video)
    assert both.names == ("frame 7", "frame 7 object 2")
    assert np.array_equal(found.views[0].image, clip.frames[-1].image)
    assert np.array_equal(found.views[2].mask, clip.labels[-1] == 2)


def test_one_reference_is_a_list_of_one(here: Path) -> None:
    """A path is not its letters."""
    assert load_references("mug.png", Path("star_mask.png")).names == ("mug",)
    with pytest.raises(PromptError, match="mask values 'grey' are unknown; choose one of auto"):
        load_references("mug.png", "star_mask.png", mask_values="grey")


@pytest.mark.parametrize(
    ("references", "masks", "message"),
    [
        (["mug.png"], [], "needs a --reference-mask.*1 of the one and 0 of the other"),
        (["mugs.png"], ["star_mask.png"], "mugs.png is no image file, nor the number of a frame"),
        (["5"], ["star_mask.png"], "5 is a file, and frame 5 of the video"),
        (["99"], ["star_mask.png"], "frame 99, which is not read"),
        (["mug.png"], ["small.png"], "small.png"),
        (["mug.png"], ["empty.png"], "empty"),
    ],
)
def test_references_that_cannot_be_used(
    references: list[str], masks: list[str], message: str, here: Path, frames: Path
) -> None:
    """One line that names what was given."""
    Image.fromarray(np.full((9, 9), 255, np.uint8)).save("small.png")
    Image.fromarray(np.zeros((90, 150), np.uint8)).save("empty.png")
    (here / "5").write_bytes((here / "mug.png").read_bytes())
    with open_video(str(frames)) as video, pytest.raises(PromptError, match=message) as error:
        load_references(references, masks, video=video)
    assert "\n" not in str(error.value)


def test_scores_tell_whether_it_is_there(clip: Scene) -> None:
    """In sight the thing scores high, with its mask; a frame without it gives nothing; nor do other names."""
    view = ReferenceImage("star", clip.frames[-1].image, clip.labels[-1] == 1)
    detector = ReferenceDetector(References((view,)), lambda: build_backbone("classical"))
    (found,) = detector.detect(clip.frames[LATE + 1].image, ["star"])
    assert found.score > 0.7
    assert found.logits is not None
    assert region_similarity(found.logits > 0, clip.labels[LATE + 1] == 1) > 0.8
    assert detector.detect(clip.frames[0].image, ["star"]) == []
    assert detector.detect(clip.frames[LATE + 1].image, ["disc"]) == []


def test_several_instances(clip: Scene) -> None:
    """As many as asked for, each with a mask of its own."""
    twice = clip.frames[-1].image.copy()
    star = clip.labels[-1] == 1
    moved = np.roll(star, (12, 40), axis=(0, 1)) & (clip.labels[-1] == 0)
    twice[moved] = clip.frames[-1].image[np.roll(moved, (-12, -40), axis=(0, 1))]
    view = ReferenceImage("star", clip.frames[-1].image, star)
    one, two = (
        ReferenceDetector(References((view,)), lambda: build_backbone("classical"), instances=count).detect(
            twice, ["star"]
        )
        for count in (1, 2)
    )
    assert (len(one), len(two)) == (1, 2)
    masks = [entry.logits > 0 for entry in two if entry.logits is not None]
    assert not (masks[0] & masks[1]).any()
    for truth in (star, moved):
        assert max(region_similarity(mask, truth) for mask in masks) > 0.7


def _track(frames: Path, out: Path, clip: Scene, references: References, **settings: Any) -> dict[str, Any]:
    chosen = TrackSettings(outputs=("masks",), **settings)
    with open_video(str(frames), **chosen.reading()) as video:
        track_video(video, references, out, chosen, tracker=ScriptedTracker(clip.labels))
    record: dict[str, Any] = json.loads((out / "run.json").read_text())
    return record


def test_a_run_begins_where_the_thing_appears(frames: Path, clip: Scene, tmp_path: Path) -> None:
    """And the record says what was looked for, and where it was found."""
    view = ReferenceImage("star", clip.frames[-1].image, clip.labels[-1] == 1, "star.png")
    record = _track(frames, tmp_path / "out", clip, References((view,)))
    assert record["names"] == {"1": "star"}
    assert record["found"]["1"]["frame"] == LATE
    assert record["targets"]["references"][0]["source"] == "star.png"
    first = np.array(Image.open(tmp_path / "out" / "masks" / f"{LATE:05d}.png"))
    assert region_similarity(first == 1, clip.labels[LATE] == 1) > 0.8


def test_a_thing_that_is_not_there(frames: Path, clip: Scene, tmp_path: Path) -> None:
    """An error that says where it was looked for and what to try, and no folder."""
    view = ReferenceImage("star", clip.frames[-1].image, clip.labels[-1] == 1)
    with pytest.raises(PromptError, match=r"found no 'star' in frames 0 to 2.*--features dinov2-s"):
        _track(frames, tmp_path / "out", clip, References((view,)), end=LATE)
    assert not (tmp_path / "out").exists()


def test_features_are_not_recommended_twice(
    frames: Path, clip: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where features were chosen, the error recommends the other things to try."""
    monkeypatch.setattr("vos.runs.models.with_features", lambda backbone, *rest, **options: backbone)
    view = ReferenceImage("star", clip.frames[-1].image, clip.labels[-1] == 1)
    chosen = ReferenceSettings(features="dinov2-b")
    with pytest.raises(PromptError, match=r"\(--min-score\), or show the object with --box") as error:
        _track(frames, tmp_path / "out", clip, References((view,)), end=LATE, reference=chosen)
    assert "features" not in str(error.value)
