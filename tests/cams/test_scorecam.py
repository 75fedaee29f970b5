import torch
import torch.nn.functional as F
from nets import PooledNet, images

from weakspot.cams import scorecam


def naive(activations, batch, classes, model):
    """Algorithm 1 of the paper, one channel and one class at a time."""
    maps = torch.zeros(*classes.shape, *activations.shape[-2:])
    for b in range(len(batch)):
        masks = F.interpolate(activations[b, :, None], size=batch.shape[-2:], mode="bilinear", align_corners=False)
        for c, index in enumerate(classes[b]):
            scores = []
            for mask in masks[:, 0]:
                spread = mask.max() - mask.min()
                seen = batch[b] * ((mask - mask.min()) / (spread if spread > 0 else 1))
                scores.append(model(seen[None])[0, index])
            alpha = torch.stack(scores).softmax(dim=0)
            maps[b, c] = (alpha[:, None, None] * activations[b]).sum(dim=0).relu()
    return maps


def test_it_is_the_papers_algorithm_for_any_batch_size():
    model, batch, classes = PooledNet().eval(), images(2), torch.tensor([[0, 3], [2, 1]])
    with torch.no_grad():
        activations = model.features(batch)
        expected = naive(activations, batch, classes, model)
        for batch_size in (1, 4, 100):
            torch.testing.assert_close(scorecam(activations, batch, classes, model, batch_size=batch_size), expected)


def test_a_channel_that_is_constant_is_the_first_to_be_left_out():
    activations = torch.stack([torch.full((2, 2), 9.0), torch.eye(2), torch.eye(2) * 3])[None]

    def classify(masked):
        return masked.sum(dim=(1, 2, 3))[:, None]

    assert scorecam(activations, torch.ones(1, 3, 4, 4), torch.tensor([[0]]), classify, channels=2)[0, 0, 0, 1] == 0
    assert scorecam(activations, torch.ones(1, 3, 4, 4), torch.tensor([[0]]), classify, channels=99).shape == (
        1,
        1,
        2,
        2,
    )


def test_few_masked_images_are_alive_at_once():
    sizes = []

    def classify(masked):
        sizes.append(len(masked))
        return masked.sum(dim=(1, 2, 3))[:, None]

    scorecam(torch.rand(1, 50, 2, 2), torch.ones(1, 3, 4, 4), torch.tensor([[0]]), classify, batch_size=16)
    assert sizes == [16, 16, 16, 2]
