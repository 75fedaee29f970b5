import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from weakspot.cams import eigencam


@pytest.mark.parametrize(
    "shape", [(2, 30, 3, 4), (2, 4, 6, 5), (1, 1, 3, 3)], ids=["more channels", "more positions", "one"]
)
@pytest.mark.parametrize("signed", [False, True])
def test_it_is_the_first_singular_vector_of_a_full_decomposition(shape, signed):
    activations = torch.randn(shape, dtype=torch.float64) if signed else torch.rand(shape, dtype=torch.float64)
    ours = eigencam(activations)
    for i, image in enumerate(activations):
        left, singular, _ = torch.linalg.svd(image.flatten(1).T, full_matrices=False)
        reference = (left[:, 0] * singular[0]).reshape(shape[2:])
        sign = torch.sign((reference * ours[i]).sum())
        torch.testing.assert_close(ours[i], sign * reference, rtol=1e-6, atol=1e-6)


@given(st.integers(0, 2**32))
def test_the_map_is_never_the_complement(seed):
    """The sign of a singular vector is arbitrary: the object, which is strong, must come out positive."""
    activations = torch.rand(1, 8, 5, 5, generator=torch.Generator().manual_seed(seed)) * 0.1
    activations[..., 1:3, 1:3] += 5
    found = eigencam(activations)[0]
    assert (found >= 0).all()
    assert found[1:3, 1:3].min() > 10 * found[3:, 3:].max()


def test_a_batch_equals_single_images_and_zeros_remain_zeros():
    activations = torch.cat([torch.randn(2, 6, 3, 3), torch.zeros(1, 6, 3, 3)])
    together = eigencam(activations)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], eigencam(activations[i : i + 1]))
    assert not together[2].any()


@pytest.mark.parametrize("channels", [1, 9], ids=["more positions", "more channels"])
@pytest.mark.parametrize(
    ("places", "sign"),
    [
        pytest.param([2.0, -0.9, -0.9, -0.9], 1, id="one strong place outweighs three weak ones"),
        pytest.param([1.0, -0.9, -0.9, -0.9], -1, id="three places that are nearly as strong outweigh it"),
    ],
)
def test_the_map_is_positive_where_the_activations_are_strong(channels, places, sign):
    """All channels alike: the map is what each place holds, up to the sign."""
    activations = torch.tensor([[places]])[:, None].expand(1, channels, 1, 4).reshape(1, channels, 2, 2)
    expected = sign * channels**0.5 * torch.tensor([places]).view(1, 2, 2)
    torch.testing.assert_close(eigencam(activations), expected)


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_the_map_is_as_faint_as_the_activations(scale):
    activations = torch.rand(2, 5, 3, 3) + torch.rand(2, 1, 3, 3)
    torch.testing.assert_close(eigencam(activations * scale) / scale, eigencam(activations))


def test_images_of_a_batch_may_have_nothing_in_common():
    activations = torch.tensor([[[[2.0, 0.0, 0.0]]], [[[0.0, 0.0, 3.0]]]])
    for channels in (1, 4):  # more positions, more channels
        found = eigencam(activations.expand(2, channels, 1, 3) / channels**0.5)
        torch.testing.assert_close(found, activations[:, 0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32, torch.float64])
def test_the_map_has_the_precision_of_the_activations(dtype):
    assert eigencam(torch.rand(1, 3, 2, 2).to(dtype)).dtype == dtype
