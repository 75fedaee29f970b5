import torch

from weakspot.cams import guided_gradcam
from weakspot.cams.guided_gradcam import max_over_channels


def test_pixels_are_weighted_by_the_upsampled_map():
    pixels = torch.tensor([1.0, 2.0, -4.0, 8.0]).expand(1, 3, 1, 4)
    found = guided_gradcam(torch.tensor([[[0.0, 1.0]]]), pixels)  # upsampled: 0, .25, .75, 1
    assert found[0, 0].tolist() == [[0.0, 0.5, -3.0, 8.0]]


def test_color_channels_are_reduced_by_the_maximum_magnitude():
    assert max_over_channels(torch.tensor([[[[1.0]], [[-3.0]], [[2.0]]]])).tolist() == [[[3.0]]]
