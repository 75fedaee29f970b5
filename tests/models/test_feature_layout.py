import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from weakspot.models.feature_layout import Axes, find_layout


@pytest.mark.parametrize(
    ("shape", "image", "axes", "grid", "prefix"),
    [
        pytest.param((1, 2048, 7, 7), (224, 224), Axes.CHANNELS_FIRST, (7, 7), 0, id="ResNet"),
        pytest.param((1, 2048, 8, 8), (299, 299), Axes.CHANNELS_FIRST, (8, 8), 0, id="Inception, valid convolutions"),
        pytest.param((1, 512, 7, 10), (224, 320), Axes.CHANNELS_FIRST, (7, 10), 0, id="wide image"),
        pytest.param((1, 7, 7, 768), (224, 224), Axes.CHANNELS_LAST, (7, 7), 0, id="Swin"),
        pytest.param((1, 7, 7, 7), (224, 224), Axes.CHANNELS_FIRST, (7, 7), 0, id="ambiguous: channels first"),
        pytest.param((1, 197, 192), (224, 224), Axes.TOKENS, (14, 14), 1, id="ViT with a class token"),
        pytest.param((1, 196, 192), (224, 224), Axes.TOKENS, (14, 14), 0, id="patches alone"),
        pytest.param((1, 261, 384), (224, 224), Axes.TOKENS, (16, 16), 5, id="class and four registers"),
        pytest.param((1, 1 + 14 * 20, 192), (224, 320), Axes.TOKENS, (14, 20), 1, id="tokens of a wide image"),
    ],
)
def test_a_feature_map_is_recognized_by_its_aspect_ratio(shape, image, axes, grid, prefix):
    layout = find_layout(torch.zeros(shape), image)
    assert (layout.axes, layout.grid, layout.prefix) == (axes, grid, prefix)
    assert layout.to_grid(torch.zeros(shape)).shape[2:] == grid


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param((1, 3, 197, 64), id="heads, tokens, width: another library accepts it as an image"),
        pytest.param((1, 2048, 1, 1), id="pooled"),
        pytest.param((1, 1000), id="logits"),
        pytest.param((1, 160, 192), id="tokens that form no square"),
    ],
)
def test_other_outputs_are_not_feature_maps(shape):
    assert find_layout(torch.zeros(shape), (224, 224)) is None


@given(st.sampled_from([(2, 5, 4, 4), (2, 4, 4, 5), (2, 17, 5)]))
def test_from_grid_undoes_to_grid(shape):
    output = torch.randn(shape)
    layout = find_layout(output, (64, 64))
    for i in range(2):
        one = output[i : i + 1]
        assert torch.equal(layout.from_grid(layout.to_grid(one), one), one)
