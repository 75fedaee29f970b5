"""TS-CAM: its attention is recomputed from the weights of the blocks."""

import numpy as np
import pytest
import torch
from refusals import refused
from small_networks import network, one_hot, random_images

from weakspot.cams import METHODS
from weakspot.errors import ModelError
from weakspot.models import compute_class_maps, split_model
from weakspot.models.networks import Criterion
from weakspot.models.networks.ts_cam import TsCamHead

CLASSES = torch.tensor([[0, 3], [2, 1]])


def kept_by(module, run):
    """Record the input of a module in one run."""
    kept = []
    handle = module.register_forward_hook(lambda _module, inputs, output: kept.append(inputs[0].detach().clone()))
    run()
    handle.remove()
    return kept[-1]


def attention_by_hand(model, batch):
    """Softmax of queries times keys over the root of their width, in float64, class token's row, mean of all."""
    rows = []
    for block in model.trunk.backbone.blocks:
        layer = block.attn
        with torch.no_grad():
            tokens = kept_by(layer, lambda: model(batch)).double().numpy()
        weight, bias = (value.detach().double().numpy() for value in (layer.qkv.weight, layer.qkv.bias))
        heads, width = layer.num_heads, tokens.shape[-1]
        qkv = (tokens @ weight.T + bias).reshape(*tokens.shape[:2], 3, heads, width // heads)
        q, k = qkv[:, :, 0].transpose(0, 2, 1, 3), qkv[:, :, 1].transpose(0, 2, 1, 3)  # (B, heads, tokens, d)
        scores = np.einsum("bhd,bhtd->bht", q[:, :, 0], k)
        exponentials = np.exp(scores / np.sqrt(width // heads))
        rows.append((exponentials / exponentials.sum(axis=-1, keepdims=True)).mean(axis=1))
    side = batch.shape[-1] // 16
    return np.mean(rows, axis=0)[:, 1:].reshape(len(batch), 1, side, side)


@pytest.fixture(scope="module")
def attending():
    model = network("ts_cam", input_size=80)
    torch.manual_seed(3)
    for block in model.trunk.backbone.blocks:  # attention that is not uniform
        torch.nn.init.normal_(block.attn.qkv.weight, std=0.3)
        torch.nn.init.normal_(block.attn.qkv.bias, std=0.3)
    torch.nn.init.normal_(model.trunk.backbone.cls_token, std=1.0)
    return model


def test_attention_is_the_class_tokens_averaged_over_heads_and_blocks(attending):
    batch = random_images(size=80)
    with torch.no_grad():
        found = kept_by(attending.trunk.attention, lambda: attending(batch))
    expected = attention_by_hand(attending, batch)
    assert expected.std() > 0.1 * expected.mean()
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_the_map_is_semantics_times_attention(attending):
    batch = random_images(size=80)
    found = compute_class_maps(split_model(attending, batch[:1]), batch, METHODS["ts_cam"], classes=CLASSES)
    with torch.no_grad():
        semantic = attending.head.semantic(attending.trunk(batch))
        logits = attending(batch)
    expected = semantic[torch.arange(2)[:, None], CLASSES].numpy() * attention_by_hand(attending, batch)
    np.testing.assert_allclose(found.maps, expected, rtol=1e-3, atol=1e-6)
    torch.testing.assert_close(found.logits, logits)
    torch.testing.assert_close(semantic.mean(dim=(2, 3)), logits)
    assert expected.min() < 0 < expected.max()


def test_the_grid_is_that_of_the_patches_row_by_row(attending):
    """The backbone's tokens after the class token, as rows of 5."""
    batch = random_images(size=80)
    with torch.no_grad():
        tokens, grid = attending.trunk.backbone.forward_features(batch), attending.trunk(batch)
    for place in range(25):  # fused attention rounds differently
        torch.testing.assert_close(grid[:, :, place // 5, place % 5], tokens[:, 1 + place], rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("fused", [True, False])
def test_the_backbone_is_restored(attending, fused):
    layers = [block.attn for block in attending.trunk.backbone.blocks]
    before = [layer.fused_attn for layer in layers]
    for layer in layers:
        layer.fused_attn = fused
    attending(random_images(size=80))
    assert {layer.fused_attn for layer in layers} == {fused}
    assert not any(module._forward_hooks for module in attending.modules())
    for layer, flag in zip(layers, before, strict=True):
        layer.fused_attn = flag


def test_the_backbone_is_restored_after_an_error(attending):
    before = [block.attn.fused_attn for block in attending.trunk.backbone.blocks]
    with pytest.raises(RuntimeError, match="to have 3 channels"):
        attending(random_images(size=80)[:, :1])
    assert [block.attn.fused_attn for block in attending.trunk.backbone.blocks] == before
    assert not any(module._forward_hooks for module in attending.modules())


def test_training_collects_no_attention_and_returns_the_same_tokens():
    model, batch = network("ts_cam", input_size=80), random_images(size=80)
    asked = []
    model.trunk.attention.register_forward_hook(lambda *_: asked.append(1))
    at_test = model(batch)
    assert len(asked) == 1
    model.train()  # this backbone has no dropout
    torch.testing.assert_close(model(batch), at_test, rtol=1e-4, atol=1e-5)
    assert len(asked) == 1


def test_logits_are_means_of_semantic_maps_and_the_loss_is_theirs():
    head, tokens = TsCamHead(3, 4).double(), torch.randn(2, 3, 4, 4, dtype=torch.float64)
    weight, bias = (value.detach().numpy() for value in (head.semantic.weight, head.semantic.bias))
    padded = np.pad(tokens.numpy(), ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected = np.zeros((2, 4)) + bias
    for b, c, i, j in np.ndindex(2, 4, 4, 4):
        expected[b, c] += (padded[b, :, i : i + 3, j : j + 3] * weight[c]).sum() / 16
    loss, logits = head.loss((tokens,), one_hot(0, 2).double(), Criterion())
    np.testing.assert_allclose(logits.detach(), expected, rtol=1e-10)
    torch.testing.assert_close(loss, torch.nn.functional.cross_entropy(logits, torch.tensor([0, 2])))


@pytest.mark.parametrize("backbone", ["test_resnet", "test_vit2"])
def test_a_backbone_without_a_class_token_is_refused(backbone):
    with refused("backbone-mismatch", kind=ModelError):
        network("ts_cam", backbone, input_size=160)
