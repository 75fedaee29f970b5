import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.ndimage import uniform_filter

from weakspot.inference.zoomed_views import ZoomedView, paste, view_around, zoomed_views

SIDE, GRID = 64, 16  # of heatmaps, and of class maps


def look_at(*discs, size=(256, 256)):
    """Return what shows a view of an image with discs (x, y, radius, height), as coarse and blurred as a class map."""
    rows, columns = np.indices(size)
    image = np.zeros(size)
    for x, y, radius, height in discs:
        image = np.maximum(image, height * ((rows - y) ** 2 + (columns - x) ** 2 <= radius**2))

    def look(view):
        left, top, right, bottom = view
        part = image[top:bottom, left:right]
        cells = [[cell.mean() for cell in np.array_split(row, GRID, 1)] for row in np.array_split(part, GRID)]
        blurred = uniform_filter(np.array(cells), 3)
        return blurred, blurred

    return look


def views_of(look, size=(256, 256), zooms=3):
    return list(zoomed_views(*look((0, 0, size[1], size[0])), size, (SIDE, SIDE), look, zooms))


@pytest.mark.parametrize(
    ("radius", "sides"),
    [
        pytest.param(40, [], id="a third of the image"),
        pytest.param(20, [128], id="a sixth"),
        pytest.param(5, [128, 64, 32], id="a 25th"),
        pytest.param(1, [128, 64, 32], id="a few pixels, after all zooms"),
    ],
)
def test_each_view_has_half_the_size_until_a_region_is_not_small(radius, sides):
    views = views_of(look_at((100, 60, radius, 1)))
    assert [(one.view[2] - one.view[0], one.view[3] - one.view[1]) for one in views] == [(side, side) for side in sides]
    for left, top, right, bottom in [one.view for one in views]:
        assert left <= 100 < right
        assert top <= 60 < bottom


@pytest.mark.parametrize("point", [(3, 3), (252, 3), (3, 252), (252, 252)])
def test_a_region_in_a_corner_is_found_in_each_view(point):
    views = views_of(look_at((*point, 3, 1), (128, 128, 3, 0.4)))
    assert len(views) == 3
    for one in views:
        row, column = np.unravel_index(one.heatmap.argmax(), one.heatmap.shape)
        left, top, right, bottom = one.view
        found = left + (column + 0.5) / SIDE * (right - left), top + (row + 0.5) / SIDE * (bottom - top)
        assert np.abs(np.subtract(found, point)).max() < 8


def test_a_view_has_at_least_16_pixels_on_a_side():
    views = views_of(look_at((50, 20, 1, 1), size=(40, 100)), size=(40, 100))
    assert [one.view[3] - one.view[1] for one in views] == [20]


def test_nothing_is_looked_at_again_without_a_region():
    assert views_of(lambda _: (np.ones((GRID, GRID)),) * 2) == []
    assert views_of(look_at((100, 60, 5, 1)), zooms=0) == []


def seen_larger(change):
    """Look at a disc as at first in the whole image, and changed in each view."""
    look = look_at((100, 60, 12, 1))
    return lambda view: look(view) if view == (0, 0, 256, 256) else change(*look(view))


@pytest.mark.parametrize(
    ("change", "count"),
    [
        pytest.param(lambda class_map, evidence: (class_map, evidence), 2, id="the same, but finer"),
        pytest.param(lambda class_map, evidence: (class_map, 0.6 * evidence), 2, id="less evidence"),
        pytest.param(lambda class_map, evidence: (class_map, 0.1 * evidence), 0, id="little evidence"),
        pytest.param(lambda class_map, evidence: (np.zeros_like(class_map), evidence), 0, id="nothing"),
        pytest.param(lambda class_map, evidence: (class_map.max() - class_map, evidence), 0, id="another region"),
    ],
)
def test_a_view_counts_if_it_shows_the_same_region(change, count):
    assert len(views_of(seen_larger(change))) == count


@given(st.integers(0, 99), st.integers(0, 39), st.integers(1, 100), st.integers(1, 40))
def test_a_view_is_in_the_image_and_has_the_point(x, y, width, height):
    left, top, right, bottom = view_around((x, y), (40, 100), (height, width))
    assert (right - left, bottom - top) == (width, height)
    assert 0 <= left < right <= 100
    assert 0 <= top < bottom <= 40
    assert left - 1 <= x < right + 1
    assert top - 1 <= y < bottom + 1


@given(st.integers(0, 15), st.integers(0, 15), st.integers(1, 16), st.integers(1, 16), st.integers(0, 2**32 - 1))
def test_pasting_keeps_the_peak_and_the_sum_of_the_evidence(left, top, width, height, seed):
    class_map, evidence, heatmap = np.random.default_rng(seed).random((3, 16, 16)).astype(np.float32)
    right, bottom = min(left + width, 16), min(top + height, 16)
    view = 4 * left, 4 * top, 4 * right, 4 * bottom
    before, shares = class_map.copy(), evidence.copy()
    paste(class_map, evidence, ZoomedView(view, heatmap, float(heatmap.max())), (64, 64))
    inside = slice(top, bottom), slice(left, right)
    assert class_map[inside].max() == pytest.approx(before[inside].max())
    assert class_map[inside].min() >= before.min() - 1e-6
    assert evidence[inside].sum() == pytest.approx(shares[inside].sum(), rel=1e-4)
    assert evidence.min() >= 0
    assert evidence[inside].argmax() == class_map[inside].argmax()
    class_map[inside], evidence[inside] = before[inside], shares[inside]
    assert (class_map == before).all()
    assert (evidence == shares).all()
