"""ADL: between layers and during training, drop or emphasize the features with the highest attention."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from weakspot.errors import ModelError


class AttentionDropout(nn.Module):
    """Multiply a feature map by a drop mask or an importance map that is computed from its own attention.

    The attention is the mean over the channels. Each batch uses either the drop mask, which is 0 where the attention is
    above gamma times its maximum and 1 elsewhere, or the importance map, the sigmoid of the attention. At test time the
    layer is the identity. It has no weights.

    Args:
        gamma: Drop threshold, a fraction of the maximum attention. The paper uses 0.8 for VGG and 0.9 for ResNet-50.
        drop_rate: Probability of the drop mask.

    Source:
        Choe and Shim, "Attention-based Dropout Layer for Weakly Supervised Object Localization", CVPR 2019,
        arXiv 1908.10028, section 3.
    """

    def __init__(self, gamma: float = 0.8, drop_rate: float = 0.75) -> None:
        super().__init__()
        self.gamma = gamma
        self.drop_rate = drop_rate

    def forward(self, activations: Tensor) -> Tensor:
        """Return activations (B, K, h, w) times the mask; unchanged at test time."""
        if not self.training:
            return activations
        attention = activations.mean(dim=1, keepdim=True)  # (B, 1, h, w)
        if torch.rand(()) < self.drop_rate:
            return activations * (attention <= self.gamma * attention.amax(dim=(2, 3), keepdim=True))
        return activations * attention.sigmoid()


def attach(layers: Iterable[nn.Module], dropout: AttentionDropout) -> None:
    """Apply the dropout to the outputs of layers by hooks, which leaves the names of their weights unchanged."""
    for layer in layers:
        layer.register_forward_hook(lambda _module, _inputs, output: dropout(output))


def insertion_points(backbone: nn.Module) -> list[nn.Module]:
    """Return the layers of a backbone after which the dropout is applied, besides its last feature map.

    In a ResNet these are the first blocks of its last two stages, as published; else the last layers of two earlier
    scales, which in VGG precede the pooling layers that the paper names.
    """
    tokens = hasattr(backbone, "patch_embed") or getattr(backbone, "output_fmt", "NCHW") == "NHWC"
    if tokens or not hasattr(backbone, "feature_info"):
        problem = f"ADL needs a convolutional network of timm, got {type(backbone).__name__}."
        raise ModelError("backbone-mismatch", problem, "Use another method, or for example --backbone resnet50.")
    names = {name for name, _ in backbone.named_modules()}
    if {"layer3.0", "layer4.0"} <= names:
        return [backbone.get_submodule("layer3.0"), backbone.get_submodule("layer4.0")]
    scales = [stage["module"] for stage in backbone.feature_info if stage["module"] in names]  # type: ignore[union-attr]
    return [backbone.get_submodule(name) for name in scales[-3:-1]]
