"""Where a layer's output holds its feature map: channels first, channels last, or tokens."""

from dataclasses import dataclass
from enum import StrEnum
from math import isqrt

import torch
from torch import Tensor

Size = tuple[int, int]

# Class, distillation and register tokens: published transformers put 0 to 5 before their patches.
_MOST_PREFIX_TOKENS = 8


class Axes(StrEnum):
    """The order of a layer output's axes."""

    CHANNELS_FIRST = "(B, K, h, w)"
    CHANNELS_LAST = "(B, h, w, K)"
    TOKENS = "(B, prefix + h w, K)"


@dataclass(frozen=True)
class Layout:
    """How a layer's output holds a feature map.

    Attributes:
        axes: The order of its axes.
        grid: ``(h, w)``.
        prefix: Number of tokens before those of the grid.
    """

    axes: Axes
    grid: Size
    prefix: int = 0

    def to_grid(self, output: Tensor) -> Tensor:
        """View a layer's output, or its gradient, as (B, K, h, w)."""
        if self.axes is Axes.CHANNELS_FIRST:
            return output
        if self.axes is Axes.CHANNELS_LAST:
            return output.permute(0, 3, 1, 2)
        tokens = output[:, self.prefix :].mT  # (B, K, h w)
        return tokens.reshape(*tokens.shape[:2], *self.grid)

    def from_grid(self, activations: Tensor, output: Tensor) -> Tensor:
        """Undo :meth:`to_grid` for (N, K, h, w) activations; prefix tokens come from the one image of ``output``."""
        if self.axes is Axes.CHANNELS_FIRST:
            return activations
        if self.axes is Axes.CHANNELS_LAST:
            return activations.permute(0, 2, 3, 1)
        prefix = output[:, : self.prefix].expand(len(activations), -1, -1)
        return torch.cat([prefix, activations.flatten(2).mT], dim=1)


def find_layout(output: Tensor, image_size: Size) -> Layout | None:
    """Recognise the feature map in a layer's output by its grid, which has the image's proportions.

    Args:
        output: What a layer returned for a batch of images.
        image_size: ``(height, width)`` of those images.

    Returns:
        The layout, or None when the output holds no grid of at least 2 cells. When channels could be first or
        last, they are first.

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
    if len(shape) == 4 and _has_proportions(shape[2:], image_size):
        return Layout(Axes.CHANNELS_FIRST, shape[2:])
    if len(shape) == 4 and _has_proportions(shape[1:3], image_size):
        return Layout(Axes.CHANNELS_LAST, shape[1:3])
    if len(shape) == 3:
        return _find_token_grid(shape[1], image_size)
    return None


def _has_proportions(grid: Size, image_size: Size) -> bool:
    """Whether a grid is of the image's proportions to within one cell, and more than one cell."""
    (h, w), (height, width) = grid, image_size
    return h * w > 1 and h <= height and w <= width and abs(h * width - w * height) <= max(height, width)


def _find_token_grid(tokens: int, image_size: Size) -> Layout | None:
    height, width = image_size
    for prefix in range(_MOST_PREFIX_TOKENS + 1):
        cells = tokens - prefix
        h = isqrt(max(cells, 0) * height // width)
        if h and cells > 1 and cells % h == 0 and h * width == cells // h * height:
            return Layout(Axes.TOKENS, (h, cells // h), prefix)
    return None
