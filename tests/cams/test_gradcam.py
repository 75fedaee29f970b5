import pytest
import torch

from weakspot.cams import cam, counterfactual, gradcam, gradcam_plus_plus, hirescam, layercam, xgradcam


def test_channels_are_weighted_by_their_mean_gradient():
    activations = torch.tensor([[[[1.0, 0.0]], [[0.0, 2.0]]]])
    gradients = torch.tensor([[[[3.0, 1.0]], [[4.0, -2.0]]]])  # means 2 and 1
    assert gradcam(activations, gradients).tolist() == [[[2.0, 2.0]]]


def test_evidence_against_the_class_is_cut_off_and_is_the_counterfactual():
    activations = torch.tensor([[[[1.0, 0.0]], [[0.0, 2.0]]]])
    gradients = torch.tensor([[[[3.0, 1.0]], [[0.0, -2.0]]]])
    assert gradcam(activations, gradients).tolist() == [[[2.0, 0.0]]]
    assert counterfactual(activations, gradients).tolist() == [[[0.0, 2.0]]]


def test_without_evidence_the_map_is_zero():
    assert not gradcam(torch.rand(1, 3, 2, 2), -torch.rand(1, 3, 2, 2)).any()


@pytest.mark.parametrize("method", [gradcam, xgradcam, layercam, hirescam], ids=lambda method: method.__name__)
def test_on_pooling_and_a_linear_layer_it_is_cam_times_a_constant(method):
    activations, rows = torch.rand(2, 6, 4, 5, dtype=torch.float64), torch.randn(2, 6, dtype=torch.float64)
    rows = rows.abs() if method is layercam else rows  # LayerCAM drops negative gradients
    gradients = (rows / 20)[:, :, None, None].expand(2, 6, 4, 5)
    expected = cam(activations, rows) / 20
    expected = expected if method is hirescam else expected.relu()
    torch.testing.assert_close(method(activations, gradients), expected, rtol=1e-12, atol=1e-12)


METHODS = [gradcam, counterfactual, gradcam_plus_plus, layercam, xgradcam, hirescam]


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_a_batch_equals_single_images(method):
    activations, gradients = torch.rand(3, 5, 4, 4), torch.randn(3, 5, 4, 4)
    one_by_one = torch.cat([method(activations[i : i + 1], gradients[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(method(activations, gradients), one_by_one)


@pytest.mark.parametrize("method", METHODS, ids=lambda method: method.__name__)
def test_several_classes_are_the_classes_one_by_one(method):
    activations, gradients = torch.rand(2, 5, 4, 4), torch.randn(2, 3, 5, 4, 4)
    one_by_one = torch.stack([method(activations, gradients[:, c]) for c in range(3)], dim=1)
    torch.testing.assert_close(method(activations, gradients), one_by_one)
