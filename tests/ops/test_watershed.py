import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from scipy import ndimage

from weakspot.ops import boxes_from_heatmap, connected_components, mask_from_heatmap, split_instances

LEVELS = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
HEATMAPS = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=LEVELS)


def hills(*centres, size=40, spread=6):
    rows, columns = np.mgrid[:size, :size]
    return np.max(
        [h * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * spread**2)) for x, y, h in centres], axis=0
    )


TWO_HILLS = hills((12, 20, 1.0), (28, 20, 0.9))


def split(heatmap, threshold, **options):
    labels, _ = connected_components((heatmap >= threshold) & (heatmap > 0))
    return labels, split_instances(labels, heatmap, **options)


def test_two_touching_discs_are_split_in_two_between_them():
    labels, pieces = split(TWO_HILLS, 0.35)
    assert labels.max() == 1
    assert pieces.max() == 2
    assert pieces[20, 12] == 1
    assert pieces[20, 28] == 2
    edge = np.flatnonzero(np.diff(pieces[20, 12:29]))[0] + 12  # the last column of the first piece
    assert edge in (19, 20)


def test_boxes_of_touching_discs_meet():
    (whole,) = boxes_from_heatmap(TWO_HILLS, 0.35).tolist()
    first, second = boxes_from_heatmap(TWO_HILLS, 0.35, split=True).tolist()
    assert [first[0], second[2]] == [whole[0], whole[2]]
    assert first[2] == second[0]


@pytest.mark.parametrize(("prominence", "pieces"), [(0.05, 2), (0.2, 2), (0.6, 1), (1.0, 1)])
def test_peaks_of_low_prominence_are_not_split(prominence, pieces):
    assert split(TWO_HILLS, 0.35, prominence=prominence)[1].max() == pieces  # the pass lies .5 below the lower peak


def test_ring_of_one_value_stays_whole():
    ring = np.zeros((9, 9))
    ring[1:8, 1:8], ring[3:6, 3:6] = 1.0, 0.0
    labels, pieces = split(ring, 0.5)
    assert np.array_equal(labels, pieces)


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_constant_map_is_not_split(value):
    labels, pieces = split(np.full((5, 6), value), 0.5)
    assert np.array_equal(labels, pieces)


def test_faint_region_next_to_a_strong_one_is_kept():
    heatmap = np.array([[1.0, 0.0, 0.05, 0.0]])
    assert split(heatmap, 0.01)[1].tolist() == [[1, 0, 2, 0]]


def test_mask_of_a_piece_that_is_too_small_is_blank():
    heatmap = np.array([[1.0, 0.9, 0.9, 0.5, 0.8]])
    mask = mask_from_heatmap(heatmap, 0.3, height=1, width=5, min_area=0.5, split=True)
    assert boxes_from_heatmap(heatmap, 0.3, min_area=0.5, split=True)[:, 2].max() == np.flatnonzero(mask)[-1] + 1
    assert not mask[0, -1]


@settings(max_examples=40, deadline=None)
@given(HEATMAPS, st.sampled_from([0.1, 0.25, 0.6, 1.0]))
def test_splitting_keeps_the_pixels_and_every_region_has_a_piece(heatmap, prominence):
    labels, pieces = split(heatmap, 0.25, prominence=prominence)
    assert np.array_equal(labels > 0, pieces > 0)
    assert set(np.unique(pieces[pieces > 0])) == set(range(1, pieces.max() + 1))
    for piece in range(1, pieces.max() + 1):
        assert len(np.unique(labels[pieces == piece])) == 1
        assert ndimage.label(pieces == piece, np.ones((3, 3)))[1] == 1


@settings(max_examples=40, deadline=None)
@given(HEATMAPS)
def test_pieces_are_as_many_as_a_flood_finds_peaks(heatmap):
    """Sink the water level step by step, and count the lakes that are deep enough when they meet."""
    labels, pieces = split(heatmap, 0.25, prominence=0.5)
    peak = heatmap.max()
    expected = sum(flooded(np.where(labels == i, heatmap, 0), 0.5 * peak) for i in range(1, labels.max() + 1))
    assert pieces.max(initial=0) == expected


def flooded(heatmap, prominence):
    """Number of peaks of one region that one must go down from by more than so much on the way to one as high."""
    levels = np.unique(heatmap[heatmap > 0])[::-1]
    alive: list[tuple[float, int]] = []  # height of each peak, and a pixel of it
    for level in levels:
        islands, count = ndimage.label(heatmap >= level, np.ones((3, 3)))
        merged = []
        for island in range(1, count + 1):
            inside = sorted([one for one in alive if islands.flat[one[1]] == island], reverse=True)
            if not inside:
                inside = [(level, int(np.flatnonzero(islands.ravel() == island)[0]))]
            highest = inside[0]
            merged += [highest, *(one for one in inside[1:] if one[0] - level > prominence)]
        alive = merged
    return len(alive)
