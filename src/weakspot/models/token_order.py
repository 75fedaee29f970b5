"""Find the order of a layer's tokens in the image: not every transformer keeps them row by row (Hiera does not)."""

import logging
from collections.abc import Collection, Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from weakspot.models.feature_layout import Axes, find_layout
from weakspot.models.hooks import forward_hooks

# Corners of the patches that are changed, and their side, as fractions of the image.
_CORNERS = ((1 / 8, 5 / 8), (5 / 8, 1 / 4), (1 / 4, 1 / 8), (3 / 4, 3 / 4))
_SIDE = 1 / 8
# Row by row, the tokens in a changed patch change more than the others with a probability of 0.97 to 1 (timm's models);
# in any other order, 0.4 to 0.6.
_MIN_PROBABILITY = 0.8
_EXACT = "donot_use_mm_for_euclid_dist"

_log = logging.getLogger("weakspot")


def find_unordered(model: nn.Module, example: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Find the layers whose tokens are not kept row by row.

    A patch of the image is changed at several places; the response of a layer whose tokens are in the order of the
    image is at these places too.

    Args:
        model: The classifier.
        example: An image of the input size, shape (1, 3, H, W).
        names: Names of layers that return feature maps.

    Returns:
        Tokens (1, K, h, w) of these layers, in their own order.
    """
    outputs = _outputs(model, example, names) if names else {}
    size = (example.shape[-2], example.shape[-1])
    layouts = {name: find_layout(output, size) for name, output in outputs.items()}
    with_tokens = {name: layout for name, layout in layouts.items() if layout and layout.axes is Axes.TOKENS}
    changed = _outputs(model, _change_patches(example), list(with_tokens)) if with_tokens else {}
    unordered = {}
    for name, layout in with_tokens.items():
        response = layout.to_grid(changed[name] - outputs[name]).float().norm(dim=1)
        if len(response) == len(_CORNERS) and _probability_in_patches(response) < _MIN_PROBABILITY:
            unordered[name] = layout.to_grid(outputs[name])
    return unordered


def find_token_orders(model: nn.Module, example: Tensor, names: Sequence[str]) -> dict[str, Tensor | None]:
    """Find the order of the tokens of layers that do not keep them row by row; arguments as above.

    Returns:
        Index of the token at each position, row by row; None if it is unknown. Layers that are in order are absent.
    """
    unordered = find_unordered(model, example, names)
    return {name: _order_of_timm(model, example, tokens) for name, tokens in unordered.items()}


def warn_unordered(names: Collection[str], consequence: str) -> None:
    """Log a warning with the names of the layers and the consequence, if there are any."""
    if names:
        _log.warning("the positions of %s are not in the order of the image: %s", ", ".join(names), consequence)


def _outputs(model: nn.Module, images: Tensor, names: Sequence[str]) -> dict[str, Tensor]:
    """Run the model and return the outputs of layers, in the order of the names."""
    outputs: dict[str, Tensor] = {}

    def observe(name: str, _module: nn.Module, output: Any) -> None:
        if isinstance(output, Tensor):
            outputs[name] = output.clone()

    with forward_hooks(model, dict.fromkeys(names, observe)), torch.inference_mode(False), torch.no_grad():
        model(images)
    return {name: outputs[name] for name in names if name in outputs}


def _change_patches(example: Tensor) -> Tensor:
    """Return one image for each patch, in which it is mirrored and brighter."""
    images = example.repeat(len(_CORNERS), 1, 1, 1)
    for image, (rows, columns) in zip(images, _patches(example.shape[-2], example.shape[-1]), strict=True):
        image[:, rows, columns] = image[:, rows, columns].flip(1, 2) + 2
    return images


def _patches(height: int, width: int) -> list[tuple[slice, slice]]:
    """Return the rows and columns of each patch."""

    def span(start: float, side: int) -> slice:
        return slice(round(start * side), round(start * side) + max(round(_SIDE * side), 1))

    return [(span(top, height), span(left, width)) for top, left in _CORNERS]


def _probability_in_patches(responses: Tensor) -> float:
    """Return the probability that a position in the patch responds more than one outside, for responses (B, h, w)."""
    height, width = (8 * side for side in responses.shape[1:])
    probabilities = []
    for response, (rows, columns) in zip(responses, _patches(height, width), strict=True):
        patch = torch.zeros(1, 1, height, width)
        patch[..., rows, columns] = 1
        inside = (F.avg_pool2d(patch, 8)[0, 0] > 0.3).to(response.device)
        difference = response[inside][:, None] - response[~inside][None]
        probabilities.append(((difference.sign() + 1) / 2).mean())
    return float(torch.stack(probabilities).nanmean())


def _order_of_timm(model: nn.Module, example: Tensor, tokens: Tensor) -> Tensor | None:
    """Find the tokens (1, K, h, w) in the feature maps that timm returns in the order of the image."""
    if not hasattr(model, "forward_intermediates"):
        return None
    try:
        with forward_hooks(model, {}), torch.inference_mode(False), torch.no_grad():
            maps = model.forward_intermediates(example, intermediates_only=True)  # type: ignore[operator]
    except Exception:  # another method of that name
        return None
    for feature_map in maps:
        if isinstance(feature_map, Tensor) and feature_map.shape == tokens.shape:
            first, second = (values[0].flatten(1).mT.float() for values in (feature_map, tokens))
            distances = torch.cdist(first, second, compute_mode=_EXACT)
            closest, order = distances.min(dim=1)
            if closest.max() < 1e-3 * distances.mean() and len(order.unique()) == len(order):
                return order
    return None
