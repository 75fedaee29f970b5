import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from weakspot.cams import METHODS, ts_cam


def test_the_semantic_map_is_multiplied_by_the_attention():
    semantic = torch.tensor([[[[4.0, -2.0], [1.0, 0.0]]]])
    attention = torch.tensor([[[[0.5, 0.5], [0.0, 1.0]]]])
    assert ts_cam(semantic, attention).tolist() == [[[[2.0, -1.0], [0.0, 0.0]]]]


def test_even_attention_changes_nothing_but_the_scale():
    semantic = torch.randn(2, 3, 4, 4)
    torch.testing.assert_close(ts_cam(semantic, torch.full((2, 1, 4, 4), 0.25)), semantic / 4)


@given(st.integers(0, 2**32), st.integers(1, 3), st.integers(1, 4))
def test_each_image_has_its_attention_and_all_its_classes_share_it(seed, images, classes):
    random = np.random.default_rng(seed)
    semantic, attention = random.normal(size=(images, classes, 3, 5)), random.random((images, 1, 3, 5))
    expected = np.empty_like(semantic)
    for b, c, i, j in np.ndindex(semantic.shape):
        expected[b, c, i, j] = semantic[b, c, i, j] * attention[b, 0, i, j]
    np.testing.assert_array_equal(ts_cam(torch.from_numpy(semantic), torch.from_numpy(attention)).numpy(), expected)


def test_it_reads_the_branches_of_a_network_of_its_own_kind():
    assert (METHODS["ts_cam"].inputs, METHODS["ts_cam"].network) == ("branches", "ts_cam")
