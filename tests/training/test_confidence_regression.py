"""Fitting confidence: what the regression promises, on data of which the truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from training.confidence.measures import auroc, expected_calibration_error, reliability, scores
from training.confidence.regression import Samples, cross_validated, fit, fold_of, sequence_weights


def samples(seed: int = 0, sequences: int = 20, each: int = 30, factor: float = 1.0) -> Samples:
    """J is the logistic of the first signal, times a factor in every other row; the second signal speaks
    against it, the third is noise."""
    rng = np.random.default_rng(seed)
    first = rng.standard_normal(sequences * each)
    signals = np.stack([first, -first, rng.standard_normal(len(first))], axis=1)
    factors = np.where(np.arange(len(first)) % 2, factor, 1.0)
    j = factors / (1 + np.exp(-(2 * first + 0.5)))
    return Samples(signals, j, np.repeat([f"s{k}" for k in range(sequences)], each), factors)


def test_finds_the_weights_and_none_is_negative() -> None:
    """Without a penalty the true model comes back; a signal that speaks against J is not used."""
    model = fit(samples(), ridge=0, least=0)
    assert model.weights == pytest.approx([2, 0, 0], abs=0.05)
    assert model.bias == pytest.approx(0.5, abs=0.05)


def test_a_known_factor_is_no_part_of_the_model() -> None:
    """The same weights come back, and what is predicted has the factor."""
    scaled = samples(factor=0.6)
    model = fit(scaled, ridge=0, least=0)
    assert model.weights == pytest.approx([2, 0, 0], abs=0.05)
    assert model.bias == pytest.approx(0.5, abs=0.05)
    ratio = cross_validated(scaled, ridge=0) / cross_validated(samples(), ridge=0)
    assert ratio == pytest.approx(scaled.factor, abs=0.01)


def test_sequences_weigh_the_same() -> None:
    """A long sequence does not outweigh a short one."""
    weights = sequence_weights(np.array(["a", "b", "b", "b"]))
    assert weights == pytest.approx([1 / 2, 1 / 6, 1 / 6, 1 / 6])


def test_a_sequence_is_never_asked_about_by_a_model_that_knows_it() -> None:
    """With signals that only name the sequence, nothing is learned of those left out."""
    rng = np.random.default_rng(0)
    j = rng.uniform(size=12)
    known = Samples(np.eye(12), j, np.arange(12).astype(str), np.ones(12))
    predicted = cross_validated(known, ridge=0.0, folds=12)
    assert np.corrcoef(predicted, j)[0, 1] < 0.3
    assert len(np.unique(fold_of(known.sequences, 4))) == 4


def test_measures_on_known_cases() -> None:
    """A perfect ranking has AUROC 1, a reversed one 0, ties 0.5; calibration errors are known."""
    j = np.array([0.1, 0.3, 0.6, 0.9])
    assert auroc(j, j < 0.5) == 1
    assert auroc(-j, j < 0.5) == 0
    assert auroc(np.zeros(4), j < 0.5) == 0.5
    assert np.isnan(auroc(j, j < 0.05))
    assert expected_calibration_error(reliability(j, j)) == pytest.approx(0)
    assert expected_calibration_error(reliability(j, np.ones(4))) == pytest.approx(1 - j.mean())
    assert scores(j, j)["spearman"] == pytest.approx(1)


def test_reliability_keeps_the_ends() -> None:
    """Confidence 0 and 1 belong to the first and the last part."""
    curve = reliability(np.array([0.0, 1.0]), np.array([0.2, 0.7]))
    assert [(part["confidence"], part["j"], part["rows"]) for part in curve] == [(0, 0.2, 1), (1, 0.7, 1)]
