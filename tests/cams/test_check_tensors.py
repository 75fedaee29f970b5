import pytest
import torch

from weakspot import cams
from weakspot.errors import InputError

BY_GRADIENTS = [
    cams.gradcam, cams.counterfactual, cams.gradcam_plus_plus, cams.layercam, cams.xgradcam, cams.hirescam,
]  # fmt: skip
A = torch.rand(2, 3, 4, 5)


@pytest.mark.parametrize("method", BY_GRADIENTS)
@pytest.mark.parametrize(
    ("activations", "gradients", "problem"),
    [
        pytest.param(A, torch.rand(2, 3, 8, 10), "do not go together: activations of", id="of another grid"),
        pytest.param(A, torch.rand(2, 2, 4, 5), "do not go together", id="of fewer channels"),
        pytest.param(A, torch.rand(1, 3, 4, 5), "do not go together", id="of fewer images"),
        pytest.param(A, torch.rand(2, 6, 2, 4, 5), "do not go together", id="of classes and fewer channels"),
        pytest.param(A[0], A[0], "do not go together", id="no batch"),
        pytest.param(A, A.long(), "The gradients are of torch.int64, not floats", id="whole numbers"),
        pytest.param(A, A.double(), "activations are of torch.float32, the gradients of torch.float64", id="two types"),
        pytest.param(A.numpy(), A, "The activations are a ndarray, not a tensor", id="an array"),
    ],
)
def test_gradients_of_other_activations_are_refused_in_two_lines(method, activations, gradients, problem):
    with pytest.raises(InputError, match=problem) as refusal:
        method(activations, gradients)
    assert len(str(refusal.value).splitlines()) == 2


@pytest.mark.parametrize("weights", [torch.rand(2, 4), torch.rand(3), torch.rand(5, 3), torch.rand(2, 6, 4)])
def test_weights_of_other_channels_or_images_are_refused(weights):
    with pytest.raises(InputError, match=r"Give activations .* and weights"):
        cams.cam(A, weights)


def test_one_image_without_its_batch_is_refused():
    with pytest.raises(InputError, match="no batch"):
        cams.eigencam(A[0])


@pytest.mark.parametrize(
    ("classes", "shown"),
    [
        (torch.tensor([0, 1]), r"\(2,\) of torch.int64"),
        (torch.tensor([[0]]), r"\(1, 1\)"),
        (torch.zeros(2, 1), r"\(2, 1\) of torch.float32"),
        (torch.ones(2, 1, dtype=torch.bool), "torch.bool"),
        (torch.ones(2, 1, dtype=torch.uint8), "torch.uint8"),
        (3, "images: 3"),
    ],
)
def test_classes_that_are_no_row_of_indices_an_image_are_refused(classes, shown):
    def never(_):
        raise AssertionError

    with pytest.raises(InputError, match=shown):
        cams.scorecam(A, torch.rand(2, 3, 8, 10), classes, never)
    with pytest.raises(InputError, match=shown):
        cams.ablationcam(A, torch.rand(2, 4), classes, never)
