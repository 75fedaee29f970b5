"""Activation functions that follow a layer without being a module: find them, and compute behind them."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.overrides import TorchFunctionMode

Arguments = tuple[tuple[str, float | str], ...]


@dataclass(frozen=True)
class Call:
    """A call of a function after a layer.

    Attributes:
        function: Name of the function.
        number: Number of the call among those of this function after the layer, from 1.
        argument: Index of the tensor among the tensors that are passed.
        in_place: Whether it changes that tensor.
    """

    function: str
    number: int
    argument: int = 0
    in_place: bool = False


@dataclass(frozen=True)
class Activation:
    """An activation function that follows a layer.

    Attributes:
        name: Name of the function in torch or in torch.nn.functional.
        positional: Its further positional arguments.
        named: Its named arguments.
        calls: The calls that compute it in the model's forward. They are skipped if the model continues with
            activations, whose gradient would be 0 where a second ReLU receives 0.

    Example:
        >>> Activation("leaky_relu", (0.5,))(torch.tensor([-2.0, 2.0])).tolist()
        [-1.0, 2.0]
    """

    name: str = "relu"
    positional: tuple[float | str, ...] = ()
    named: Arguments = ()
    calls: tuple[Call, ...] = ()

    def __call__(self, output: Tensor) -> Tensor:
        """Apply the function to a layer's output; the output is unchanged."""
        function = getattr(F, self.name, None) or getattr(torch, self.name)
        activations: Tensor = function(output, *self.positional, **dict(self.named))
        return activations


class SkipCalls(TorchFunctionMode):
    """Context in which the calls that compute the activation functions of layers return their argument.

    It intercepts the calls of its own thread. Each time that a layer runs, :meth:`restart` counts its calls anew.
    """

    def __init__(self, activations: Mapping[str, Activation]) -> None:
        super().__init__()
        self._calls = {
            layer: {(call.function, call.number): call for call in activation.calls}
            for layer, activation in activations.items()
        }
        self._names = {name for calls in self._calls.values() for name, _ in calls}
        self._counts: dict[str, Counter[str]] = {}

    def restart(self, layer: str) -> None:
        """Begin to count the calls after a layer."""
        self._counts[layer] = Counter()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        call = self._find(function_name(func))
        if call is None:
            return func(*args, **(kwargs or {}))
        tensor = float_tensors(args, kwargs)[call.argument]
        return tensor if call.in_place else tensor.clone()

    def _find(self, name: str) -> Call | None:
        """Count a call, and return it if it is to be skipped."""
        if name not in self._names:
            return None
        found = None
        for layer, counts in self._counts.items():
            counts[name] += 1
            found = found or self._calls[layer].get((name, counts[name]))
        return found


def function_name(func: Callable[..., Any]) -> str:
    """Return the name of a function, a method or a scripted function."""
    return str(getattr(func, "__name__", None) or getattr(func, "name", type(func).__name__))


def float_tensors(args: Iterable[Any], kwargs: Mapping[str, Any] | None) -> list[Tensor]:
    """Return the tensors of floats among the arguments of a function, in order."""
    values = (*args, *(kwargs or {}).values())
    return [value for value in values if isinstance(value, Tensor) and value.is_floating_point()]
