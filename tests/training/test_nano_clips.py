"""Made-up clips: their masks are exact, and chance is in one place."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from training.nano.clips import ClipSettings, Layer, Motion, make_clip, render, render_labels
from training.nano.photographs import Photographs, drawn
from vos.errors import InputError

SMALL = ClipSettings(height=(64, 80), frames=3)


def _layer(motion: Motion, label: int = 1, colour: int = 200) -> Layer:
    """A square of one colour, 20 pixels wide, in the middle of an image of 60."""
    mask = np.zeros((60, 60), np.float32)
    mask[20:40, 20:40] = 1
    return Layer(np.full((60, 60, 3), colour, np.uint8), mask, label, motion)


def _still(start: tuple[float, float] = (40.0, 30.0), **changes: object) -> Motion:
    return Motion((29.5, 29.5), 20.0, start, **changes)  # type: ignore[arg-type]


BACKGROUND = Layer(
    np.zeros((70, 90, 3), np.uint8), np.ones((70, 90), np.float32), 0, Motion((0, 0), 90.0, (0, 0))
)


def test_a_shift_moves_mask_and_pixels_alike() -> None:
    """Whole pixels of velocity move the mask by exactly as many, and it covers exactly the thing's colour."""
    layer = _layer(_still((39.5, 30.5), velocity=(3.0, -2.0)))
    first = render_labels([layer], (70, 90), 0)
    assert first.sum() == 400
    for time in (1, 2, 4):
        labels = render_labels([layer], (70, 90), time)
        np.testing.assert_array_equal(labels, np.roll(first, (-2 * time, 3 * time), axis=(0, 1)))
        image = render(BACKGROUND, [layer], (70, 90), time)
        np.testing.assert_array_equal(image[..., 0] > 100, labels == 1)


@pytest.mark.parametrize(
    "changes",
    [
        {"turn": 0.2},
        {"growth": 0.1},
        {"tilt": (0.2, -0.1)},
        {"swing": (5.0, 3.0, 0.7)},
        {"waves": np.array([[2.0, 1.0, 0.03, 0.01, 0.5, 0.8], [1.0, -2.0, 0.0, 0.05, 1.0, 0.4]])},
    ],
    ids=["turn", "growth", "tilt", "swing", "waves"],
)
def test_the_mask_goes_wherever_the_pixels_go(changes: dict) -> None:
    """Under any motion a pixel is labelled exactly where at least half of its colour is the thing's."""
    layer = _layer(_still((41.3, 33.7), **changes))
    assert render_labels([layer], (70, 90), 0).sum() == pytest.approx(400, abs=40)
    before = render_labels([layer], (70, 90), 0)
    labels = render_labels([layer], (70, 90), 3)
    assert (labels != before).any()
    image = render(BACKGROUND, [layer], (70, 90), 3)
    np.testing.assert_array_equal(image[..., 0] >= 100, labels == 1)


def test_motion_is_what_it_says() -> None:
    """The source of the place to which the homography takes a point is that point."""
    motion = _still(turn=0.1, growth=0.05, tilt=(0.1, 0.05), velocity=(2.0, 1.0), scale=1.3)
    for time in (0, 2):
        x, y, depth = motion.homography(time) @ np.array([25.0, 33.0, 1.0])
        columns, rows = motion.source_of((70, 90), time)
        at = round(x / depth), round(y / depth)
        assert columns[at[1], at[0]] == pytest.approx(25.0, abs=0.8)
        assert rows[at[1], at[0]] == pytest.approx(33.0, abs=0.8)


def test_what_is_in_front_hides_what_is_behind() -> None:
    """Later layers take pixels away, whether they are targets or not."""
    behind, front = _layer(_still()), _layer(_still((50.0, 30.0)), label=2)
    both = render_labels([behind, front], (70, 90), 0)
    alone = render_labels([front], (70, 90), 0)
    assert ((both == 2) == (alone == 2)).all()
    assert 0 < (both == 1).sum() < 400
    nobody = _layer(_still((50.0, 30.0)), label=0)
    np.testing.assert_array_equal(render_labels([behind, nobody], (70, 90), 0) == 1, both == 1)


def test_same_chance_same_clip() -> None:
    """The generator decides everything; target 1 is there in the first frame, and frames go with labels."""
    one, two, other = (make_clip(None, np.random.default_rng(seed), SMALL) for seed in (3, 3, 4))
    for a, b in zip((*one.images, *one.labels), (*two.images, *two.labels), strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.images[0].shape != other.images[0].shape or (one.images[0] != other.images[0]).any()
    for clip in (one, other):
        assert len(clip.images) == len(clip.labels) == 3
        assert (clip.labels[0] == 1).any()
        assert all(
            i.shape == (*m.shape, 3) and i.dtype == np.uint8
            for i, m in zip(clip.images, clip.labels, strict=True)
        )
        assert set(np.unique(np.stack(clip.labels))) <= {0, 1, 2}


def test_photographs_give_their_things(photographs_folder: Path) -> None:
    """A cut-out is a thing that somebody drew, in its photograph; clips can be made of them."""
    photographs = Photographs(photographs_folder)
    assert len(photographs) == 2
    cutout = photographs.cutout(np.random.default_rng(0))
    assert cutout.image.shape == (90, 120, 3)
    assert cutout.mask.sum() == 50 * 40
    assert make_clip(photographs, np.random.default_rng(0), SMALL).labels[0].any()


def test_no_photographs(tmp_path: Path) -> None:
    """A folder without any of the sets is refused by name; textures need none."""
    with pytest.raises(InputError, match="holds none of the training sets ccp"):
        Photographs(tmp_path)
    cutout = drawn(np.random.default_rng(0))
    assert cutout.mask.any()
    assert not cutout.mask.all()


def test_a_damaged_photograph_is_named(photographs_folder: Path, tmp_path: Path) -> None:
    """An image that cannot be decoded is an error that says which."""
    from vos.errors import MediaError

    for kind in ("images", "labels"):
        (tmp_path / "ccp" / kind).mkdir(parents=True)
    (tmp_path / "ccp" / "images" / "x.jpg").write_bytes(b"no image")
    cv2.imwrite(str(tmp_path / "ccp" / "labels" / "x_0.png"), np.ones((9, 9), np.uint8))
    with pytest.raises(MediaError, match=r"x\.jpg"):
        Photographs(tmp_path).image(np.random.default_rng(0))
