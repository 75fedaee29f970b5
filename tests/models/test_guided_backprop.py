import pytest
import torch
from nets import FrozenBackboneNet, FunctionalNet, PooledNet, images
from refusals import refused
from torch import nn

from weakspot.errors import ModelError
from weakspot.models import guided_gradients


class GuidedReLU(torch.autograd.Function):
    """Guided backpropagation as in the paper, as an autograd function."""

    @staticmethod
    def forward(ctx, values):
        ctx.save_for_backward(values)
        return values.relu()

    @staticmethod
    def backward(ctx, gradient):
        (values,) = ctx.saved_tensors
        return gradient * (gradient > 0) * (values > 0)


class PaperReLU(nn.Module):
    def forward(self, values):
        return GuidedReLU.apply(values)


def reference(model, batch, classes):
    """The same network with every ReLU replaced."""
    model.features[1] = PaperReLU()
    model.features[3] = PaperReLU()
    leaf = batch.clone().requires_grad_()
    logits = model(leaf)
    rows = [
        torch.autograd.grad(logits.gather(1, c[:, None]).sum(), leaf, retain_graph=True)[0] for c in classes.unbind(1)
    ]
    return torch.stack(rows, dim=1)


@pytest.mark.parametrize("relu", [nn.ReLU(), nn.ReLU(inplace=True)], ids=["relu", "in-place"])
def test_only_positive_gradients_of_positive_inputs_pass(relu):
    model, batch, classes = PooledNet().eval(), images(), torch.tensor([[0, 3], [2, 2], [1, 0]])
    model.features[1] = model.features[3] = relu
    found = guided_gradients(model, batch, classes)
    plain = torch.autograd.functional.jacobian(lambda x: model(x)[:, 0].sum(), batch)
    assert not torch.allclose(found[:, 0], plain)
    torch.testing.assert_close(found, reference(model, batch, classes))


def test_functional_relus_are_guided_too():
    functional, batch, classes = FunctionalNet().eval(), images(), torch.tensor([[1], [1], [1]])
    modules = PooledNet().eval()
    modules.load_state_dict(functional.state_dict())
    torch.testing.assert_close(guided_gradients(functional, batch, classes), guided_gradients(modules, batch, classes))


def test_relu6_is_guided():
    model, batch = PooledNet().eval(), images()
    expected = guided_gradients(model, batch, torch.zeros(3, 1, dtype=torch.long))
    model.features[1] = model.features[3] = nn.ReLU6()
    torch.testing.assert_close(guided_gradients(model, batch, torch.zeros(3, 1, dtype=torch.long)), expected)


def test_a_model_without_relu_is_refused():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.GELU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with refused("no-relu", "Sequential", kind=ModelError):
        guided_gradients(model, images(), torch.zeros(3, 1, dtype=torch.long))


def test_the_model_and_the_images_are_left_as_they_were():
    model, batch = PooledNet().train(), images()
    guided_gradients(model, batch, torch.zeros(3, 1, dtype=torch.long))
    assert model.training
    assert not batch.requires_grad
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_backbone_without_gradients_is_refused():
    with refused("no-gradient", kind=ModelError):
        guided_gradients(FrozenBackboneNet().eval(), images(), torch.zeros(3, 1, dtype=torch.long))
