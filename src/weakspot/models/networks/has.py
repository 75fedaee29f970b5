"""HaS: hide random patches of the training images, so that no single part is enough."""

import torch
import torch.nn.functional as F
from torch import Tensor

SIZES = (0, 16, 32, 44, 56)


def hide_and_seek(images: Tensor, *, probability: float = 0.5, sizes: tuple[int, ...] = SIZES) -> Tensor:
    """Hide each cell of a grid with a probability; each image has a random grid size.

    Hidden pixels become 0, the mean of normalized images, so that pooled statistics are those of whole images, which
    are used at test time.

    Args:
        images: Normalized images of shape (B, 3, H, W).
        probability: Probability that a cell is hidden.
        sizes: Sides of the cells in pixels, one of which is drawn; 0 hides nothing.

    Returns:
        New images of the same shape.

    Source:
        Singh and Lee, "Hide-and-Seek: Forcing a Network to be Meticulous for Weakly-supervised Object and Action
        Localization", ICCV 2017, arXiv 1704.04232; the mix of sizes is that of their extended version, 1811.02545.
    """
    masks = [_random_mask(images.shape[2], images.shape[3], probability, sizes) for _ in images]
    return images * torch.stack(masks)[:, None].to(images)


def _random_mask(height: int, width: int, probability: float, sizes: tuple[int, ...]) -> Tensor:
    """Return the mask of visible pixels of one image, shape (H, W)."""
    size = sizes[int(torch.randint(len(sizes), ()))]
    if size == 0:
        return torch.ones(height, width)
    cells = torch.rand(1, 1, -(-height // size), -(-width // size)) >= probability
    return F.interpolate(cells.float(), scale_factor=size, mode="nearest")[0, 0, :height, :width]
