import pytest
import torch

from weakspot.cams import ablationcam, cam


def linear_head(weight):
    return lambda activations: activations.mean(dim=(2, 3)) @ weight.T


def test_for_pooling_and_a_linear_layer_the_drop_is_the_channels_contribution():
    weight = torch.randn(4, 6, dtype=torch.float64)
    activations, classes = torch.rand(2, 6, 3, 3, dtype=torch.float64), torch.tensor([[0, 2], [3, 1]])
    head = linear_head(weight)
    logits = head(activations)
    ours = ablationcam(activations, logits, classes, head, batch_size=4)
    rows = weight[classes] * activations.mean(dim=(2, 3))[:, None] / logits.gather(1, classes).abs()[..., None]
    torch.testing.assert_close(ours, cam(activations, rows).relu())


def test_a_negative_logit_does_not_turn_the_map_over():
    activations = torch.tensor([[[[1.0, 0.0]], [[0.0, 3.0]]]])  # the first channel speaks for the class
    head = linear_head(torch.tensor([[2.0, -1.0]]))
    logits = head(activations)
    assert logits.item() < 0
    assert ablationcam(activations, logits, torch.tensor([[0]]), head)[0, 0].tolist() == [[2.0, 0.0]]


@pytest.mark.parametrize("batch_size", [1, 5, 100])
def test_the_batch_size_changes_nothing_and_the_activations_stay(batch_size):
    activations = torch.rand(1, 7, 2, 2)
    before = activations.clone()
    head = linear_head(torch.randn(3, 7))
    found = ablationcam(activations, head(activations), torch.tensor([[1]]), head, batch_size=batch_size)
    torch.testing.assert_close(found, ablationcam(activations, head(activations), torch.tensor([[1]]), head))
    assert torch.equal(activations, before)
