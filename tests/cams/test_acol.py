import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from weakspot.cams import METHODS, acol
from weakspot.cams.acol import acol_a, acol_b

MAPS = arrays(np.float32, (2, 3, 4, 4), elements=st.floats(-1e3, 1e3, width=32))

HEAD = torch.tensor([[8.0, 4.0, 0.0, 0.0]])
BODY = torch.tensor([[-1.0, -1.0, 1.0, 0.0]])


def test_the_fused_map_is_the_greater_of_both_place_by_place():
    assert acol(HEAD, BODY).tolist() == [[1.0, 0.5, 1.0, 0.5]]


def test_scale_and_sign_of_the_branches_do_not_matter():
    torch.testing.assert_close(acol(1000 * HEAD - 5, 0.01 * BODY + 3), acol(HEAD, BODY))


@pytest.mark.parametrize("silent", [torch.zeros(1, 4), torch.full((1, 4), -2.5)])
def test_a_constant_branch_does_not_change_the_other(silent):
    assert acol(HEAD, silent).tolist() == acol(silent, HEAD).tolist() == [[1.0, 0.5, 0.0, 0.0]]
    assert acol(silent, silent).tolist() == [[0.0, 0.0, 0.0, 0.0]]


@given(MAPS, MAPS)
def test_it_is_a_loop_over_images_and_classes(map_a, map_b):
    expected = np.zeros_like(map_a)
    for place in np.ndindex(map_a.shape[:2]):
        for one in (map_a[place], map_b[place]):
            spread = np.float32(one.max() - one.min())
            stretched = (one - one.min()) / spread if spread > 0 else np.zeros_like(one)
            expected[place] = np.where(stretched > expected[place], stretched, expected[place])
    np.testing.assert_allclose(acol(torch.from_numpy(map_a), torch.from_numpy(map_b)).numpy(), expected, atol=1e-6)


def test_each_branch_alone_is_its_map_as_it_is():
    assert acol_a(HEAD, BODY) is HEAD
    assert acol_b(HEAD, BODY) is BODY
    assert [METHODS[name].network for name in ("acol", "acol_a", "acol_b")] == ["acol"] * 3


def test_maps_of_different_grids_are_refused_by_torch_and_not_broadcast():
    with pytest.raises(RuntimeError, match="must match the size"):
        acol(HEAD, torch.zeros(1, 3))
