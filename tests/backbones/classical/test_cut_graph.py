"""Minimum cuts, against all labellings of small graphs."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pytest

from vos.backbones.classical.cut_graph import CutGraph

NODES = 8


@pytest.mark.parametrize("seed", range(5))
def test_the_least_energy_of_all_labellings(seed: int) -> None:
    rng = np.random.default_rng(seed)
    pairs = np.array([p for p in combinations(range(NODES), 2) if rng.random() < 0.5], np.int32)
    first, second = pairs[:, 0], pairs[:, 1]
    graph = CutGraph(NODES, first, second)
    labellings = np.array(list(product((False, True), repeat=NODES)))
    for _ in range(4):  # one graph serves for many capacities
        costs = rng.integers(0, 20, len(pairs)).astype(np.float32)
        costs[0] = 1000  # so that the solver's whole numbers are the costs themselves
        unary = rng.integers(-30, 30, NODES).astype(np.float32)
        energies = (labellings[:, first] != labellings[:, second]) @ costs - labellings @ unary
        found = graph.cut(costs, unary)
        energy = (found[first] != found[second]) @ costs - found @ unary
        assert energy == energies.min()
        assert found.sum() == labellings[energies == energies.min()].sum(axis=1).min()


def test_certain_nodes_and_no_edges() -> None:
    none = np.zeros(0, np.int32)
    found = CutGraph(3, none, none).cut(np.zeros(0, np.float32), np.array([1e6, -1e6, 0.5], np.float32))
    assert found.tolist() == [True, False, True]
