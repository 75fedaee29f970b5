import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from torch.nn.functional import interpolate

from weakspot.ops import resize
from weakspot.ops.resizing import matrix_at

KERNELS = ["bilinear", "bicubic"]
SIZES = [
    pytest.param((7, 7), (224, 224), id="up"),
    pytest.param((14, 14), (5, 5), id="down"),
    pytest.param((3, 8), (10, 6), id="up and down"),
    pytest.param((2, 2), (333, 7), id="taps beyond both edges"),
    pytest.param((1, 6), (4, 11), id="one row"),
    pytest.param((5, 9), (1, 1), id="to one pixel"),
]
MAPS = arrays(np.float64, array_shapes(min_dims=2, max_dims=2, max_side=9), elements=st.floats(-100, 100))
SIDES = st.integers(1, 20)


def random_map(*shape):
    return np.random.default_rng(0).normal(size=shape)


def reference(maps, height, width, **options):
    batch = torch.from_numpy(maps)[None, None]
    return interpolate(batch, size=(height, width), **options)[0, 0].numpy()


def test_bilinear_blends_the_nearest_pixels():
    corner = np.array([[0.0, 0.0], [0.0, 16.0]])
    assert resize(corner, height=4, width=4, kernel="bilinear").tolist() == [
        [0, 0, 0, 0],
        [0, 1, 3, 4],
        [0, 3, 9, 12],
        [0, 4, 12, 16],
    ]


def test_bicubic_overshoots_a_step_on_both_sides():
    step = np.array([[0.0, 0.0, 1.0, 1.0]])
    far, near = 0.03515625, 0.10546875  # the cubic of coefficient -0.75, 1.75 and 1.25 pixels away
    assert resize(step, height=1, width=8).tolist() == [[0, -far, -near, 0.2265625, 0.7734375, 1 + near, 1 + far, 1]]


def test_convention_align_corners_is_false():
    between_centres = resize(np.array([[0.0, 1.0]]), height=1, width=4, kernel="bilinear")
    assert between_centres.tolist() == [[0.0, 0.25, 0.75, 1.0]]  # align_corners=True: thirds


@pytest.mark.parametrize("kernel", KERNELS)
@pytest.mark.parametrize(("source", "target"), SIZES)
def test_resize_equals_torch_with_align_corners_false(kernel, source, target):
    maps = random_map(*source)
    expected = reference(maps, *target, mode=kernel, align_corners=False)
    np.testing.assert_allclose(resize(maps, height=target[0], width=target[1], kernel=kernel), expected, atol=1e-12)


def test_bicubic_is_the_default():
    maps = random_map(4, 4)
    assert np.array_equal(resize(maps, height=9, width=9), resize(maps, height=9, width=9, kernel="bicubic"))


@pytest.mark.parametrize("kernel", KERNELS)
def test_stack_is_resized_map_by_map(kernel):
    stack = random_map(2, 3, 4, 5)
    resized = resize(stack, height=6, width=3, kernel=kernel)
    assert resized.shape == (2, 3, 6, 3)
    np.testing.assert_allclose(resized[1, 2], resize(stack[1, 2], height=6, width=3, kernel=kernel), atol=1e-14)


@pytest.mark.parametrize("kernel", KERNELS)
def test_same_size_changes_nothing(kernel):
    maps = random_map(5, 7)
    assert np.array_equal(resize(maps, height=5, width=7, kernel=kernel), maps)


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.uint8])
def test_narrow_types_are_computed_in_double(dtype):
    resized = resize(np.array([[0, 1]], dtype), height=1, width=10, kernel="bilinear")
    assert resized.dtype == np.float64
    assert resized[0, 3] == pytest.approx(0.2, abs=1e-15)


def test_writing_into_a_result_leaves_the_next_alone():
    unit = np.eye(3)
    resize(unit, height=3, width=3)[:] = 9
    assert np.array_equal(resize(unit, height=3, width=3), np.eye(3))


@given(MAPS, SIDES, SIDES)
@settings(deadline=None)
def test_bilinear_never_leaves_the_range_of_its_input(maps, height, width):
    resized = resize(maps, height=height, width=width, kernel="bilinear")
    assert maps.min() - 1e-9 <= resized.min() <= resized.max() <= maps.max() + 1e-9


@given(MAPS, SIDES, SIDES, st.sampled_from(KERNELS))
@settings(deadline=None)
def test_resize_commutes_with_scaling_shifting_and_mirroring(maps, height, width, kernel):
    resized = resize(maps, height=height, width=width, kernel=kernel)
    changed = resize(3 - 2 * maps[::-1, ::-1], height=height, width=width, kernel=kernel)
    np.testing.assert_allclose(changed, 3 - 2 * resized[::-1, ::-1], atol=1e-9)


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_map_that_has_the_size_is_copied(kernel):
    maps = random_map(2, 3, 4).astype(np.float32)
    found = resize(maps, height=3, width=4, kernel=kernel)
    np.testing.assert_array_equal(found, maps)
    assert found.dtype == np.float64
    assert not np.shares_memory(found, maps)


def test_matrix_at_any_positions_is_that_of_resizing():
    map_, centers = random_map(6, 1), (np.arange(9) + 0.5) * 6 / 9 - 0.5
    np.testing.assert_allclose(matrix_at(centers, 6) @ map_, resize(map_, height=9, width=1), atol=1e-12)
    np.testing.assert_allclose(matrix_at(np.array([-3.0, 0.3, 8.0]), 6).sum(axis=1), 1)
