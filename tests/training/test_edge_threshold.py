"""A threshold without boxes: outlines of heatmaps are compared with the edges of images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import find_contours

from weakspot.ops import resize
from weakspot.training.edge_threshold import edge_threshold, outline_edges

SIDE = 144
ROWS, COLUMNS = np.mgrid[:SIDE, :SIDE] + 0.5
LEVELS = np.linspace(0, 1, 101)


def cone(x=72, y=72, radius=60):
    """Return a heatmap that falls from 1 at a point to 0 at a distance."""
    return np.clip(1 - np.hypot(ROWS - y, COLUMNS - x) / radius, 0, 1)


def disc(radius, x=72, y=72, low=40, high=200):
    """Return an image of a disc."""
    inside = np.hypot(ROWS - y, COLUMNS - x) < radius
    return np.where(inside, high, low).astype(np.uint8)[..., None].repeat(3, axis=2)


def bump(center, width=0.1, height=0.4):
    """Return outlines of length 1 whose edge strength is highest at a threshold."""
    return np.stack([np.ones(101), 0.5 + height * np.exp(-(((LEVELS - center) / width) ** 2))])


@pytest.mark.parametrize("radius", [18, 30, 42])
def test_outlines_follow_edges_best_at_the_level_of_the_objects_outline(radius):
    length, edges = outline_edges(cone(), disc(radius))
    strength = np.divide(edges, length, out=np.zeros(101), where=length > 1e-6)
    assert strength[5:95].argmax() + 5 == pytest.approx(100 * (1 - radius / 60), abs=3)
    assert strength.max() > 0.9


def test_the_length_is_that_of_the_outlines():
    random = np.random.default_rng(0)
    heatmap = resize(random.random((6, 6)), height=SIDE, width=SIDE).clip(0, 1)
    length = outline_edges(heatmap, disc(30))[0]
    for first in (20, 40, 60, 75):
        levels = LEVELS[first : first + 5]
        drawn = sum(
            np.hypot(*np.diff(contour, axis=0).T).sum() for level in levels for contour in find_contours(heatmap, level)
        )
        assert length[first : first + 5].sum() == pytest.approx(drawn / 100, rel=0.1)


def test_contrast_and_size_of_the_image_do_not_matter():
    expected = outline_edges(cone(), disc(30))
    np.testing.assert_allclose(outline_edges(cone(), disc(30, low=10, high=50)), expected, rtol=0.02, atol=1e-3)
    large = disc(30).repeat(3, axis=0).repeat(3, axis=1)
    np.testing.assert_allclose(outline_edges(cone(), large).sum(axis=1), expected.sum(axis=1), rtol=0.05)


def test_an_image_without_edges_has_random_ones():
    length, edges = outline_edges(cone(), np.full((50, 70, 3), 99, np.uint8))
    # Pixels at which the heatmap has no slope tie with the others.
    np.testing.assert_allclose(edges, length / 2)


def test_images_may_have_any_number_of_channels():
    gray = outline_edges(cone(), disc(30)[..., :1])
    np.testing.assert_allclose(gray, outline_edges(cone(), disc(30)), rtol=1e-6)


@pytest.mark.parametrize("value", [0.0, 0.5, 1.0])
def test_a_constant_heatmap_has_no_outlines(value):
    assert not outline_edges(np.full((9, 9), value), disc(30)).any()


def test_the_threshold_is_where_outlines_follow_edges():
    outlines = [
        outline_edges(cone(x, y), disc(18, x, y)) for x, y in [(60, 60), (80, 70), (70, 66), (75, 80), (72, 72)]
    ]
    assert edge_threshold(outlines, 0.7) == pytest.approx(0.7, abs=0.01)
    assert 0.6 < edge_threshold(outlines, 0.4) < 0.7 < edge_threshold(outlines, 0.95) < 0.85


@pytest.mark.parametrize(("start", "expected"), [(0.2, 0.58), (0.58, 0.58), (0.6, 0.6), (0.62, 0.62), (0.9, 0.62)])
def test_the_threshold_is_the_nearest_that_is_about_as_good_as_the_best(start, expected):
    """Within 0.02 of the best, outlines have at least 93 % of the edge strength above random ones."""
    assert edge_threshold([bump(0.6)] * 9, start) == pytest.approx(expected)


def test_images_that_disagree_change_the_estimate_less():
    agreeing = [bump(0.7, width=0.05)] * 8
    disagreeing = [bump(center, width=0.05) for center in np.linspace(0.6, 0.8, 8)]
    assert 0.3 < edge_threshold(disagreeing, 0.3) < edge_threshold(agreeing, 0.3) - 0.03 < 0.7


UNUSABLE = {
    "no images": [],
    "one image": [bump(0.7)],
    "four images": [bump(0.7)] * 4,
    "heatmaps without outlines": [np.zeros((2, 101))] * 9,
    "too few heatmaps with outlines": [np.zeros((2, 101))] * 9 + [bump(0.7)] * 4,
    "random outlines": [np.stack([np.ones(101), np.full(101, 0.5)])] * 9,
    "outlines that avoid edges": [np.stack([np.ones(101), 0.5 - 0.4 * LEVELS])] * 9,
    "edges at the peaks only": [np.stack([np.ones(101), LEVELS])] * 9,
}


@pytest.mark.parametrize("outlines", [pytest.param(outlines, id=name) for name, outlines in UNUSABLE.items()])
def test_without_evidence_the_estimate_stays(outlines):
    assert edge_threshold(outlines, 0.37) == 0.37


def test_heatmaps_without_outlines_do_not_count():
    outlines = [bump(center) for center in (0.6, 0.65, 0.7, 0.75, 0.8)]
    assert edge_threshold([*outlines, np.zeros((2, 101))], 0.3) == edge_threshold(outlines, 0.3)


@settings(max_examples=50)
@given(st.integers(0, 9999), st.floats(0.01, 0.99))
def test_order_and_unit_of_length_do_not_matter(seed, start):
    random = np.random.default_rng(seed)
    outlines = random.random((random.integers(0, 12), 2, 101)) * [[[1.0], [0.9]]]
    outlines = outlines.cumsum(axis=0)
    chosen = edge_threshold(list(outlines), start)
    assert chosen == start or (0.15 <= chosen <= 0.95 and round(100 * chosen) == pytest.approx(100 * chosen))
    assert edge_threshold([4 * outline for outline in outlines[::-1]], start) == chosen


@settings(max_examples=50)
@given(st.integers(0, 9999), st.floats(0.01, 0.99))
def test_the_choice_is_that_of_a_loop_over_thresholds(seed, start):
    """The rule as in the docstring, with the variance of differences between images written out."""
    random = np.random.default_rng(seed)
    count, centers = int(random.integers(5, 20)), random.uniform(0.2, 0.9)
    lengths = random.uniform(0.5, 2, (count, 1)).repeat(101, axis=1)
    strengths = [bump(random.normal(centers, 0.1), 0.3, random.uniform(0, 0.4))[1] for _ in range(count)]
    outlines = np.stack([lengths, lengths * strengths], axis=1)
    assert edge_threshold(list(outlines), start) == pytest.approx(by_loop(outlines, start))


def by_loop(outlines, start):
    def window(level):
        return outlines[:, :, max(level - 4, 0) : level + 5].sum(axis=2)

    def strength(level):
        length, edges = window(level).sum(axis=0)
        return edges / length

    def residuals(level):
        length, edges = window(level).T
        return (edges - strength(level) * length) / length.mean()

    best = max(range(15, 96), key=strength)
    if best >= 93 or strength(best) <= 0.5:
        return start
    good = []
    for level in range(15, 96):
        error = np.sqrt(np.var(residuals(best) - residuals(level), ddof=1) / len(outlines))
        if strength(best) - strength(level) <= max(2 * error, 0.07 * (strength(best) - 0.5)):
            good.append(level)
    return min(good, key=lambda level: abs(level - 100 * start)) / 100
