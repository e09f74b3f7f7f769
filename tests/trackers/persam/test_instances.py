"""Several instances of one category in an image."""

from __future__ import annotations

import numpy as np
import pytest

from vos.backbones.classical.backbone import GraphCutBackbone
from vos.testing import ScriptedBackbone, Shape, line, scene
from vos.trackers.persam.images import LearnedTarget, find_target, learn_target
from vos.trackers.persam.instances import find_instances, similarity_threshold, to_labels

RED = (196, 70, 56)


def discs(*places: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """An image of red discs, and their instance map."""
    shapes = [
        Shape(n, line(place), 16, "disc", colour=RED, texture_seed=5)
        for n, place in enumerate(places, start=1)
    ]
    seen = scene(shapes, num_frames=1, size=(90, 160), seed=2)
    return seen.frames[0].image, seen.labels[0]


@pytest.fixture(scope="module")
def learned() -> tuple[GraphCutBackbone, LearnedTarget, float]:
    """One red disc, and how similar another has to be."""
    backbone = GraphCutBackbone()
    image, labels = discs((50, 40))
    features = backbone.encode(image)
    target = learn_target(backbone, features, labels == 1)
    return backbone, target, similarity_threshold(features, labels == 1, target)


def test_the_first_is_what_persam_finds(learned: tuple[GraphCutBackbone, LearnedTarget, float]) -> None:
    """A limit of one is plain PerSAM, even where nothing similar is to be seen."""
    backbone, target, threshold = learned
    for image in (discs((30, 30), (120, 60))[0], discs()[0]):
        features = backbone.encode(image)
        (only,) = find_instances(backbone, features, target, limit=1, threshold=threshold)
        np.testing.assert_array_equal(only.mask, find_target(backbone, features, target).mask)


def test_instances_are_disjoint_and_end(learned: tuple[GraphCutBackbone, LearnedTarget, float]) -> None:
    """Each disc once, in a map of consecutive ids, whatever the limit; a lower limit cuts the list."""
    backbone, target, threshold = learned
    image, labels = discs((25, 25), (80, 60), (135, 30))
    features = backbone.encode(image)
    found = find_instances(backbone, features, target, limit=10, threshold=threshold)
    assert len(found) == 3
    map_of = to_labels(found)
    assert [int((map_of == n).sum()) for n in (1, 2, 3)] == [int(i.mask.sum()) for i in found]
    assert sorted(int(np.bincount(labels[i.mask]).argmax()) for i in found) == [1, 2, 3]
    two = find_instances(backbone, features, target, limit=2, threshold=threshold)
    np.testing.assert_array_equal(to_labels(two), np.where(map_of == 3, 0, map_of))


def test_a_mask_that_shows_nothing_new_ends_the_search() -> None:
    """A model that answers with the same mask wherever it is asked is asked twice, not ten times."""
    clip = scene("moving", num_frames=1, size=(96, 128), seed=1)
    backbone = ScriptedBackbone(clip)
    features = backbone.encode(clip.frames[0].image)
    target = learn_target(backbone, features, clip.labels[0] == 1)
    found = find_instances(backbone, features, target, limit=10, threshold=-1.0)
    assert len(found) < 10
    assert to_labels(found).max() == len(found)


def test_excluded_regions_are_not_found_again(
    learned: tuple[GraphCutBackbone, LearnedTarget, float],
) -> None:
    """The positive point lies outside what is excluded; the negative one is where it is without."""
    backbone, target, _ = learned
    image, labels = discs((25, 25), (120, 60))
    features = backbone.encode(image)
    plain = find_target(backbone, features, target)
    other = find_target(backbone, features, target, exclude=plain.mask)
    assert plain.prompt.points is not None
    assert other.prompt.points is not None
    assert not (plain.mask & other.mask).any()
    x, y = other.prompt.points[0].astype(int)
    assert labels[y, x] != 0
    assert not plain.mask[y, x]
    np.testing.assert_array_equal(plain.prompt.points[1], other.prompt.points[1])
