from functools import partial

import pytest
import timm
import torch
from nets import PooledNet
from refusals import refused
from timm.models.mvitv2 import MultiScaleVit, MultiScaleVitCfg

from weakspot.data import Preprocessing
from weakspot.errors import InputError, ModelError
from weakspot.inference.load_torch import load_for_quality, scale_input_size, split_for_quality
from weakspot.inference.quality import find_quality
from weakspot.models import load_classifier


@pytest.mark.parametrize(("side", "expected"), [(224, 288), (240, 320), (64, 96), (16, 32)])
def test_scaled_sides_are_multiples_of_32(side, expected):
    assert scale_input_size(Preprocessing(side, side), 9 / 7).height == expected


def test_scale_1_changes_nothing():
    assert scale_input_size(Preprocessing(50, 50), 1.0) == Preprocessing(50, 50)


def test_a_model_with_a_fixed_input_size_keeps_it():
    model = load_classifier("vit_tiny_patch16_224", weights=None).module
    frame, cut = split_for_quality(model, Preprocessing(), find_quality("fast"), enlarge=True)
    assert frame.height == 224
    assert cut.intermediates


def test_a_transformer_that_indexes_its_positions_by_size_keeps_it():
    """MViTv2 raises an IndexError for another size."""
    model = MultiScaleVit(MultiScaleVitCfg(depths=(1, 1, 1, 1), embed_dim=16), num_classes=3).eval()
    frame, _ = split_for_quality(model, Preprocessing(), find_quality("fast"), enlarge=True)
    assert frame.height == 224


@pytest.mark.parametrize("error", [IndexError, KeyError, NotImplementedError, ZeroDivisionError])
def test_whatever_a_model_raises_for_another_size_it_keeps_its_own(error):
    class Fixed(PooledNet):
        def forward(self, batch):
            if batch.shape[-1] != 64:
                raise error("64")
            return super().forward(batch)

    frame, _ = split_for_quality(Fixed(), Preprocessing(64, 64), find_quality("fast"), enlarge=True)
    assert frame.height == 64
    with refused("input-not-supported", "3 x 32 x 32", kind=ModelError):
        split_for_quality(Fixed(), Preprocessing(32, 32), find_quality("fast"), enlarge=True)


def test_a_convolutional_model_gets_a_larger_input():
    model = load_classifier("resnet18", weights=None).module
    frame, _ = split_for_quality(model, Preprocessing(64, 64), find_quality("fast"), enlarge=True)
    assert frame.height == 96
    same, cut = split_for_quality(model, Preprocessing(64, 64), find_quality("plain"), enlarge=True)
    assert same.height == 64
    assert not cut.intermediates


def stride_of(classifier):
    with torch.no_grad():
        return 64 // classifier.module.forward_features(torch.zeros(1, 3, 64, 64)).shape[-1]


def test_output_stride_is_that_of_the_quality_unless_chosen():
    options = {"weights": None, "device": "cpu"}
    assert stride_of(load_for_quality("resnet18", None, output_stride=None, **options)) == 16
    assert stride_of(load_for_quality("resnet18", "plain", output_stride=None, **options)) == 32
    assert stride_of(load_for_quality("resnet18", "best", output_stride=32, **options)) == 32


def test_a_model_without_that_output_stride_keeps_its_own(monkeypatch):
    # With a narrow head: the real one has 120 million weights to draw.
    monkeypatch.setattr(timm, "create_model", partial(timm.create_model, mlp_ratio=1 / 64))
    assert load_for_quality("vgg11", "fast", output_stride=None, weights=None, device="cpu").module is not None
    with pytest.raises(InputError, match="16"):
        load_for_quality("vgg11", "fast", output_stride=16, weights=None, device="cpu")
