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


def test_a_batch_is_its_images_one_by_one_and_zeros_stay_zeros():
    activations = torch.cat([torch.randn(2, 6, 3, 3), torch.zeros(1, 6, 3, 3)])
    together = eigencam(activations)
    for i in range(3):
        torch.testing.assert_close(together[i : i + 1], eigencam(activations[i : i + 1]))
    assert not together[2].any()
