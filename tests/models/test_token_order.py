import logging

import pytest
import torch
from timm.models.hiera import Hiera
from torch import nn

from weakspot.models import split_model
from weakspot.models.token_order import find_token_orders, find_unordered

SIDE = 64
ORDER = torch.randperm(64, generator=torch.Generator().manual_seed(3))


def example(size=SIDE):
    return torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(0))


class Tokens(nn.Module):
    """Patches of 8 x 8 pixels as tokens, in another order than that of the image in between."""

    def __init__(self, order=ORDER):
        super().__init__()
        torch.manual_seed(1)
        self.order = order
        self.embed = nn.Conv2d(3, 16, 8, stride=8)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(16, 16), nn.GELU()) for _ in range(6))
        self.last = nn.Sequential(nn.Linear(16, 16), nn.ReLU())
        self.head = nn.Linear(16, 3)

    def tokens(self, images):
        x = self.embed(images).flatten(2).mT[:, self.order]
        for block in self.blocks:
            x = x + block(x) + x.mean(dim=1, keepdim=True)
            yield x

    def forward(self, images):
        *_, x = self.tokens(images)
        return self.head(self.last(x[:, self.order.argsort()]).mean(dim=1))


class WithIntermediates(Tokens):
    """The same with timm's method that returns maps in the order of the image."""

    def forward_intermediates(self, images, intermediates_only):
        assert intermediates_only
        x = self.embed(images).flatten(2).mT[:, self.order]
        return [
            block(y)[:, self.order.argsort()].mT.reshape(-1, 16, 8, 8)
            for block, y in zip(self.blocks, [x, *self.tokens(images)], strict=False)
        ]


def test_tokens_in_the_order_of_the_image_are_left_alone():
    model = Tokens(torch.arange(64))
    names = split_model(model, example(), propagate=True).intermediates
    assert names
    assert find_unordered(model, example(), names) == {}


def test_convolutional_layers_are_not_examined():
    model = nn.Sequential(nn.Conv2d(3, 4, 3, stride=4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    assert find_token_orders(model, example(), ["0", "1"]) == {}
    assert find_token_orders(model, example(), []) == {}


def test_layers_of_unknown_order_are_not_used_and_named(caplog):
    with caplog.at_level(logging.WARNING, "weakspot"):
        split = split_model(Tokens(), example(), propagate=True)
    assert split.intermediates == ()
    assert "blocks.2" in caplog.text
    assert find_unordered(Tokens(), example(), ["last"]) == {}


def test_a_chosen_layer_of_another_order_is_named(caplog):
    with caplog.at_level(logging.WARNING, "weakspot"):
        split_model(Tokens(), example(), layers=["blocks.2"])
        split_model(Tokens(), example(), layers=["last"])
    assert "blocks.2" in caplog.text
    assert "last" not in caplog.text


@pytest.mark.parametrize("images", [example(), torch.cat([example(), example().flip(2)])])
def test_features_are_put_into_the_order_of_the_image(images, caplog):
    shuffled, ordered = WithIntermediates(), Tokens(torch.arange(64))
    ordered.load_state_dict(shuffled.state_dict())
    found = split_model(shuffled, example(), propagate=True)
    expected = split_model(ordered, example(), propagate=True)
    assert found.intermediates == expected.intermediates
    assert not caplog.text
    for a, b in zip(found.run(images).intermediates, expected.run(images).intermediates, strict=True):
        torch.testing.assert_close(a, b)


def test_maps_of_the_method_that_do_not_fit_give_no_order():
    class Other(WithIntermediates):
        def forward_intermediates(self, images, intermediates_only):
            return [maps + 1 for maps in super().forward_intermediates(images, intermediates_only)]

    orders = find_token_orders(Other(), example(), ["blocks.1"])
    assert orders == {"blocks.1": None}


def test_features_of_hiera_are_in_the_order_of_the_image():
    """It keeps its tokens in another order between its stages."""
    size = 128
    model = Hiera(img_size=(size, size), embed_dim=16, num_heads=1, stages=(1, 2, 2, 1), num_classes=3).eval()
    found = split_model(model, example(size), propagate=True).run_in_torch(example(size)).intermediates
    expected = model.forward_intermediates(example(size), intermediates_only=True)
    assert len(found) == 3
    for features, maps in zip(found, expected, strict=False):
        torch.testing.assert_close(features, maps)
