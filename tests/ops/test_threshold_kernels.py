import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weakspot.ops.threshold_kernels import best_per_threshold

NODES = st.lists(st.tuples(st.integers(0, 6), st.integers(1, 7), st.integers(-2, 2)), max_size=8)


def best(nodes, cuts, dtype=np.int64):
    lows, highs, ranks = np.array(nodes, float).reshape(-1, 3).T
    return best_per_threshold(lows.astype(np.int32), highs.astype(np.int32), ranks.astype(dtype), cuts).tolist()


def test_the_highest_rank_is_taken_among_those_alive():
    nodes = [(0, 3, 5), (1, 2, 9), (2, 5, 1)]
    assert best(nodes, 6) == [0, 1, 0, 2, 2, -1]


def test_a_node_is_alive_from_its_low_to_before_its_high():
    assert best([(1, 3, 0)], 4) == [-1, 0, 0, -1]


def test_convention_ties_go_to_the_first_node():
    assert best([(0, 2, 7), (0, 3, 7), (0, 3, 7)], 3) == [0, 0, 1]


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.float64])
def test_ranks_may_be_negative_whole_or_fractions(dtype):
    assert best([(0, 1, -3), (0, 1, -2)], 1, dtype) == [1]


def test_fractions_are_not_rounded():
    ranks = np.array([0.5, np.nextafter(0.5, 1)])
    assert best_per_threshold(np.zeros(2, np.int32), np.ones(2, np.int32), ranks, 1).tolist() == [1]


def test_ranks_beyond_32_bits_are_told_apart():
    ranks = np.array([2**40, 2**40 + 1])
    assert best_per_threshold(np.zeros(2, np.int32), np.ones(2, np.int32), ranks, 1).tolist() == [1]


@pytest.mark.parametrize("cuts", [0, 3])
def test_without_nodes_none_is_alive(cuts):
    assert best([], cuts) == [-1] * cuts


@given(NODES)
def test_best_per_threshold_equals_a_maximum_at_every_threshold(nodes):
    nodes = [(low, max(low + 1, high), rank) for low, high, rank in nodes]
    expected = [
        max((i for i, (low, high, _) in enumerate(nodes) if low <= cut < high), key=lambda i: nodes[i][2], default=-1)
        for cut in range(14)
    ]
    assert best(nodes, 14) == expected
