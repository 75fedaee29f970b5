import pytest
import torch
from refusals import refused

from weakspot import cams

BY_GRADIENTS = [
    cams.gradcam, cams.counterfactual, cams.gradcam_plus_plus, cams.layercam, cams.xgradcam, cams.hirescam,
]  # fmt: skip
A = torch.rand(2, 3, 4, 5)


@pytest.mark.parametrize("method", BY_GRADIENTS)
@pytest.mark.parametrize(
    ("activations", "gradients", "code", "value"),
    [
        pytest.param(A, torch.rand(2, 3, 8, 10), "shape-mismatch", (2, 3, 8, 10), id="of another grid"),
        pytest.param(A, torch.rand(2, 2, 4, 5), "shape-mismatch", (2, 2, 4, 5), id="of fewer channels"),
        pytest.param(A, torch.rand(1, 3, 4, 5), "shape-mismatch", (1, 3, 4, 5), id="of fewer images"),
        pytest.param(A, torch.rand(2, 6, 2, 4, 5), "shape-mismatch", (2, 6, 2, 4, 5), id="fewer channels per class"),
        pytest.param(A[0], A[0], "shape-mismatch", (3, 4, 5), id="no batch"),
        pytest.param(A, A.long(), "dtype-mismatch", "torch.int64", id="whole numbers"),
        pytest.param(A, A.double(), "dtype-mismatch", "torch.float64", id="two types"),
        pytest.param(A.numpy(), A, "dtype-mismatch", "ndarray", id="an array"),
    ],
)
def test_gradients_of_other_activations_are_refused(method, activations, gradients, code, value):
    with refused(code, value):
        method(activations, gradients)


@pytest.mark.parametrize("weights", [torch.rand(2, 4), torch.rand(3), torch.rand(5, 3), torch.rand(2, 6, 4)])
def test_weights_of_other_channels_or_images_are_refused(weights):
    with refused("shape-mismatch", "weights", tuple(weights.shape)):
        cams.cam(A, weights)


def test_one_image_without_its_batch_is_refused():
    with refused("shape-mismatch", (3, 4, 5)):
        cams.eigencam(A[0])


@pytest.mark.parametrize(
    ("classes", "code", "value"),
    [
        (torch.tensor([0, 1]), "shape-mismatch", (2,)),
        (torch.tensor([[0]]), "shape-mismatch", (1, 1)),
        (torch.zeros(2, 1), "dtype-mismatch", "torch.float32"),
        (torch.ones(2, 1, dtype=torch.bool), "dtype-mismatch", "torch.bool"),
        (torch.ones(2, 1, dtype=torch.uint8), "dtype-mismatch", "torch.uint8"),
        (3, "dtype-mismatch", 3),
    ],
)
def test_unusable_classes_are_refused(classes, code, value):
    def never(_):
        raise AssertionError

    with refused(code, value):
        cams.scorecam(A, torch.rand(2, 3, 8, 10), classes, never)
    with refused(code, value):
        cams.ablationcam(A, torch.rand(2, 4), classes, never)
