"""The functions behind the built-in engine: descriptors, views, sampling, classifier, local colours."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch

from vos.backbones.classical.descriptors import (
    SIZE,
    describe,
)
from vos.results import VOID
from vos.testing import scene
from vos.trackers.classical.appearance import (
    Appearance,
    AppearanceSettings,
    ReferenceFrame,
    fit,
    log_probabilities,
)
from vos.trackers.classical.augmentation import AugmentationSettings, fill, view
from vos.trackers.classical.classifier import BETAS, OnlineClassifier, learn
from vos.trackers.classical.local_colours import LocalColourSettings, local_colours
from vos.trackers.classical.online_update import OnlineUpdateSettings, initial_online_model, update_online
from vos.trackers.classical.sampling import box_near_objects, draw, draw_with_region_errors

CLIP = scene("still", num_frames=1, size=(60, 80))
IMAGE, LABELS = CLIP.frames[0].image, CLIP.labels[0]
QUICK = AppearanceSettings(views=3, samples=1000, iterations=120, batch=512)


@pytest.fixture(scope="module")
def model() -> Appearance:
    """A classifier of the two objects of a still scene."""
    return fit([ReferenceFrame(IMAGE, LABELS, 1.0)], (1, 2), QUICK)


def test_more_objects_than_8_bits_count() -> None:
    """With 260 objects the examples that are kept for the online update are of all of them, in order."""
    labels = np.zeros((60, 80), np.uint16)
    ids = tuple(range(1000, 1260))
    for number, object_id in enumerate(ids):
        row, column = divmod(number, 26)
        labels[6 * row : 6 * row + 4, 3 * column : 3 * column + 3] = object_id
    quick = AppearanceSettings(views=1, samples=6000, iterations=1, batch=8)
    classes = fit([ReferenceFrame(IMAGE, labels, 1.0)], ids, quick).examples.classes
    assert set(np.unique(classes).tolist()) == set(range(261))


def test_fill_removes_the_object() -> None:
    """Where an object was, the filled image has colours of its surroundings."""
    image = np.full((60, 60, 3), 50, np.uint8)
    labels = np.zeros((60, 60), np.uint8)
    labels[20:40, 20:40] = 1
    image[labels == 1] = 250
    assert fill(image, labels).max() < 60
    assert np.array_equal(fill(image, np.ones_like(labels)), image)


def test_views_keep_labels_on_the_object() -> None:
    """In a view the labelled pixels have the object's colour; what lies outside the frame is void."""
    image = np.full((60, 60, 3), 40, np.uint8)
    labels = np.zeros((60, 60), np.uint8)
    labels[15:45, 15:45] = 3
    image[labels == 3] = 220
    rng = np.random.default_rng(0)
    for _ in range(5):
        seen, seen_labels = view(image, labels, fill(image, labels), 1.0, AugmentationSettings(), rng)
        assert set(np.unique(seen_labels)) <= {0, 3, VOID}
        assert np.median(seen[seen_labels == 3]) > 150
        assert np.median(seen[seen_labels == 0]) < 100


@pytest.mark.parametrize("scale", [0.4, 0.5, 0.7, 1.0])
def test_views_are_as_sharp_as_the_images_to_be_classified(scale: float) -> None:
    """These are averaged to their size; a classifier of blurred views takes sharp pixels for background."""
    image = np.random.default_rng(0).integers(0, 256, (240, 320, 3), np.uint8)
    image = cv2.GaussianBlur(image, (0, 0), 0.7)
    labels = np.ones(image.shape[:2], np.uint8)  # all object, so that the view shows the whole image
    settings = AugmentationSettings(scale=0, mirrored=0, gain=0, bias=0, blurred=0)
    averaged = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)

    def sharpness(shown: np.ndarray) -> float:
        part = shown[shown.shape[0] // 4 : -shown.shape[0] // 4]
        return float(np.abs(cv2.Laplacian(part.astype(np.float32), -1)).mean())

    seen = [view(image, labels, image, scale, settings, np.random.default_rng(k))[0] for k in range(3)]
    assert np.mean([sharpness(one) for one in seen]) == pytest.approx(sharpness(averaged), rel=0.2)


def test_draw_balances_and_avoids_void() -> None:
    """Half of what is drawn are objects, however small; void is never drawn."""
    labels = np.zeros((50, 50), np.uint8)
    labels[:10] = VOID
    labels[30:33, 30:33] = 5
    index, classes = draw(labels, (5,), 64, 0.3, np.random.default_rng(0))
    assert np.count_nonzero(classes == 1) == 32
    assert (labels.ravel()[index[classes == 1]] == 5).all()
    assert (labels.ravel()[index[classes == 0]] == 0).all()


def test_far_background_is_drawn_in_its_box_and_all_else_near_objects() -> None:
    """A pixel is in the box near objects, or it is background of the box that was named."""
    rng = np.random.default_rng(0)
    labels = np.zeros((120, 200), np.uint8)
    labels[20:50, 30:45], labels[60:70, 50:90] = 1, 2
    labels[:, 190:] = VOID
    around, far = box_near_objects(labels, 0.5), (140, 90, 199, 119)
    assert around is not None
    for _ in range(20):
        positions, classes = draw(labels, (1, 2), 1000, 0.5, rng, far)
        y, x = np.divmod(positions, 200)
        near = (x >= around[0]) & (y >= around[1]) & (x <= around[2]) & (y <= around[3])
        assert (x[~near] >= 140).all()
        assert (y[~near] >= 90).all()
        assert (classes[~near] == 0).all()
        assert np.count_nonzero(~near) == 250
        assert (labels.ravel()[positions] == classes).all()


def test_without_background_in_its_box_background_is_drawn_near_objects() -> None:
    """A box of unknown pixels gives no examples, and as many are drawn as otherwise."""
    labels = np.zeros((60, 80), np.uint8)
    labels[20:30, 20:30], labels[:, 60:] = 1, VOID
    box = (60, 0, 79, 59)
    positions, classes = draw(labels, (1,), 400, 0.3, np.random.default_rng(0), box)
    assert np.count_nonzero(classes == 0) == 200
    assert (positions[classes == 0] % 80 < 45).all()
    labels[15:35, 15:35][labels[15:35, 15:35] == 0] = VOID  # none near it either
    _, classes = draw(labels, (1,), 400, 0.3, np.random.default_rng(0), box)
    assert (classes == 1).all()


def test_a_small_object_is_told_from_what_only_one_cell_shows() -> None:
    """Parts of a large frame that few views are described at are negatives all the same."""
    rng = np.random.default_rng(0)
    image = rng.integers(0, 60, (300, 400, 3), np.uint8)
    labels = np.zeros((300, 400), np.uint8)
    labels[140:160, 60:80] = 1
    image[labels == 1] = (200, 40, 40)
    elsewhere = np.zeros((300, 400), bool)
    for y, x in ((10, 10), (20, 340), (250, 340), (260, 180)):
        elsewhere[y : y + 30, x : x + 30] = True
    image[elsewhere] = (190, 60, 70)
    settings = AppearanceSettings(views=10, iterations=200)
    fitted = fit([ReferenceFrame(image, labels, 1.0)], (1,), settings)
    own, *_ = log_probabilities(fitted, [fitted.weights], describe(image), settings.logit_limit)
    background = np.exp(own[0])
    assert background[145:155, 65:75].mean() < 0.1
    assert background[elsewhere].mean() > 0.8


def test_examples_of_a_large_frame_are_those_of_a_small_one() -> None:
    """A frame of four times the size, to be classified at a quarter of its own, teaches the same."""
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8), (0, 0), 2)
    labels = np.zeros((120, 160), np.uint8)
    labels[30:80, 40:110] = 1
    image[labels == 1] //= 2
    large = cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    large_labels = cv2.resize(labels, None, fx=4, fy=4, interpolation=cv2.INTER_NEAREST)
    frames = ReferenceFrame(image, labels, 1.0), ReferenceFrame(large, large_labels, 0.25)
    small, reduced = (fit([frame], (1,), QUICK) for frame in frames)
    assert np.allclose(small.mean, reduced.mean, atol=0.05)
    assert np.allclose(small.spread, reduced.spread, rtol=0.15, atol=0.02)


def test_mistaken_background_is_far_from_objects() -> None:
    """Only background at a distance that looks like an object is drawn as mistaken."""
    labels = np.zeros((60, 60), np.uint8)
    labels[:10, :10] = 1
    appearance = np.zeros((2, 60, 60), np.float32)
    appearance[0], appearance[1] = 0.9, 0.1
    appearance[:, 40:50, 40:50] = 0.5
    appearance[:, :12, :12] = 0.5
    index, classes = draw_with_region_errors(labels, appearance, 0.25, 50, np.random.default_rng(0))
    rows, columns = np.unravel_index(index, labels.shape)
    assert index.size == 50
    assert (classes == 0).all()
    assert rows.min() >= 40
    assert columns.min() >= 40


def test_classifier_tells_objects_apart(model: Appearance) -> None:
    """On the frame that it learned from it is right nearly everywhere, and its outputs are probabilities."""
    appearance_log_prob = log_probabilities(model, [model.weights], describe(IMAGE), 5.0)[0]
    assert np.allclose(np.exp(appearance_log_prob).sum(axis=0), 1, atol=1e-5)
    assert np.mean(appearance_log_prob.argmax(axis=0) == LABELS) > 0.97


def test_classifier_is_deterministic(model: Appearance) -> None:
    """The same frame gives the same weights to the last bit, whatever the global generators did."""
    np.random.seed(7)  # noqa: NPY002
    again = fit([ReferenceFrame(IMAGE, LABELS, 1.0)], (1, 2), QUICK)
    assert all(np.array_equal(a, b) for a, b in zip(model.weights, again.weights, strict=True))


def test_gradient_is_that_of_the_cross_entropy(model: Appearance) -> None:
    """One step goes where autograd says."""
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(50, SIZE)).astype(np.float32)
    classes = rng.integers(3, size=50)
    start = [torch.from_numpy(w.copy()).requires_grad_(True) for w in model.weights]
    x = torch.from_numpy(inputs)
    for w, b in zip(start[0:4:2], start[1:4:2], strict=True):
        x = torch.relu(x @ w + b)
    loss = torch.nn.functional.cross_entropy(x @ start[4] + start[5], torch.from_numpy(classes))
    expected = torch.autograd.grad(loss, start)
    after, _ = learn(OnlineClassifier.starting_from(model.weights), [(inputs, classes, 0.0)], 0.0)
    for first, gradient in zip(after.first, expected, strict=True):
        np.testing.assert_allclose(first, (1 - BETAS[0]) * gradient.numpy(), rtol=1e-3, atol=1e-7)


def test_adaptation_learns_a_new_side(model: Appearance) -> None:
    """The copy learns that a new colour belongs to object 1; the classifier itself is not changed."""
    image = IMAGE.copy()
    image[LABELS == 1] = (20, 240, 240)
    descriptors, before = describe(image), [w.copy() for w in model.weights]
    appearance = np.exp(log_probabilities(model, [model.weights], descriptors, 5.0)[0])
    adapted = initial_online_model(model)
    for _ in range(16):
        adapted = update_online(
            adapted, model, descriptors, LABELS, appearance, OnlineUpdateSettings(frames=3)
        )
    after = np.exp(log_probabilities(model, [adapted.learner.weights], descriptors, 5.0)[0])
    assert after[1][LABELS == 1].mean() > appearance[1][LABELS == 1].mean()
    assert after[1][LABELS == 1].mean() > 0.8
    assert len(adapted.recent) == 3
    assert all(np.array_equal(a, b) for a, b in zip(model.weights, before, strict=True))


def test_local_colours_pull_the_outline() -> None:
    """A band of background taken for the object is told by its colour; far inside nothing is said."""
    lab = np.zeros((60, 60, 3), np.float32)
    lab[..., 0] = 30
    lab[20:40, 20:40, 0] = 80
    belief = np.zeros((2, 60, 60), np.float32)
    belief[1, 18:42, 18:42] = 1
    belief[0] = 1 - belief[1]
    ratio = local_colours(belief, lab, LocalColourSettings())
    assert ratio[1][18, 30] < -1
    assert ratio[1][21, 30] > 1
    assert not ratio[0].any()
    assert abs(ratio[1][0, 0]) < 0.05
