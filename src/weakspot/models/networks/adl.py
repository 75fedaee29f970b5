"""ADL: drop what is attended to most, or stress it, between layers and in training only."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from weakspot.errors import ModelError


class AttentionDropout(nn.Module):
    """Multiply a feature map by a mask of its own attention: hidden where it is greatest, or stressed.

    The attention is the mean over the channels. For each batch either the drop mask is taken, which is 0 where the
    attention is above gamma times its greatest value and 1 elsewhere, or the importance map, the attention's sigmoid.
    At test nothing happens. There is nothing to learn in it.

    Args:
        gamma: Where to drop, a fraction of the greatest attention. The paper has 0.8 for VGG and 0.9 for ResNet-50.
        drop_rate: How often the drop mask is taken.

    Source:
        Choe and Shim, "Attention-based Dropout Layer for Weakly Supervised Object Localization", CVPR 2019,
        arXiv 1908.10028, section 3.

    Example:
        >>> seen = torch.tensor([[[[1.0, 2.0, 10.0]]]])
        >>> AttentionDropout(gamma=0.8, drop_rate=1.0)(seen).tolist()
        [[[[1.0, 2.0, 0.0]]]]
        >>> AttentionDropout().eval()(seen) is seen
        True
    """

    def __init__(self, gamma: float = 0.8, drop_rate: float = 0.75) -> None:
        super().__init__()
        self.gamma = gamma
        self.drop_rate = drop_rate

    def forward(self, activations: Tensor) -> Tensor:
        """Give activations (B, K, h, w) times the mask; as they are at test."""
        if not self.training:
            return activations
        attention = activations.mean(dim=1, keepdim=True)  # (B, 1, h, w)
        if torch.rand(()) < self.drop_rate:
            return activations * (attention <= self.gamma * attention.amax(dim=(2, 3), keepdim=True))
        return activations * attention.sigmoid()


def attach(layers: Iterable[nn.Module], dropout: AttentionDropout) -> None:
    """Have the outputs of layers pass through the dropout; the layers, and the names of their weights, stay."""
    for layer in layers:
        layer.register_forward_hook(lambda _module, _inputs, output: dropout(output))


def insertion_points(backbone: nn.Module) -> list[nn.Module]:
    """Find the layers of a backbone behind which to drop, apart from its last feature map.

    In a ResNet the first blocks of its last two stages, as published; else the last outputs of two earlier scales,
    which in VGG lie before the pooling layers that the paper names.

    Raises:
        ModelError: If it is no convolutional network, or not one of timm's, which say where the scales are.
    """
    tokens = hasattr(backbone, "patch_embed") or getattr(backbone, "output_fmt", "NCHW") == "NHWC"
    if tokens or not hasattr(backbone, "feature_info"):
        problem = "ADL needs a convolutional network of which it is known where its scales are."
        raise ModelError(problem, "Take one of timm's, for example --backbone resnet50, or another method.")
    names = {name for name, _ in backbone.named_modules()}
    if {"layer3.0", "layer4.0"} <= names:
        return [backbone.get_submodule("layer3.0"), backbone.get_submodule("layer4.0")]
    scales = [stage["module"] for stage in backbone.feature_info if stage["module"] in names]  # type: ignore[union-attr]
    return [backbone.get_submodule(name) for name in scales[-3:-1]]
