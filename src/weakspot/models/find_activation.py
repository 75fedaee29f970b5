"""Find the activation function that a model applies to the output of a layer without a module."""

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from weakspot.models.call_observer import CLAMPS, Observed, observe_calls
from weakspot.models.following_activation import Activation, Call
from weakspot.models.hooked_forward import TargetLayer, forward_with_hooks

# Largest difference between the logits with the function at the layer and those of the model, as a fraction of their
# range: functions that are written by hand round differently.
_TOLERANCE = 1e-5

_Calls = Mapping[tuple[str, int], Observed]


def detect_activation(model: nn.Module, layer: TargetLayer, example: Tensor) -> TargetLayer:
    """Return the layer with the activation function that follows it and is not a module; a ReLU may be a module.

    A function follows the layer if applying it to the layer's output, in place of the calls that compute it, changes no
    logit. A ReLU may come after operations that it commutes with, such as max pooling.

    Args:
        model: The classifier, which is run.
        layer: The layer.
        example: An image of the input size, shape (1, 3, H, W).
    """
    forward_pass = forward_with_hooks(model, [layer], example)
    logits = forward_pass.logits
    spread = float(logits.amax() - logits.amin() if logits.numel() > 1 else logits.abs())
    if forward_pass.activations[0].amin() >= 0 or spread == 0:
        return layer
    tolerance = _TOLERANCE * spread
    calls = observe_calls(model, layer, example)
    for clamp in CLAMPS:
        candidate = _with_clamp(model, layer, clamp, calls, example)
        if candidate is not None and _is_close(model, candidate, example, logits, tolerance):
            return candidate
    for activation in _find_activations(calls):
        candidate = replace(layer, activation=activation)
        if _is_close(model, candidate, example, logits, tolerance):
            return candidate
    return layer


def _is_close(model: nn.Module, layer: TargetLayer, example: Tensor, logits: Tensor, tolerance: float) -> bool:
    found = forward_with_hooks(model, [layer], example).logits
    return torch.allclose(found, logits, rtol=0, atol=tolerance)


def _with_clamp(
    model: nn.Module, layer: TargetLayer, clamp: Activation, calls: _Calls, example: Tensor
) -> TargetLayer | None:
    """Return the layer with a ReLU or ReLU6 and the calls that change its output, but not the clamped output."""
    clamped = TargetLayer(layer.name, followed_by_relu=clamp.name == "relu", activation=clamp)
    clamping = {key: call for key, call in calls.items() if call.clamp == clamp}
    if not clamping:
        return None
    again = observe_calls(model, clamped, example)
    upper = 6.0 if clamp.name == "relu6" else float("inf")

    def is_identity(key: tuple[str, int]) -> bool:
        if key not in again:
            return False
        minimum, maximum = again[key].ranges[clamping[key].argument]
        return minimum >= 0 and maximum <= upper

    skipped = tuple(call.call for key, call in clamping.items() if is_identity(key))
    return replace(clamped, activation=replace(clamp, calls=skipped)) if skipped else None


def _find_activations(calls: _Calls) -> list[Activation]:
    """Return the other functions that are applied to a layer's output, each with all its calls."""
    found: dict[Activation, list[Call]] = {}
    for call in calls.values():
        if call.activation is not None and not call.returned_by_module:
            found.setdefault(call.activation, []).append(call.call)
    # The last first: x * sigmoid(x) is a function of the layer's output, and its sigmoid is one, too.
    return [replace(activation, calls=tuple(of_it)) for activation, of_it in reversed(found.items())]
