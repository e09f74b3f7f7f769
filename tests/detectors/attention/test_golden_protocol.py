"""InfoScore, ConvCRF, the whole list's label maps, tuning and the metric against the recorded reference."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
import torch

from vos.detectors.attention.convcrf import ConvCrfSettings, convcrf, pairwise_kernel
from vos.detectors.attention.infoscore import infoscore
from vos.detectors.attention.preprocess import labels_to_canvas
from vos.detectors.attention.segment import SegmentSettings, rank_layers, segment_images
from vos.detectors.attention.supports import class_areas, query_positions, sample_supports, support_labels
from vos.detectors.attention.tuning import (
    TuningSettings,
    keeping_weights,
    make_support,
    tune,
    tuned_names,
    tuning_loss,
)
from vos.evaluation.semantic import SemanticCounts, semantic_counts


def test_infoscore_terms_and_ranking(attention_golden, golden_matcher):
    """All terms of every layer, from images to ranking."""
    stored = attention_golden.arrays("infoscore")
    images = [attention_golden.image(i) for i in range(int(stored["n_images"]))]
    scores = rank_layers(golden_matcher, attention_golden.encoded("single"), images, batch_size=4)
    for value, name in (
        (scores.dataset_entropy, "H_D"),
        (scores.image_entropy, "H_bar"),
        (scores.variation, "CoV"),
        (scores.score, "infoscore"),
        (infoscore(stored["marginals"]).score, "infoscore"),
    ):
        np.testing.assert_allclose(value, stored[name], rtol=1e-5)
    assert scores.ranking == tuple(stored["ranking"])


def test_crf_kernel(attention_golden):
    """The merged kernel, row offset first, 0 outside the image."""
    stored = attention_golden.arrays("convcrf")
    kernel = pairwise_kernel(torch.from_numpy(stored["image"]))[0]
    for (row, column), values in zip(stored["kernel_points"], stored["kernel_values"], strict=True):
        np.testing.assert_allclose(kernel[:, :, row, column], values, atol=2e-5)


@pytest.mark.parametrize(
    ("unary", "image", "result", "iterations"),
    [("unary", "image", "out", n) for n in (1, 5, 20)] + [("unary_b", "image_b", "out_b", n) for n in (1, 5)],
)
def test_crf_iterations(attention_golden, unary, image, result, iterations):
    """1, 5 and 20 iterations; case b has sides that are not multiples of the pooling."""
    stored = attention_golden.arrays("convcrf")
    settings = ConvCrfSettings(iterations=iterations)
    found = convcrf(torch.from_numpy(stored[unary]), torch.from_numpy(stored[image]), settings).numpy()
    expected = stored[f"{result}_{iterations}"]
    error = np.abs(found - expected) / np.abs(expected).max()
    assert np.quantile(error, 0.999) < (5e-6 if iterations == 1 else 5e-5)
    assert np.mean(found.argmax(axis=1) == expected.argmax(axis=1)) >= 0.999


@pytest.mark.parametrize("mode", ["multi", "single"])
def test_label_maps_and_scores_of_the_list(attention_golden, golden_matcher, mode):
    """Label maps before and after the CRF of all ten images, and IoU from them."""
    stored = attention_golden.arrays("evaluation")
    images = [attention_golden.image(i) for i in range(10)]
    for crf, name in (("none", "argmax_unary"), ("convcrf", "pred")):
        settings = SegmentSettings(layers=attention_golden.layers, crf=crf, batch_size=4)
        results = segment_images(golden_matcher, attention_golden.encoded(mode), images, settings)
        found = np.stack([result.canvas_labels for result in results])
        assert np.mean(found == stored[f"{name}_{mode}"]) >= 0.999
    counts = semantic_counts(found, stored["labels"], 6)
    np.testing.assert_allclose(counts.iou, stored[f"iou_{mode}"], atol=1e-3)
    assert counts.mean_iou == pytest.approx(float(stored[f"miou_{mode}"]), abs=1e-3)


def test_metric(attention_golden):
    """Counts per image exactly, IoU of their sum; the class that never occurs counts as 0."""
    stored = attention_golden.arrays("miou")
    total = SemanticCounts.zeros(6)
    for row, (predicted, truth) in enumerate(zip(stored["pred"], stored["target"], strict=True)):
        counts = semantic_counts(predicted, truth, 6)
        np.testing.assert_array_equal(counts.intersection, stored["intersection"][row])
        np.testing.assert_array_equal(counts.union, stored["union"][row])
        total += counts
    np.testing.assert_allclose(total.iou, stored["iou"], atol=1e-6)
    assert total.iou[5] == 0
    assert total.mean_iou == pytest.approx(float(stored["miou"]), abs=1e-6)


def test_supports_and_queries_of_both_runs(attention_golden):
    """One stream of random numbers chooses the recorded supports, fallbacks stay among the queries."""
    stored = json.loads((attention_golden.folder / "oneshot.json").read_text())
    areas = np.stack([class_areas(attention_golden.labels(i), 6) for i in range(10)])
    stream = random.Random(1)
    for run in range(2):
        choices = sample_supports(areas, stream)
        assert [choice.index for choice in choices] == stored[f"support_run{run}"]
        assert [choice.label for choice in choices if choice.fallback] == stored["fallback_classes"]
        assert query_positions(areas, choices) == stored[f"queries_run{run}"]
        fallback = next(choice.index for choice in choices if choice.fallback)
        assert fallback in query_positions(areas, choices)
        assert fallback not in query_positions(areas, choices, remove_fallbacks=True)


def test_first_gradient(attention_golden, golden_matcher):
    """The gradient of every trained parameter on the first two supports."""
    stored, layers = attention_golden.arrays("oneshot"), tuple(attention_golden.description["tune_layers"])
    names = tuned_names(golden_matcher, layers)
    assert set(names) == set(stored["trained_names"])
    parameters = dict(golden_matcher.model.named_parameters())
    for name in names:
        parameters[name].requires_grad_(True)
    loss = tuning_loss(
        golden_matcher, attention_golden.encoded("multi"), supports(attention_golden, 0)[:2], layers
    )
    loss.backward()
    for name in names:
        np.testing.assert_allclose(parameters[name].grad, stored[f"grad1/{name}"], atol=5e-6)
        parameters[name].grad = None
    golden_matcher.model.requires_grad_(False)


def supports(golden, run):
    """The recorded supports of a run, in order."""
    matcher = golden.matcher()
    areas = np.stack([class_areas(golden.labels(i), 6) for i in range(10)])
    stream = random.Random(1)
    choices = [sample_supports(areas, stream) for _ in range(run + 1)][-1]
    return [
        make_support(matcher, golden.image(c.index), support_labels(golden.labels(c.index), c))
        for c in choices
    ]


@pytest.mark.parametrize("run", [0, 1])
def test_tuning_run(attention_golden, golden_matcher, run):
    """Loss of every step, parameters after 1, 2 and 10, and label maps and scores after all 12."""
    stored, layers = attention_golden.arrays("oneshot"), tuple(attention_golden.description["tune_layers"])
    encoded = attention_golden.encoded("multi")
    before = {name: tensor.clone() for name, tensor in golden_matcher.model.state_dict().items()}

    def check(step: int, loss: float) -> None:
        state = golden_matcher.model.state_dict()
        recorded = {n: v for n, v in stored.items() if n.startswith(f"step{step}/")}
        for name, value in recorded.items() if run == 0 else ():
            error = np.abs(state[name.split("/", 1)[1]].numpy() - value)
            assert np.mean(error <= 5e-6) >= 0.999
            assert error.max() <= 2 * 2e-4 * step

    with keeping_weights(golden_matcher, layers):
        chosen = supports(attention_golden, run)
        if run == 0:
            np.testing.assert_array_equal([s.labels for s in chosen], stored["support_labels_run0"])
        losses = tune(golden_matcher, encoded, chosen, layers, TuningSettings(passes=4), on_step=check)
        np.testing.assert_allclose(losses, stored[f"loss_run{run}"], atol=2e-5)
        changed = {n for n, t in golden_matcher.model.state_dict().items() if not torch.equal(t, before[n])}
        assert changed == set(stored["trained_names"])
        queries = stored[f"query_index_run{run}"]
        results = segment_images(
            golden_matcher,
            encoded,
            [attention_golden.image(i) for i in queries],
            SegmentSettings(layers=layers),
        )
        found = np.stack([result.canvas_labels for result in results])
    assert np.mean(found == stored[f"pred_run{run}"]) >= 0.999
    truth = np.stack([labels_to_canvas(attention_golden.labels(i), 128) for i in queries])
    counts = semantic_counts(found, truth, 6)
    np.testing.assert_allclose(counts.iou, stored["iou_runs"][run], atol=1e-3)
    assert counts.mean_iou == pytest.approx(float(stored["miou_runs"][run]), abs=1e-3)
    after = golden_matcher.model.state_dict()
    assert all(torch.equal(after[name], tensor) for name, tensor in before.items())
