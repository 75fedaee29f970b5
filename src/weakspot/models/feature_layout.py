"""Layout of the feature map in a layer's output: channels first, channels last, or tokens."""

from dataclasses import dataclass
from enum import StrEnum
from math import isqrt

import torch
from torch import Tensor

Size = tuple[int, int]

# Class, distillation and register tokens: published transformers have 0 to 5 before the patches.
_MAX_PREFIX_TOKENS = 8


class Axes(StrEnum):
    """Order of the axes of a layer's output."""

    CHANNELS_FIRST = "(B, K, h, w)"
    CHANNELS_LAST = "(B, h, w, K)"
    TOKENS = "(B, prefix + h w, K)"


@dataclass(frozen=True)
class Layout:
    """Layout of the feature map in a layer's output.

    Attributes:
        axes: Order of the axes.
        grid: Grid size ``(h, w)``.
        prefix: Number of tokens before the grid.
    """

    axes: Axes
    grid: Size
    prefix: int = 0

    def to_grid(self, output: Tensor) -> Tensor:
        """Return a view of a layer's output, or its gradient, as (B, K, h, w)."""
        if self.axes is Axes.CHANNELS_FIRST:
            return output
        if self.axes is Axes.CHANNELS_LAST:
            return output.permute(0, 3, 1, 2)
        tokens = output[:, self.prefix :].mT  # (B, K, h w)
        return tokens.reshape(*tokens.shape[:2], *self.grid)

    def from_grid(self, activations: Tensor, output: Tensor) -> Tensor:
        """Undo :meth:`to_grid` for activations (N, K, h, w), with the prefix tokens of the only image in ``output``."""
        if self.axes is Axes.CHANNELS_FIRST:
            return activations
        if self.axes is Axes.CHANNELS_LAST:
            return activations.permute(0, 2, 3, 1)
        prefix = output[:, : self.prefix].expand(len(activations), -1, -1)
        return torch.cat([prefix, activations.flatten(2).mT], dim=1)


def find_layout(output: Tensor, image_size: Size) -> Layout | None:
    """Recognize the feature map in a layer's output by its grid, which has the image's aspect ratio.

    Args:
        output: Output of a layer for a batch of images.
        image_size: ``(height, width)`` of those images.

    Returns:
        The layout, or None if the output has no grid of at least 2 cells. If channels could be first or last, they
        are first.

    Example:
        >>> find_layout(torch.zeros(1, 768, 7, 7), (224, 224)).axes.value
        '(B, K, h, w)'
        >>> find_layout(torch.zeros(1, 7, 7, 768), (224, 224)).axes.value
        '(B, h, w, K)'
        >>> layout = find_layout(torch.zeros(1, 197, 192), (224, 224))
        >>> layout.grid, layout.prefix
        ((14, 14), 1)
        >>> find_layout(torch.zeros(1, 3, 197, 64), (224, 224)) is None  # heads, not channels
        True
    """
    shape = tuple(output.shape)
    if len(shape) == 4 and _has_aspect_ratio(shape[2:], image_size):
        return Layout(Axes.CHANNELS_FIRST, shape[2:])
    if len(shape) == 4 and _has_aspect_ratio(shape[1:3], image_size):
        return Layout(Axes.CHANNELS_LAST, shape[1:3])
    if len(shape) == 3:
        return _find_token_grid(shape[1], image_size)
    return None


def _has_aspect_ratio(grid: Size, image_size: Size) -> bool:
    """Return whether a grid has the image's aspect ratio, to within one cell, and at least 2 cells."""
    (h, w), (height, width) = grid, image_size
    return h * w > 1 and h <= height and w <= width and abs(h * width - w * height) <= max(height, width)


def _find_token_grid(tokens: int, image_size: Size) -> Layout | None:
    height, width = image_size
    for prefix in range(_MAX_PREFIX_TOKENS + 1):
        cells = tokens - prefix
        h = isqrt(max(cells, 0) * height // width)
        if h and cells > 1 and cells % h == 0 and h * width == cells // h * height:
            return Layout(Axes.TOKENS, (h, cells // h), prefix)
    return None
