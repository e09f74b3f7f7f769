"""Mean, recall and decay."""

from __future__ import annotations

import davis_reference as reference
import numpy as np
import pytest

from vos.evaluation.statistics import Statistics, average, bin_edges, sequence_statistics


def test_bins_of_67_frames() -> None:
    """The worked example of the specification."""
    assert bin_edges(67).tolist() == [0, 17, 33, 50, 66]


def test_bins_of_a_long_sequence_do_not_wrap() -> None:
    """More frames than 8 bits can number: the last bin ends with the last frame."""
    assert bin_edges(300).tolist() == [0, 75, 150, 224, 299]
    values = np.r_[np.ones(75), np.full(225, 0.25)]
    assert sequence_statistics(values).decay == pytest.approx((75 + 0.25) / 76 - 0.25)


def test_halves_round_to_the_even_frame_but_for_the_offset() -> None:
    """linspace gives 1, 2.5, 4, 5.5, 7 for 7 frames; the offset lifts the halves: ids 0, 2, 3, 5, 6."""
    assert bin_edges(7).tolist() == [0, 2, 3, 5, 6]


def test_neighbouring_bins_share_a_frame() -> None:
    """Both ends of a bin are in it."""
    assert sequence_statistics([1, 0.5, 0, 0, 0]).decay == pytest.approx(0.75)


def test_recall_is_strict() -> None:
    """Exactly one half is not recalled."""
    assert sequence_statistics([0.5, 0.5001, 0.4, 1]).recall == 0.5


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 48, 67, 102])
def test_equal_to_the_reference(count) -> None:
    """Random values at many lengths."""
    values = np.random.default_rng(count).random(count)
    got = sequence_statistics(values)
    assert (got.mean, got.recall, got.decay) == pytest.approx(reference.statistics(values), abs=1e-12)


def test_nan_frames_count_nowhere() -> None:
    """Not in the mean, not in the recall, not in the decay."""
    got = sequence_statistics([1, np.nan, 1, 0.4, np.nan, 0.4])
    assert (got.mean, got.recall) == (0.7, 0.5)
    assert got.decay == pytest.approx(0.6)


def test_no_value_is_an_error() -> None:
    """There is no mean of nothing."""
    with pytest.raises(ValueError, match="no value"):
        sequence_statistics([])
    with pytest.raises(ValueError, match="no value"):
        sequence_statistics([np.nan])


def test_average_is_plain() -> None:
    """Every object weighs the same."""
    assert average([Statistics(1, 1, 0), Statistics(0, 0.5, -1)]) == Statistics(0.5, 0.75, -0.5)
