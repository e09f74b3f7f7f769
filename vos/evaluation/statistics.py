"""Mean, recall and decay of a per-frame measure (Perazzi et al. 2016, section 4.2)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

RECALL_THRESHOLD = 0.5
DECAY_BINS = 4


@dataclass(frozen=True)
class Statistics:
    """The statistics of the DAVIS tables for one measure, as fractions."""

    mean: float
    recall: float
    """Share of the frames whose value is above one half."""
    decay: float
    """Mean of the first quarter of the frames minus mean of the last; below 0 if it gets better."""


def sequence_statistics(values: ArrayLike) -> Statistics:
    """Statistics over the frames of one object; NaN frames count nowhere.

    Raises:
        ValueError: there is not one value.
    """
    frames = np.asarray(values, dtype=np.float64)
    known = frames[~np.isnan(frames)]
    if known.size == 0:
        raise ValueError(f"no value to average in {frames.shape} values")
    ids = bin_edges(len(frames))
    decay = np.nanmean(frames[ids[0] : ids[1] + 1]) - np.nanmean(frames[ids[-2] : ids[-1] + 1])
    return Statistics(float(known.mean()), float((known > RECALL_THRESHOLD).mean()), float(decay))


def bin_edges(num_frames: int) -> NDArray[np.intp]:
    """(5,) frames at which the four bins of the decay meet; both neighbours have the shared one.

    67 frames -> 0, 17, 33, 50, 66. The official code keeps them in 8 bits and goes wrong above 256 frames;
    this does not.
    """
    return np.round(np.linspace(1, num_frames, DECAY_BINS + 1) + 1e-10).astype(np.intp) - 1


def average(statistics: Iterable[Statistics]) -> Statistics:
    """Plain mean of each: every object weighs the same, however long its sequence is."""
    rows = np.array([(s.mean, s.recall, s.decay) for s in statistics])
    mean, recall, decay = rows.mean(axis=0).tolist()
    return Statistics(mean, recall, decay)
