"""Refuse models that run on several views of an image, such as a flipped one: their maps are not those of the image."""

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from weakspot.errors import ModelError
from weakspot.models.hooks import forward_hooks
from weakspot.models.model_outputs import extract_logits


def check_single_view(model: nn.Module, example: Tensor) -> None:
    """Check that the first layer with parameters runs once.

    The map of the last of several views would be taken for that of the image: a box on the wrong side if it is flipped.

    Args:
        model: The classifier, which is run.
        example: An image of the input size, shape (1, 3, H, W).

    Raises:
        ModelError: ``several-views``.
    """
    runs: list[str] = []

    def record(name: str, _module: nn.Module, _output: object) -> None:
        if not runs or runs[0] == name:
            runs.append(name)

    names = [name for name, module in model.named_modules() if name and _has_parameters(module)]
    with forward_hooks(model, dict.fromkeys(names, record)), torch.inference_mode(False), torch.no_grad():
        extract_logits(model(example), example.shape[0])
    if len(runs) > 1:
        raise _several_views(runs[0], len(runs))


def check_batch(activations: Iterable[tuple[str, Tensor]], count: int) -> None:
    """Check that the activations (B, K, h, w) of each layer are of as many images as the model was given.

    Raises:
        ModelError: ``several-views``.
    """
    for name, values in activations:
        if len(values) != count:
            raise _several_views(name, len(values))


def _several_views(layer: str, views: int) -> ModelError:
    return ModelError(
        "several-views",
        f"The model runs {layer} on {views} views of an image, such as flipped ones or crops.",
        "Pass the module inside, which runs once for each image.",
    )


def _has_parameters(module: nn.Module) -> bool:
    return next(module.parameters(recurse=False), None) is not None
