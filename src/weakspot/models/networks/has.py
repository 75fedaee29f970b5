"""HaS: hide patches of the training images, so that no single part is enough."""

import torch
import torch.nn.functional as F
from torch import Tensor

SIZES = (0, 16, 32, 44, 56)


def hide_and_seek(images: Tensor, *, probability: float = 0.5, sizes: tuple[int, ...] = SIZES) -> Tensor:
    """Hide each cell of a grid with a probability, in a grid of another size for each image.

    Hidden pixels become 0, which is the data's mean in normalised images, so that pooled statistics stay what they are
    at test. There the image is whole.

    Args:
        images: Normalised images of shape (B, 3, H, W).
        probability: Of each cell to be hidden.
        sizes: Sides of the cells to choose from, in pixels; 0 hides nothing.

    Returns:
        Images of the same shape; those given stay as they are.

    Source:
        Singh and Lee, "Hide-and-Seek: Forcing a Network to be Meticulous for Weakly-supervised Object and Action
        Localization", ICCV 2017, arXiv 1704.04232; the mix of sizes is that of their extended version, 1811.02545.

    Example:
        >>> hide_and_seek(torch.ones(1, 3, 4, 4), probability=1.0, sizes=(2,)).sum()
        tensor(0.)
        >>> hide_and_seek(torch.ones(1, 3, 4, 4), probability=1.0, sizes=(0,)).sum()
        tensor(48.)
    """
    shown = [_shown(images.shape[2], images.shape[3], probability, sizes) for _ in images]
    return images * torch.stack(shown)[:, None].to(images)


def _shown(height: int, width: int, probability: float, sizes: tuple[int, ...]) -> Tensor:
    """Which pixels of one image are shown, shape (H, W)."""
    size = sizes[int(torch.randint(len(sizes), ()))]
    if size == 0:
        return torch.ones(height, width)
    cells = torch.rand(1, 1, -(-height // size), -(-width // size)) >= probability
    return F.interpolate(cells.float(), scale_factor=size, mode="nearest")[0, 0, :height, :width]
