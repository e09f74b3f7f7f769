"""Class maps, InfoScore, ConvCRF and the metric on inputs whose answer is known by hand."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vos.detectors.attention.class_maps import ensemble, match_gate, merge_classes, token_relevance
from vos.detectors.attention.convcrf import ConvCrfSettings, convcrf, pairwise_kernel
from vos.detectors.attention.cross_attention import CrossAttentionTap, check_layers
from vos.detectors.attention.infoscore import infoscore
from vos.detectors.attention.supports import Choice, sample_supports, support_labels
from vos.errors import InputError, ModelError, SettingsError


def test_background_is_a_sum_and_the_others_a_maximum():
    """Two background words add up; of a class's two words the stronger counts."""
    maps = torch.tensor([1.0, 2.0, 5.0, 3.0]).reshape(4, 1, 1)
    assert merge_classes(maps, [(0, 2), (2, 4)]).flatten().tolist() == [3.0, 5.0]


def test_token_relevance_drops_padding_and_the_class_token():
    """One prompt, two heads, two tokens (the second is padding), keys: class token and two patches."""
    scores = torch.tensor([[[[9.0, 1.0, -2.0], [7.0, 7.0, 7.0]], [[9.0, 0.5, -1.0], [7.0, 7.0, 7.0]]]])
    assert token_relevance(scores, torch.tensor([[1, 0]])).tolist() == [[1.0, -1.0]]


def test_token_relevance_adds_up_in_float32():
    """Scores in half precision, as under autocast, do not make half-precision sums."""
    scores = torch.tensor([2048.0, 1.0, 1.0], dtype=torch.float16).reshape(1, 1, 3, 1).expand(1, 1, 3, 2)
    relevance = token_relevance(scores, torch.ones(1, 3, dtype=torch.long))
    assert relevance.dtype == torch.float32
    assert relevance.item() == 2050


def test_the_gate_counts_padding_positions():
    """The best position decides, wherever it is: the reference's quirk."""
    logits = torch.tensor([[[0.0, 0.0], [0.0, 20.0]]])
    assert match_gate(logits).item() == pytest.approx(1.0)


def test_unaries_add_up_to_one_and_follow_the_order_of_classes():
    """At every pixel U is a distribution; permuting the classes permutes it."""
    maps = [torch.rand(2, 4, 5, 5, generator=torch.Generator().manual_seed(i)) for i in range(3)]
    unary = ensemble(maps, (17, 17))
    torch.testing.assert_close(unary.sum(dim=1), torch.ones(2, 17, 17))
    order = [0, 3, 1, 2]
    torch.testing.assert_close(ensemble([m[:, order] for m in maps], (17, 17)), unary[:, order])


def test_layers_are_checked():
    """None, a repeated one and one too many are refused with the range."""
    for layers in ([], [1, 1], [4], [-1]):
        with pytest.raises(SettingsError, match="from 0 to 3"):
            check_layers(layers, 4)


def test_a_model_without_cross_attention_is_refused():
    """The error says what is missing and what to use."""
    with pytest.raises(ModelError, match="no cross-attention"):
        CrossAttentionTap(torch.nn.Linear(2, 2), (0,), lambda z: z)


def test_infoscore_of_images_that_are_all_alike_is_zero():
    """No variation between images, no score."""
    scores = infoscore(np.full((2, 5, 4), 0.25))
    np.testing.assert_allclose(scores.variation, 0, atol=1e-12)
    np.testing.assert_allclose(scores.score, 0, atol=1e-12)


def test_infoscore_of_decided_alternating_images_is_large():
    """Layer 1 decides each image for another prompt; layer 0 only leans that way: layer 1 wins by far."""
    hard = np.full((4, 2), 1e-6)
    hard[::2, 0] = hard[1::2, 1] = 1
    soft = np.where(hard == 1, 0.6, 0.4)
    scores = infoscore(np.stack([soft, hard]))
    assert scores.ranking == (1, 0)
    assert scores.score[1] > 1e3 * scores.score[0]
    assert scores.dataset_entropy[1] == pytest.approx(np.log(2), rel=1e-4)


def test_crf_of_a_constant_image_is_gaussian_smoothing_plus_ten():
    """With one colour everywhere the kernel is 3 times a Gaussian of the distance, plus the colour's 10."""
    settings = ConvCrfSettings(iterations=1)
    image, side = torch.full((1, 3, 64, 64), 0.3), settings.filter_size
    kernel = pairwise_kernel(image, settings)[0, :, :, 8, 8]
    d = torch.arange(side, dtype=torch.float32) - side // 2
    spacing = settings.blur / settings.position_scale
    expected = 3 * torch.exp(-((d[:, None] * spacing) ** 2 + (d * spacing) ** 2) / 2) + 10
    torch.testing.assert_close(kernel, expected)
    assert kernel[7, 7].item() == 13
    unary = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    log_unary = unary.log_softmax(dim=1)
    pooled = F.avg_pool2d(log_unary, 4)
    weights = expected.expand(3, 1, side, side)
    smooth = F.conv2d(pooled, weights, padding=side // 2, groups=3)
    message = F.interpolate(smooth, scale_factor=4, mode="bilinear", align_corners=False)
    torch.testing.assert_close(
        convcrf(unary, image, settings), 0.8 * log_unary + 0.2 * message, rtol=1e-4, atol=1e-2
    )


def test_crf_keeps_colour_borders_and_takes_batches():
    """A speck of the wrong class in a region of one colour goes, the region's border stays; rows of a batch
    do not see each other; the last softmax does not change the label map."""
    image = torch.zeros(2, 3, 45, 50)
    image[:, :, :, 25:] = 2.0
    unary = torch.full((2, 2, 45, 50), 0.3)
    unary[:, 0, :, :25] = unary[:, 1, :, 25:] = 0.7
    unary[:, :, 10:13, 10:13] = torch.tensor([0.2, 0.8]).reshape(1, 2, 1, 1)
    unary[1] = unary[1].flip(0)
    labels = convcrf(unary, image).argmax(dim=1)
    assert labels.shape == (2, 45, 50)
    assert (labels[0, :, :24] == 0).all()
    assert (labels[0, :, 26:] == 1).all()
    torch.testing.assert_close(labels[1], 1 - labels[0])
    soft = convcrf(unary, image, ConvCrfSettings(final_softmax=True))
    assert torch.equal(soft.argmax(dim=1), labels)
    with pytest.raises(SettingsError, match="must agree"):
        convcrf(unary, image[:1])


def test_crf_settings_are_checked():
    """An even filter has no centre."""
    with pytest.raises(ValueError, match="odd"):
        ConvCrfSettings(filter_size=4)


def test_a_class_without_any_candidate_is_an_error():
    """The message names the class and the size that is asked for."""
    import random

    with pytest.raises(InputError, match="16384 pixels of class 'dog'"):
        sample_supports(np.array([[10, 20000, 5]]), random.Random(1), names=["background", "cat", "dog"])


def test_fallback_supports_keep_only_their_class():
    """Other classes become background, void stays void; an ordinary support is untouched."""
    labels = np.array([[0, 1, 2, 255]], np.uint8)
    assert support_labels(labels, Choice(2, 0, fallback=True)).tolist() == [[0, 0, 2, 255]]
    assert support_labels(labels, Choice(2, 0, fallback=False)) is labels
