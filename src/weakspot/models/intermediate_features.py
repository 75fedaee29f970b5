"""Find the intermediate feature maps of a classifier along which class maps are propagated."""

from itertools import groupby
from math import ceil

from torch import Tensor, nn

from weakspot.models.target_layer import trace_feature_maps

# Range of output strides: features of finer maps encode edges and colors, coarser maps do not resolve shapes.
_MIN_STRIDE, _MAX_STRIDE = 4, 20
# Deeper features, as a fraction of all feature maps, encode classes rather than surfaces.
_MAX_DEPTH = 0.95
# Number of evenly spaced layers of a network without stages (a plain transformer).
_LAYERS = 3


def find_intermediates(model: nn.Module, example: Tensor, layers: tuple[str, ...]) -> tuple[str, ...]:
    """Find the last layer of each stage of a network, at output strides from 4 to 20, before the target layers.

    A stage is a run of blocks whose feature maps have the same size and number of channels. Depth is counted in feature
    maps.

    Args:
        model: The classifier.
        example: An image of the input size, shape (1, 3, H, W).
        layers: Names of the target layers.

    Returns:
        Names of modules in order of execution; empty if no layers before the target layers are suitable.
    """
    maps = trace_feature_maps(model, example)
    last = min((i for i, feature_map in enumerate(maps) if feature_map.name in layers), default=len(maps) - 1)
    max_depth = min(_MAX_DEPTH * len(maps), last)
    blocks = [maps[i] for i in _block_ends([feature_map.name for feature_map in maps]) if i + 1 <= max_depth]
    side = example.shape[-2]
    coarse = [block for block in blocks if block.grid[0] <= ceil(side / _MIN_STRIDE)]
    suitable = [block for block in coarse if block.grid[0] * _MAX_STRIDE >= side] or coarse
    ends = [list(stage)[-1] for _, stage in groupby(suitable, key=lambda block: (block.grid, block.channels))]
    if len(ends) < _LAYERS <= len(suitable):
        ends = [suitable[(n + 1) * len(suitable) // _LAYERS - 1] for n in range(_LAYERS)]
    return tuple(block.name for block in ends)


def _block_ends(names: list[str]) -> list[int]:
    """Return the index of the last feature map of each main block, given all module names in order of execution.

    A module that contains more than half of the feature maps is split into its children, until there is none.
    """
    paths = [name.split(".") for name in names]
    split: set[tuple[str, ...]] = {()}
    while True:
        blocks = [_block_of(path, split) for path in paths]
        counts = {block: blocks.count(block) for block in dict.fromkeys(blocks)}
        large = [block for block, count in counts.items() if count > len(names) / 2 and block not in split]
        if not large:
            return [i for i, block in enumerate(blocks) if block not in blocks[i + 1 :]]
        split.update(large)


def _block_of(path: list[str], split: set[tuple[str, ...]]) -> tuple[str, ...]:
    """Return the shortest prefix of a module's path that is not split."""
    return next((tuple(path[:n]) for n in range(1, len(path)) if tuple(path[:n]) not in split), tuple(path))
