import pytest
import torch
from nets import DeepHeadNet, FunctionalNet, PooledNet, images
from torch import nn

from weakspot.models import TargetLayer, find_gap_head, forward_with_hooks


def head_of(model, layer="features", followed_by_relu=False):
    return find_gap_head(model, forward_with_hooks(model, [TargetLayer(layer, followed_by_relu)], images()))


class WithConvolution(PooledNet):
    """The linear layer written as a 1 x 1 convolution."""

    def __init__(self):
        super().__init__()
        self.fc = nn.Conv2d(6, 4, 1, bias=False)

    def forward(self, batch):
        return self.fc(self.features(batch).mean(dim=(2, 3), keepdim=True)).flatten(1)


class MaxPooled(PooledNet):
    def forward(self, batch):
        return self.fc(self.features(batch).amax(dim=(2, 3)))


class Normed(PooledNet):
    def forward(self, batch):
        return self.fc(nn.functional.layer_norm(self.features(batch).mean(dim=(2, 3)), (6,)))


@pytest.mark.parametrize(
    ("model", "rectified", "found"),
    [
        pytest.param(PooledNet(), False, True, id="pooling + linear"),
        pytest.param(WithConvolution(), False, True, id="1x1 convolution"),
        pytest.param(FunctionalNet(), True, True, id="after a functional ReLU"),
        pytest.param(FunctionalNet(), False, False, id="before that ReLU"),
        pytest.param(MaxPooled(), False, False, id="maximum pooling"),
        pytest.param(Normed(), False, False, id="a norm in between"),
        pytest.param(DeepHeadNet(), False, False, id="deep head"),
    ],
)
def test_a_head_is_recognized_by_what_it_computes(model, rectified, found):
    assert (head_of(model.eval(), followed_by_relu=rectified) is not None) is found


def test_channels_that_are_class_maps_have_unit_weights():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    weights = head_of(model, "0").class_weights(torch.tensor([[2, 0]]), torch.zeros(1, 4, 6, 6))
    assert weights.tolist() == [[[0, 0, 1, 0], [1, 0, 0, 0]]]


def test_gradients_in_closed_form_are_those_of_autograd_and_take_no_memory():
    model, classes = PooledNet().eval().double(), torch.tensor([[0, 3], [2, 2], [1, 0]])
    batch = images(dtype=torch.float64)
    reading = forward_with_hooks(model, [TargetLayer("features")], batch, differentiable=True)
    found = find_gap_head(model, reading).gradients(classes, reading.activations[0])
    torch.testing.assert_close(found, reading.gradients(classes)[0], rtol=1e-12, atol=0)
    assert found.stride()[-2:] == (0, 0)


def test_weights_follow_the_model_in_training():
    model = PooledNet().eval()
    head = head_of(model)
    with torch.no_grad():
        model.fc.weight.fill_(3)
    assert head.class_weights(torch.tensor([[0]]), torch.zeros(1, 6, 2, 2)).unique().tolist() == [3.0]


def test_a_model_in_16_bits_is_recognized():
    model = PooledNet().eval().bfloat16()
    reading = forward_with_hooks(model, [TargetLayer("features")], images(dtype=torch.bfloat16))
    assert find_gap_head(model, reading) is not None


def test_constant_logits_prove_no_head():
    model = PooledNet()
    nn.init.zeros_(model.fc.weight)
    nn.init.zeros_(model.fc.bias)
    assert head_of(model) is None
