"""A small head that tells foreground from background, whatever the class, by mid-level features."""

from collections.abc import Mapping

from torch import Tensor, nn

WIDTH = 64


class ForegroundHead(nn.Module):
    """Tell for each place whether something stands there: three 1 x 1 convolutions over the levels of a backbone.

    It learns from the class maps of many images, see :mod:`weakspot.training.foreground`: what these get wrong in one
    image or another, and do not agree on, it does not learn.

    Args:
        channels: Channels of all levels together.
        width: Channels in between.
    """

    def __init__(self, channels: int, width: int = WIDTH) -> None:
        super().__init__()
        self.channels = channels
        self.layers = nn.Sequential(
            nn.BatchNorm2d(channels, affine=False),
            nn.Conv2d(channels, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, width, 1),
            nn.ReLU(),
            nn.Conv2d(width, 1, 1),
        )

    def forward(self, features: Tensor) -> Tensor:
        """Give logits (B, 1, h, w) of features (B, K, h, w): above 0 is foreground."""
        logits: Tensor = self.layers(features)
        return logits


def rebuilt(weights: Mapping[str, Tensor]) -> ForegroundHead:
    """Build a head again from its state dict.

    Raises:
        RuntimeError: If the weights are not those of a head.
        KeyError: Likewise.

    Example:
        >>> rebuilt(ForegroundHead(8, width=4).state_dict())(torch.zeros(1, 8, 2, 3)).shape
        torch.Size([1, 1, 2, 3])
    """
    width, channels = weights["layers.1.weight"].shape[:2]
    head = ForegroundHead(channels, width)
    head.load_state_dict(dict(weights))
    return head.eval()
