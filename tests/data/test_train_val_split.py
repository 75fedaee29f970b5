from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from refusals import refused

from weakspot.data.train_val_split import join_groups, stratified_group_split


def alone(*counts):
    """Labels of so many images of each class."""
    return [label for label, count in enumerate(counts) for _ in range(count)]


def validating(labels, groups=None, **options):
    """How many images of each class validate."""
    mask = stratified_group_split(labels, groups, **options)
    assert (mask.dtype, mask.shape) == (bool, (len(labels),))
    return dict(Counter(label for label, chosen in zip(labels, mask, strict=True) if chosen))


def test_each_class_gives_its_share():
    assert validating(alone(100, 50, 10), val_fraction=0.2) == {0: 20, 1: 10, 2: 2}


@pytest.mark.parametrize(
    ("labels", "groups", "share", "expected"),
    [
        pytest.param([], None, 0.2, {}, id="no image"),
        pytest.param([], [], 0.2, {}, id="no image and no group"),
        pytest.param(["cat"], None, 0.9, {}, id="one image stays in training"),
        pytest.param(["cat"] * 5, [3] * 5, 0.5, {}, id="one group stays in training"),
        pytest.param(["cat"] * 2, None, 0.01, {"cat": 1}, id="at least one validates"),
        pytest.param(["cat"] * 2, None, 0.99, {"cat": 1}, id="at least one trains"),
        pytest.param(["cat"] * 9, [0] * 8 + [1], 0.01, {"cat": 1}, id="the smaller group validates"),
        pytest.param(["cat"] * 9, [0] * 8 + [1], 0.99, {"cat": 8}, id="the smaller group trains"),
        pytest.param(["cat"] * 9, [7] * 6 + [-2] * 3, 0.3, {"cat": 3}, id="the group nearest to the share"),
        pytest.param(["cat", "dog", "cat"], [5, 5, 6], 0.5, {"cat": 1}, id="the only group of a class trains"),
        pytest.param([("cat", "dog"), ("cat",)] * 2, None, 0.5, {("cat", "dog"): 1, ("cat",): 1}, id="tuples"),
    ],
)
def test_drawn_case(labels, groups, share, expected):
    numbers = None if groups is None else np.array(groups, np.int64)
    for seed in range(5):
        assert validating(labels, numbers, val_fraction=share, seed=seed) == expected


def test_groups_of_several_classes_give_both_sides_where_they_can():
    # Two groups of cats, the second of them and another of dogs: whatever is chosen for cats, dogs can follow.
    labels, groups = ["cat", "cat", "dog", "dog", "dog"], np.array([0, 1, 1, 2, 2])
    for seed in range(8):
        mask = stratified_group_split(labels, groups, val_fraction=0.5, seed=seed)
        assert mask[0] != mask[1] == mask[2] != mask[3] == mask[4]


def test_seed_decides():
    labels = alone(60, 40)
    chosen = [stratified_group_split(labels, None, seed=seed) for seed in (0, 0, 1)]
    np.testing.assert_array_equal(chosen[0], chosen[1])
    assert (chosen[0] != chosen[2]).any()
    np.testing.assert_array_equal(chosen[0], stratified_group_split(labels, None))


def test_every_image_may_validate():
    chosen = np.mean(
        [stratified_group_split(alone(10), None, val_fraction=0.3, seed=seed) for seed in range(300)], axis=0
    )
    np.testing.assert_allclose(chosen, 0.3, atol=0.1)


def test_labels_of_any_kind_are_told_apart_by_equality_alone():
    mask = stratified_group_split(alone(5, 7, 9), None)
    np.testing.assert_array_equal(mask, stratified_group_split(["b"] * 5 + ["a"] * 7 + ["c"] * 9, None))


@pytest.mark.parametrize(
    "options",
    [{"val_fraction": 0}, {"val_fraction": 1.0}, {"val_fraction": -0.2}, {"val_fraction": float("nan")}, {"seed": -1}],
)
def test_options_out_of_range_are_refused(options):
    with refused("out-of-range", *options.values()):
        stratified_group_split(["cat", "dog"], **({"groups": None} | options))


@pytest.mark.parametrize("shape", [(3,), (2, 1)])
def test_groups_of_another_shape_are_refused(shape):
    with refused("shape-mismatch", shape):
        stratified_group_split(["cat", "dog"], np.zeros(shape, np.int64))


SHARES = st.floats(0.01, 0.99)
SEEDS = st.integers(0, 2**32)
# Of each class the sizes of its groups.
CLASSES = st.lists(st.lists(st.integers(1, 6), min_size=1, max_size=8), max_size=6)


@given(CLASSES, SHARES, SEEDS, st.randoms(use_true_random=False))
@settings(max_examples=200)
def test_groups_of_one_class_are_whole_on_both_sides_and_near_the_share(classes, share, seed, random):
    sizes = {(label, i): size for label, groups in enumerate(classes) for i, size in enumerate(groups)}
    images = [pair for pair, size in sizes.items() for _ in range(size)]
    random.shuffle(images)
    numbers = {pair: number for number, pair in enumerate(sizes)}
    mask = stratified_group_split(
        [label for label, _ in images],
        np.array([numbers[pair] for pair in images], np.int64),
        val_fraction=share,
        seed=seed,
    )
    chosen = {pair for pair, validates in zip(images, mask, strict=True) if validates}
    assert mask.sum() == sum(sizes[pair] for pair in chosen)
    for label, groups in enumerate(classes):
        taken = [size for i, size in enumerate(groups) if (label, i) in chosen]
        assert 0 < len(taken) < len(groups) or (len(groups) == 1 and not taken)
        assert len(groups) == 1 or abs(sum(taken) - share * sum(groups)) <= max(groups)


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(-9, 9)), max_size=40), SHARES, SEEDS)
def test_groups_of_any_classes_are_whole_and_a_class_in_one_group_trains(images, share, seed):
    labels, groups = [label for label, _ in images], np.array([group for _, group in images], np.int64)
    mask = stratified_group_split(labels, groups, val_fraction=share, seed=seed)
    assert not set(groups[mask]) & set(groups[~mask])
    for label in set(labels):
        own = np.array([one == label for one in labels])
        assert len(set(groups[own])) > 1 or not mask[own].any()
    np.testing.assert_array_equal(mask, stratified_group_split(labels, groups, val_fraction=share, seed=seed))


@pytest.mark.parametrize(
    ("groups", "items", "expected"),
    [
        ([], [], []),
        ([0, 1, 2], ["", "", ""], [0, 1, 2]),
        ([0, 1, 2], ["a", "b", "a"], [0, 1, 0]),
        ([0, 1, 1, 2], ["a", "a", "b", "b"], [0, 0, 0, 0]),
        ([7, 7, -1, 3], ["", "a", "a", ""], [0, 0, 0, 1]),
    ],
)
def test_groups_of_an_item_are_joined(groups, items, expected):
    joined = join_groups(np.array(groups, np.int64), items).tolist()
    numbers = {}
    assert [numbers.setdefault(number, len(numbers)) for number in joined] == expected
