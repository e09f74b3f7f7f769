"""Names out of text, points out of maps, masks out of points, tiles and suppression."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from vos.backbones.base import Candidates, FrameFeatures
from vos.detectors.points import enlarge_map, largest_component, min_max, point_pair
from vos.detectors.vl_sam.instances import RefineSettings, cascade, find_instances
from vos.detectors.vl_sam.noun_phrases import parse_objects, singular, token_pieces, token_span
from vos.detectors.vl_sam.tiles import views
from vos.prompts import Prompt


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("car, Dog, traffic lights, dog", ["car", "dog", "traffic light"]),
        ("1. a person\n2. two bicycles\n- potted plant", ["person", "bicycle", "potted plant"]),
        (
            "The image shows a red car parked next to two dogs on the street.",
            ["red car", "dog", "street"],
        ),
        ("In the background there are several people standing near a building.", ["person", "building"]),
        ("A woman in a blue dress is holding an umbrella.", ["woman", "blue dress", "umbrella"]),
        ("There is a dining table with glasses and knives.", ["dining table", "glasses", "knife"]),
        ("This photo has a beautiful view.", []),
        ("", []),
    ],
)
def test_objects_named_in_text(text, names):
    """Lists and plain sentences: lower case, singular, once each, without the picture's own words."""
    assert [found.name for found in parse_objects(text)] == names


def test_names_know_where_they_are_said():
    """The span is that of the first mention, in the words of the text."""
    text = "Two Dogs and a cat; the dog sleeps."
    dog = parse_objects(text)[0]
    assert text[dog.start : dog.stop] == "Dogs"


@pytest.mark.parametrize(
    ("plural", "one"),
    [("boxes", "box"), ("cities", "city"), ("glass", "glass"), ("buses", "bus"), ("children", "child"),
     ("horses", "horse"), ("bus", "bus"), ("dogs", "dog"), ("benches", "bench"), ("scissors", "scissors")],
)  # fmt: skip
def test_singular(plural, one):
    """Endings, irregular nouns, and words that only look like plurals."""
    assert singular(plural) == one


def test_pieces_of_a_character_of_several_tokens():
    """Until it is whole a replacement character per byte is in its place: names after it stay right."""
    prefixes = ["A", "A ", "A \ufffd", "A \ufffd\ufffd", "A \ufffd\ufffd\ufffd", "A \U0001f436"]
    prefixes += ["A \U0001f436 dog", "A \U0001f436 dog."]
    pieces = token_pieces(prefixes)
    assert pieces == ("A", " ", "", "", "", "\U0001f436", " dog", ".")
    (name,) = parse_objects("".join(pieces))
    assert token_span(pieces, name.start, name.stop) == (6, 7)


def test_token_spans():
    """Tokens with any character in the range; a range outside the text is an error."""
    pieces = ["a", " re", "d", " car", " ."]
    assert token_span(pieces, 2, 9) == (1, 4)
    assert token_span(pieces, 3, 4) == (1, 2)
    with pytest.raises(ValueError, match="not in a text"):
        token_span(pieces, 20, 22)


def test_the_pair_of_a_blob():
    """The positive point is the peak of the largest part, the negative one the minimum outside it."""
    values = np.zeros((20, 30), np.float32) + 0.2
    values[4:10, 5:12] = 0.8
    values[6, 7] = 0.95
    values[15, 20] = 1.0  # higher, but a part of one pixel
    values[18, 3] = 0.0
    pair = point_pair(values)
    assert pair is not None
    assert pair.positive == (7, 6)
    assert pair.negative == (3, 18)
    assert pair.box == (5, 4, 11, 9)
    assert pair.strength == pytest.approx(0.95)
    prompt = pair.prompt()
    assert prompt.labels.tolist() == [1, 0]


def test_ties_go_to_the_first_in_raster_order():
    """Equal parts and equal values: the first one met counts."""
    values = np.zeros((6, 9), np.float32)
    values[1:3, 5:7] = values[3:5, 1:3] = 1
    pair = point_pair(values)
    assert pair.positive == (5, 1)
    assert pair.negative == (0, 0)


def test_diagonal_neighbours_belong_together():
    """Parts are 8-connected."""
    mask = np.eye(4, dtype=bool)
    assert largest_component(mask).sum() == 4
    assert not largest_component(np.zeros((3, 3), bool)).any()


def test_maps_that_point_nowhere_or_everywhere():
    """Constant: no pair. All above the threshold: no negative point."""
    assert point_pair(min_max(np.full((5, 5), 0.7))) is None
    full = point_pair(np.full((4, 4), 0.9, np.float32))
    assert full.negative is None
    assert full.prompt().labels.tolist() == [1]


def test_enlarged_maps_are_stretched():
    """Bilinear to any size, 0..1."""
    large = enlarge_map(np.array([[1.0, 2.0], [3.0, 5.0]]), (31, 17))
    assert large.shape == (31, 17)
    assert (large.min(), large.max()) == (0, 1)


@pytest.mark.parametrize(("height", "width"), [(8, 10), (7, 9), (2, 3), (1, 5)])
def test_tiles_cover_and_map_back_exactly(height, width):
    """Every pixel is in a tile, and what is cut out goes back to where it was, odd sizes too."""
    image = np.arange(height * width * 3).reshape(height, width, 3).astype(np.uint8)
    whole, *tiles = views(height, width)
    assert whole.cut(image).shape == image.shape
    assert len(tiles) == (4 if height > 1 else 0)
    covered = np.zeros((height, width), bool)
    for tile in tiles:
        part = tile.cut(image)
        assert part.shape == ((height + 1) // 2, (width + 1) // 2, 3)
        mask = np.zeros(part.shape[:2], bool)
        mask[-1, -1] = True
        back = tile.mask_to_image(mask)
        row, column = np.argwhere(back)[0]
        assert (image[row, column] == part[-1, -1]).all()
        covered |= tile.mask_to_image(np.ones(part.shape[:2], bool))
    assert covered.all() or not tiles
    assert len(views(height, width, tiles=False)) == 1


class TwoBlobs:
    """A backbone that knows two boxes and answers with the one its first positive point is in."""

    accepts_guidance = False

    def __init__(self) -> None:
        self.boxes = [(2, 2, 9, 9), (20, 12, 29, 19)]
        self.asked: list[Prompt] = []

    def decode(self, features, prompts, *, guidance=None, multimask=True):
        self.asked += prompts
        x, y = prompts[0].points[0]
        logits = torch.full((1, 2, 24, 32), -1.0)
        for x0, y0, x1, y1 in self.boxes:
            if x0 <= x <= x1 and y0 <= y <= y1:
                logits[0, 1, y0 : y1 + 1, x0 : x1 + 1] = 1
        return Candidates(logits, logits[..., ::4, ::4].clone(), torch.tensor([[0.2, 0.8]]))


def two_blob_map() -> np.ndarray:
    values = np.zeros((24, 32), np.float32)
    values[4:8, 4:8] = 1.0
    values[14:18, 22:27] = 0.7
    return values


FEATURES = FrameFeatures(torch.zeros(1, 2, 2), (24, 32))


def test_the_cascade_feeds_back_mask_then_box():
    """Three passes: points; points and logits; points, logits and the mask's box. The best mask counts."""
    backbone = TwoBlobs()
    found = cascade(backbone, FEATURES, point_pair(two_blob_map()))
    first, second, third = backbone.asked
    assert (first.low_res is None, first.box is None) == (True, True)
    assert second.low_res is not None
    assert second.box is None
    assert third.box.tolist() == [20, 12, 29, 19]
    assert found.quality == pytest.approx(0.8)
    assert found.mask.sum() == 80


class OncePerPoint(TwoBlobs):
    """Finds nothing once it is prompted with a box."""

    def decode(self, features, prompts, *, guidance=None, multimask=True):
        found = super().decode(features, prompts)
        return found if prompts[0].box is None else replace(found, logits=-found.logits.abs())


def test_a_pass_that_finds_nothing_changes_nothing():
    """The mask of the second pass stays where the third, with its box, has none."""
    found = cascade(OncePerPoint(), FEATURES, point_pair(two_blob_map()))
    assert found.mask.sum() == 80


def test_suppressing_inside_finds_further_instances():
    """Each round masks what was found; it ends when nothing on the map reaches the threshold."""
    found = find_instances(TwoBlobs(), FEATURES, two_blob_map())
    assert [instance.pair.positive for instance in found] == [(22, 14), (4, 4)]
    once = find_instances(TwoBlobs(), FEATURES, two_blob_map(), RefineSettings(rounds=1))
    assert len(once) == 1


def test_keeping_inside_sharpens_one_object():
    """The map outside the first mask is zeroed and one mask comes out."""
    settings = RefineSettings(masked_map="keep_inside", rounds=2)
    found = find_instances(TwoBlobs(), FEATURES, two_blob_map(), settings)
    assert len(found) == 1
    assert found[0].pair.positive == (22, 14)


def test_a_map_that_points_nowhere_has_no_instance():
    """And the backbone is not asked."""
    backbone = TwoBlobs()
    assert find_instances(backbone, FEATURES, np.zeros((24, 32), np.float32)) == []
    assert backbone.asked == []
