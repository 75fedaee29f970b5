import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.cluster import KMeans

from weakspot.labels.typical_images import typical_images


def test_the_middle_of_each_group_is_typical_and_that_of_the_largest_comes_first():
    groups = [(0.0, 2), (100.0, 5), (200.0, 3)]
    points = np.array([[center + i, center - i] for center, size in groups for i in range(size)])
    found = typical_images(points, 3)
    assert found[:2] == [4, 8]  # the middle one of five, and of three
    assert found[2] in (0, 1)


@pytest.mark.parametrize("count", [2, 3, 10])
def test_of_few_images_all_are_typical(count):
    assert typical_images(np.array([[0.0], [5.0]]), count) == [0, 1]


def test_no_images_have_no_typical_one():
    assert typical_images(np.zeros((0, 3)), 5) == []


def test_equal_images_have_one_typical_one():
    assert typical_images(np.ones((20, 4)), 3) == [0]


@given(st.integers(1, 40), st.integers(1, 8), st.integers(0, 5))
def test_typical_images_are_some_of_all_and_always_the_same(images, count, seed):
    points = np.random.default_rng(seed).normal(size=(images, 3))
    found = typical_images(points, count)
    assert len(found) == len(set(found)) <= max(count, 1)
    assert set(found) <= set(range(images))
    assert typical_images(points, count) == found


def test_clusters_are_as_tight_as_those_of_scikit_learn():
    """On groups that are apart, both find the same centers, and so the same images."""
    random = np.random.default_rng(0)
    points = np.concatenate([random.normal(center, 1, (12, 2)) for center in ((0, 0), (30, 0), (0, 30), (30, 30))])
    distances = KMeans(4, n_init=10, random_state=0).fit(points).transform(points)
    assert sorted(typical_images(points, 4)) == sorted(distances.argmin(axis=0).tolist())
