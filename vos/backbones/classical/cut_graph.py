"""Minimum cuts of one graph with many capacities."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import breadth_first_order, maximum_flow

from ...arrays import Bools, Floats, Integers

DEAREST = 1_000
"""The solver counts in whole numbers: the capacity of the edge that costs most."""


class CutGraph:
    """A graph of n nodes, m undirected edges, a source and a sink.

    Its sparse structure, with the reverse of every edge, is built once: for a few thousand nodes that takes
    longer than to find the cut.
    """

    def __init__(self, count: int, first: Integers, second: Integers) -> None:
        """
        Args:
            count: n.
            first, second: (m,) nodes of every edge; no pair occurs twice.
        """
        self.count, self.first, self.second = count, first, second
        nodes = np.arange(count, dtype=np.int32)
        source, sink = np.full(count, count, np.int32), np.full(count, count + 1, np.int32)
        tails = np.concatenate([first, second, source, nodes, nodes, sink])
        heads = np.concatenate([second, first, nodes, source, sink, nodes])
        order = np.lexsort((heads, tails))
        place = np.empty(len(order), np.intp)
        place[order] = np.arange(len(order))
        ends = np.cumsum([len(first), len(first), count, count, count])
        self._there, self._back, self._source, _, self._sink, _ = np.split(place, ends)
        self._indices = heads[order]
        counts = np.bincount(tails, minlength=count + 2)
        self._indptr = np.concatenate([[0], np.cumsum(counts)]).astype(np.int32)

    def cut(self, costs: Floats, unary: Floats) -> Bools:
        """(n,) minimum cut: True for the nodes on the source's side.

        Args:
            costs: (m,) what cutting an edge costs, 0 or more.
            unary: (n,) to the source if positive, to the sink if negative.
        """
        count = self.count
        # No unary term needs more than cuts a node off. Where no edge costs anything to speak of, unary terms
        # still have to fit into 32 bits.
        unit = DEAREST / max(float(costs.max(initial=0)), 1e-3)
        bound = 1 + np.bincount(self.first, costs, count) + np.bincount(self.second, costs, count)
        unary = np.clip(unary, -bound, bound)
        capacity = np.zeros(len(self._indices), np.int32)
        capacity[self._there] = capacity[self._back] = np.rint(costs * unit)
        capacity[self._source] = np.rint(np.maximum(unary, 0) * unit)
        capacity[self._sink] = np.rint(np.maximum(-unary, 0) * unit)
        graph = csr_array((capacity, self._indices, self._indptr), shape=(count + 2, count + 2))
        graph.has_sorted_indices = True
        open_edges = capacity > maximum_flow(graph, count, count + 1).flow.data
        starts = np.concatenate([[0], np.cumsum(open_edges)])[self._indptr].astype(np.int32)
        heads = self._indices[open_edges]
        residual = csr_array((np.ones(len(heads)), heads, starts), shape=graph.shape)
        side = np.zeros(count + 2, bool)
        side[breadth_first_order(residual, count, return_predecessors=False)] = True
        return side[:count]
