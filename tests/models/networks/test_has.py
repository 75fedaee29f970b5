import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from weakspot.models.networks.has import SIZES, hide_and_seek


def shown(count=1, height=32, width=32, **options):
    """Mask of visible pixels, shape (count, height, width): hidden ones are 0 in all channels, the others unchanged."""
    images = torch.rand(count, 3, height, width) + 1
    found = hide_and_seek(images, **options)
    visible = found != 0
    assert torch.equal(found, images * visible)
    assert torch.equal(visible.all(dim=1), visible.any(dim=1))
    return visible[:, 0].numpy()


@pytest.mark.parametrize(
    ("options", "share"),
    [
        pytest.param({"probability": 1.0, "sizes": (8,)}, 0, id="always"),
        pytest.param({"probability": 0.0, "sizes": (8,)}, 1, id="never"),
        pytest.param({"probability": 1.0, "sizes": (0,)}, 1, id="no grid"),
    ],
)
def test_all_or_nothing_is_hidden(options, share):
    assert shown(**options).mean() == share


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 40), st.integers(1, 17))
def test_whole_cells_are_hidden_and_clipped_at_the_borders(seed, height, width, size):
    torch.manual_seed(seed)
    (visible,) = shown(height=height, width=width, sizes=(size,))
    for top in range(0, height, size):
        for left in range(0, width, size):
            cell = visible[top : top + size, left : left + size]
            assert cell.all() or not cell.any()


@pytest.mark.parametrize("probability", [0.2, 0.5, 0.9])
def test_the_hidden_fraction_is_the_probability(probability):
    hidden = 1 - shown(count=20, height=64, width=64, probability=probability, sizes=(4,)).mean()  # 5,120 cells
    assert hidden == pytest.approx(probability, abs=4 * np.sqrt(probability * (1 - probability) / 5120))


def test_each_image_has_its_own_grid():
    visible = shown(count=50, height=112, width=112, probability=1.0, sizes=(0, 16))
    whole = visible.all(axis=(1, 2))
    assert (whole | ~visible.any(axis=(1, 2))).all()
    assert 10 < whole.sum() < 40
    cells = shown(count=2, sizes=(4,))
    assert (cells[0] != cells[1]).any()


def test_convention_sizes_are_those_of_the_paper():
    assert SIZES == (0, 16, 32, 44, 56)


def test_images_are_not_modified_and_a_seed_repeats_the_result():
    images = torch.randn(4, 3, 64, 64)
    before = images.clone()
    torch.manual_seed(3)
    first = hide_and_seek(images)
    torch.manual_seed(3)
    assert torch.equal(first, hide_and_seek(images))
    assert not torch.equal(first, images)
    assert torch.equal(images, before)


def test_the_dtype_is_preserved():
    assert hide_and_seek(torch.ones(1, 3, 8, 8, dtype=torch.bfloat16), sizes=(4,)).dtype == torch.bfloat16
