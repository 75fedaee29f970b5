import numpy as np
import pytest
from drawings import drawn
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from outlines import largest, outlines
from refusals import refused

from weakspot.ops import reference_contours
from weakspot.ops.checks import check_score_map
from weakspot.ops.contours import THRESHOLDS

# '.' is 0, '-' 63, '+' 127 and '#' 255 of 255.
ISLAND = drawn(
    "........",
    ".#####..",
    ".#...#..",
    ".#.+.#..",
    ".#...#..",
    ".#####..",
    "........",
)
REFUSED = [
    pytest.param(np.array([0.5]), "shape-mismatch", (1,), id="one row"),
    pytest.param(np.zeros((1, 2, 2)), "shape-mismatch", (1, 2, 2), id="a batch"),
    pytest.param(np.zeros((0, 4)), "shape-mismatch", (0, 4), id="empty"),
    pytest.param(np.array([[0.0, np.nan]]), "not-finite", "NaN", id="NaN"),
    pytest.param(np.array([[-0.25, 1.0]]), "out-of-range", "-0.25 to 1", id="negative"),
    pytest.param(np.array([[0.0, 1.5]]), "out-of-range", "0 to 1.5", id="above 1"),
    pytest.param(np.array([[0.0, np.inf]]), "out-of-range", "0 to inf", id="infinite"),
]
SHAPES = array_shapes(min_dims=2, max_dims=2, max_side=10)
# Few levels, so that holes, islands and ties are frequent; 1 and 2 of 255 make the peak low now and then.
FEW_LEVELS = st.one_of(
    arrays(np.uint8, SHAPES, elements=st.sampled_from(levels), fill=st.nothing())
    for levels in ([0, 255], [0, 0, 1, 2], [0, 85, 170, 255], [3, 200, 200, 201])
)


@st.composite
def frames(draw):
    """Rectangles one over the other, full or hollow: what is inside a hollow one counts by its polygon only."""
    levels = np.zeros((14, 16), np.uint8)
    for _ in range(draw(st.integers(1, 5))):
        x, y = draw(st.integers(0, 12)), draw(st.integers(0, 10))
        width, height = draw(st.integers(1, 8)), draw(st.integers(1, 8))
        hollow = levels[y + 1 : y + height - 1, x + 1 : x + width - 1].copy()
        levels[y : y + height, x : x + width] = draw(st.sampled_from([85, 170, 255]))
        if draw(st.booleans()) and hollow.size:
            levels[y + 1 : y + height - 1, x + 1 : x + width - 1] = hollow
    return levels


def alive(found, cut):
    """The boxes of the contours at a cut, and whether they are outer ones."""
    there = (found.birth <= cut) & (cut < found.death)
    return sorted(zip(map(tuple, found.boxes[there].tolist()), found.outer[there].tolist(), strict=True))


def test_ring_hole_and_island_have_a_contour_each():
    found = reference_contours(ISLAND)
    ring, island = (1, 1, 6, 6), (3, 3, 4, 4)  # right and bottom one pixel further out
    hole = (1, 1, 6, 6)  # [2, 2, 5, 5) grown by 1 on each side
    assert alive(found, 0) == [(ring, False), (ring, True), (island, True)]
    assert alive(found, 126) == alive(found, 0)
    assert alive(found, 127) == [(hole, False), (ring, True)]  # the island is 127, not above it
    assert found.peak == 255
    assert found.counts().tolist() == [3] * 127 + [2] * 128
    assert found.counts().dtype == np.int64


def test_convention_thresholds_are_exclusive_and_relative_to_the_peak():
    """127 of a peak of 254 is half of it, and is background at the threshold 0.5: strictly above it counts."""
    half = np.zeros((3, 5))
    half[1, 1], half[1, 3] = 127 / 255 + 1e-9, 254 / 255 + 1e-9
    found = reference_contours(half)
    assert found.peak == 254
    cuts = found.cut_indices(np.array([0.0, 0.499, 0.5, 0.999]))
    assert cuts.tolist() == [0, 126, 127, 253]
    assert found.counts()[cuts].tolist() == [2, 2, 1, 1]


def test_convention_scores_are_truncated_to_8_bits():
    found = reference_contours(np.array([[0.0, 1.999 / 255], [0.0, 0.0]]))
    assert found.peak == 1
    exact = reference_contours(np.array([[0.999 / 255, 2.999 / 255]]))
    assert (exact.peak, exact.boxes.tolist(), exact.death.tolist()) == (2, [[1, 0, 1, 0]], [2])


def test_convention_boxes_reach_one_pixel_further_but_not_out_of_the_map():
    corner = drawn("#..", "...", "..#")
    assert alive(reference_contours(corner), 0) == [((0, 0, 1, 1), True), ((2, 2, 2, 2), True)]


@pytest.mark.parametrize(
    ("rows", "box"),
    [
        pytest.param(["##.##", "##.##"], [3, 0, 4, 1], id="right before left"),
        pytest.param(["...##", "...##", "##...", "##..."], [0, 2, 2, 3], id="lower before upper"),
        pytest.param(["#..##", "#..##", "##...", "##..."], [0, 0, 2, 3], id="unless it is larger"),
        pytest.param([".##..##", ".##..##", "#......"], [5, 0, 6, 2], id="its first pixel decides, not its left edge"),
        pytest.param(["#.##", "...."], [2, 0, 3, 1], id="lines have no area: all are equal"),
    ],
)
def test_convention_tie_of_polygon_areas_goes_to_the_last_in_raster_order(rows, box):
    drawing = drawn(*rows)
    assert reference_contours(drawing).largest_boxes()[0].tolist() == box
    assert largest(outlines(drawing > 0)).box == tuple(box)


def test_convention_largest_is_by_polygon_area_with_holes_filled():
    """Not by number of pixels: the ring's 8 enclose 4, the block's 9 also 4, and the line's 10 nothing."""
    drawing = drawn(
        "##########",
        "..........",
        "###....###",
        "###....#.#",
        "###....###",
    )
    assert reference_contours(drawing).largest_boxes()[0].tolist() == [7, 2, 9, 4]  # the tie's last
    without_ring = drawing.copy()
    without_ring[2, 8] = 0  # opened, it encloses nothing
    assert reference_contours(without_ring).largest_boxes()[0].tolist() == [0, 2, 3, 4]


def test_convention_contours_are_8_connected_and_holes_4_connected():
    falling = drawn("#...", ".#..", "..#.", "...#")
    assert alive(reference_contours(falling), 0) == [((0, 0, 3, 3), True)]
    diamond = drawn(".....", "..#..", ".#.#.", "..#..", ".....")  # closed for the background by its corners
    assert alive(reference_contours(diamond), 0) == [((1, 1, 4, 4), False), ((1, 1, 4, 4), True)]


def test_spike_counts_though_the_contour_of_the_hole_has_the_same_area():
    spiked = drawn("......", ".#....", "#.###.", ".#....", "......")
    areas = [(outline.area, outline.box) for outline in outlines(spiked > 0)]
    assert areas == [(2.0, (0, 1, 5, 4)), (2.0, (0, 1, 3, 4))]
    assert reference_contours(spiked).largest_boxes()[0].tolist() == [0, 1, 5, 4]


@pytest.mark.parametrize("value", [0.0, 0.999 / 255, 5e-324])
def test_map_below_the_first_level_has_no_contour(value):
    found = reference_contours(np.full((3, 4), value))
    assert found.peak == 0
    assert found.boxes.shape == (0, 4)
    assert found.largest_boxes().shape == (0, 4)
    assert found.counts().tolist() == []
    assert set(found.cut_indices().tolist()) == {0}


@pytest.mark.parametrize(("value", "peak"), [(1 / 255, 1), (0.5, 127), (1.0, 255)])
@pytest.mark.parametrize("shape", [(1, 1), (1, 6), (6, 1), (3, 4)])
def test_constant_map_is_one_contour_at_every_threshold(value, peak, shape):
    found = reference_contours(np.full(shape, value))
    assert (found.peak, found.birth.tolist(), found.death.tolist()) == (peak, [0], [peak])
    assert found.largest_boxes().tolist() == [[0, 0, shape[1] - 1, shape[0] - 1]] * peak


def test_peaks_at_the_border_are_not_holes():
    frame = drawn("##.##", "#...#", "#...#", "#####")  # open above
    assert alive(reference_contours(frame), 0) == [((0, 0, 4, 3), True)]


def test_thresholds_are_a_thousand_from_0():
    assert (len(THRESHOLDS), THRESHOLDS[0], THRESHOLDS[1], THRESHOLDS[-1]) == (1000, 0.0, 0.001, 0.999)


def test_default_indices_are_those_of_the_thousand_thresholds():
    cuts = reference_contours(np.array([[0.0, 1.0]])).cut_indices()
    assert cuts.tolist() == [int(threshold * 255) for threshold in np.arange(0, 1, 0.001)]


@pytest.mark.parametrize(("score_map", "code", "value"), REFUSED)
def test_unusable_score_map_is_refused(score_map, code, value):
    for function in (reference_contours, check_score_map):
        with refused(code, value):
            function(score_map)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_maps_in_any_precision_are_thresholded_in_double(dtype):
    tenths = (np.arange(48).reshape(6, 8) % 11 / 10).astype(dtype)
    found, same = reference_contours(tenths), reference_contours(tenths.astype(np.float64))
    assert [found.peak, found.boxes.tolist()] == [same.peak, same.boxes.tolist()]
    assert found.peak == 255


def test_column_major_memory_changes_nothing():
    drawing = np.random.default_rng(0).integers(0, 4, (7, 9)) / 3
    found, same = (reference_contours(one) for one in (drawing, np.asfortranarray(drawing)))
    assert [found.boxes.tolist(), found.birth.tolist()] == [same.boxes.tolist(), same.birth.tolist()]
    assert found.largest_boxes().tolist() == same.largest_boxes().tolist()


@given(FEW_LEVELS | frames())
def test_contours_equal_opencvs_at_every_threshold(levels):
    found = reference_contours(levels / 255)
    assert found.peak == levels.max()
    counts, boxes = found.counts(), found.largest_boxes()
    for cut in {0, *levels.ravel().tolist()} - {found.peak}:  # between the levels nothing changes
        expected = outlines(levels > cut)
        assert alive(found, cut) == sorted((outline.box, outline.outer) for outline in expected)
        assert counts[cut] == len(expected)
        assert tuple(boxes[cut].tolist()) == largest(expected).box


@given(FEW_LEVELS)
def test_between_the_levels_of_a_map_nothing_changes(levels):
    found = reference_contours(levels / 255)
    present = {0, *levels.ravel().tolist()}
    below = [max(level for level in present if level <= cut) for cut in range(found.peak)]
    assert found.counts().tolist() == found.counts()[below].tolist()
    assert found.largest_boxes().tolist() == found.largest_boxes()[below].tolist()


@given(FEW_LEVELS)
def test_without_holes_only_the_outer_contours_are_found_and_the_largest_is_the_same(levels):
    found, outer = reference_contours(levels / 255), reference_contours(levels / 255, holes=False)
    assert outer.outer.all()
    assert outer.boxes.tolist() == found.boxes[found.outer].tolist()
    assert outer.largest_boxes().tolist() == found.largest_boxes().tolist()


@given(FEW_LEVELS)
def test_mirroring_a_map_mirrors_its_contours(levels):
    """But for the pixel further out, and for ties."""
    width = levels.shape[1]
    padded = np.pad(levels, 1)  # so that no box is cut at the right
    found, mirrored = (reference_contours(one / 255) for one in (padded, padded[:, ::-1]))
    for cut in range(0, found.peak, 40):
        there = alive(mirrored, cut)
        back = sorted(((width + 2 - x2, y1, width + 2 - x1, y2), outer) for (x1, y1, x2, y2), outer in there)
        assert back == alive(found, cut)
