"""Find the mid-level feature maps of a classifier: what looks alike there belongs together."""

from itertools import groupby
from math import ceil

from torch import Tensor, nn

from weakspot.models.target_layer import feature_maps

# Cells of fewer pixels tell edges and colours apart, not things; those of more are too coarse to show a shape.
_FINEST, _COARSEST = 4, 20
# What lies behind this share of the depth knows classes rather than surfaces.
_DEEPEST = 0.95
# Where a network has no stages (a plain transformer), so many places are taken, evenly spaced.
_PLACES = 3


def find_levels(model: nn.Module, example: Tensor, layers: tuple[str, ...]) -> tuple[str, ...]:
    """Find where the stages of a network end, at output strides from 4 to 16, short of the last of them.

    A stage is a run of main blocks whose feature maps have the same size and width. Depth is counted in feature maps.

    Args:
        model: The classifier.
        example: Images of the size that it will see, shape (1, 3, H, W).
        layers: Names of the layers that class maps are read from; levels lie before them.

    Returns:
        Names of modules, in the order in which they run; none where nothing lies before the layers.

    Example:
        >>> import torch
        >>> from weakspot.models.classifiers import load_classifier
        >>> model = load_classifier("resnet18", weights=None).module
        >>> find_levels(model, torch.zeros(1, 3, 64, 64), ("layer4",))
        ('layer1', 'layer2', 'layer3')
    """
    steps = feature_maps(model, example)
    last = min((i for i, step in enumerate(steps) if step.name in layers), default=len(steps) - 1)
    deepest = min(_DEEPEST * len(steps), last)
    blocks = [(i, steps[i]) for i in _block_ends([step.name for step in steps]) if i + 1 <= deepest]
    side = example.shape[-2]
    coarse = [step for i, step in blocks if step.grid[0] <= ceil(side / _FINEST)]
    fine = [step for step in coarse if step.grid[0] * _COARSEST >= side] or coarse
    ends = [list(run)[-1] for _, run in groupby(fine, key=lambda step: (step.grid, step.channels))]
    if len(ends) < _PLACES <= len(fine):
        ends = [fine[(n + 1) * len(fine) // _PLACES - 1] for n in range(_PLACES)]
    return tuple(step.name for step in ends)


def _block_ends(names: list[str]) -> list[int]:
    """Where the main blocks of a network end, by the names of its steps in order.

    Whatever module holds more than half of the steps is opened, until none does.
    """
    parts = [name.split(".") for name in names]
    opened: set[tuple[str, ...]] = {()}
    while True:
        blocks = [_block(path, opened) for path in parts]
        counts = {block: blocks.count(block) for block in dict.fromkeys(blocks)}
        large = [b for b, n in counts.items() if n > len(names) / 2 and b not in opened]
        if not large:
            return [i for i, block in enumerate(blocks) if block not in blocks[i + 1 :]]
        opened.update(large)


def _block(path: list[str], opened: set[tuple[str, ...]]) -> tuple[str, ...]:
    """The shortest part of a module's path that has not been opened."""
    return next((tuple(path[:n]) for n in range(1, len(path)) if tuple(path[:n]) not in opened), tuple(path))
