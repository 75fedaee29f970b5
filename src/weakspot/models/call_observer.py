"""Record which functions a model calls after a layer, and which of them are activation functions."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from weakspot.models.following_activation import Activation, Call, float_tensors, function_name
from weakspot.models.hooked_forward import TargetLayer
from weakspot.models.hooks import forward_hooks
from weakspot.models.model_outputs import extract_logits

# Elementwise functions by their names in torch, torch.nn.functional and as methods, in place or not.
_ACTIVATIONS = frozenset(
    """celu clamp clamp_max clamp_min clip elu gelu hardsigmoid hardswish hardtanh leaky_relu logsigmoid mish selu
    sigmoid silu softplus softsign tanh threshold""".split()  # noqa: SIM905
)
# Functions that are also written by hand, such as x * sigmoid(x).
_BY_HAND = (Activation("silu"), Activation("hardswish"))
CLAMPS = (Activation("relu"), Activation("relu6"))
# Values are scaled by it to tell a ReLU from a ReLU6.
_SCALE = 1000.0


@dataclass(eq=False)
class Observed:
    """A call of a function after a layer.

    Attributes:
        function: Name of the function.
        number: Number of the call among those of this function.
        ranges: Minimum and maximum of each tensor that was passed.
        in_place: Whether the first of them was changed.
        clamp: ReLU or ReLU6 if the call computes it from a tensor with negative values.
        argument: Index of that tensor.
        activation: Another function that the call computes from the layer's output.
        result: The tensor that it returned then.
        returned_by_module: Whether a module returned that tensor.
    """

    function: str
    number: int
    ranges: tuple[tuple[float, float], ...]
    in_place: bool = False
    clamp: Activation | None = None
    argument: int = 0
    activation: Activation | None = None
    result: object = None
    returned_by_module: bool = False

    @property
    def call(self) -> Call:
        """The call, to be skipped."""
        return Call(self.function, self.number, self.argument, self.in_place)


def observe_calls(model: nn.Module, layer: TargetLayer, example: Tensor) -> dict[tuple[str, int], Observed]:
    """Run a model and return the calls after the last run of a layer, by name and number."""
    observer = _Observer()

    def hand_on(_name: str, _module: nn.Module, output: object) -> Tensor | None:
        if not isinstance(output, Tensor):
            return None
        handed = layer.activate(output).clone()
        observer.restart(handed)
        return handed

    def mark_returned(_name: str, _module: nn.Module, output: object) -> None:
        for observed in observer.calls.values():
            observed.returned_by_module |= observed.activation is not None and observed.result is output

    hooks = {name: mark_returned for name, _ in model.named_modules() if name} | {layer.name: hand_on}
    with forward_hooks(model, hooks), torch.inference_mode(False), torch.no_grad(), observer:
        extract_logits(model(example), example.shape[0])
    return observer.calls


@dataclass(eq=False)
class _Observer(TorchFunctionMode):
    """Context that records calls, from the last restart on."""

    output: Tensor | None = None
    calls: dict[tuple[str, int], Observed] = field(default_factory=dict)
    counts: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        super().__init__()

    def restart(self, output: Tensor) -> None:
        """Begin to record the calls after a layer, whose output was handed on."""
        self.output = output
        self.calls.clear()
        self.counts.clear()

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        named = dict(kwargs or {})
        if self.output is None:
            return func(*args, **named)
        name = function_name(func)
        self.counts[name] += 1
        tensors = float_tensors(args, named)
        before = [tensor.clone() for tensor in tensors]  # the function may be in place
        output = func(*args, **named)
        result = tensors[0] if tensors and name == "__setitem__" else output
        if before and isinstance(result, Tensor) and result.is_floating_point() and result.numel():
            ranges = tuple((float(tensor.amin()), float(tensor.amax())) for tensor in before if tensor.numel())
            observed = Observed(name, self.counts[name], ranges, result is tensors[0])
            self.calls[name, observed.number] = observed
            self._find_clamp(observed, func, (args, named), tensors, before, result)
            if tensors[0] is self.output and observed.clamp is None:
                candidates = (*_activation_of(name, args, named), *_BY_HAND)
                observed.activation = next((f for f in candidates if _computes(f, before[0], result)), None)
                observed.result = result
        return output

    def _find_clamp(
        self,
        observed: Observed,
        func: Callable[..., Any],
        arguments: tuple[tuple[Any, ...], dict[str, Any]],
        tensors: list[Tensor],
        before: list[Tensor],
        result: Tensor,
    ) -> None:
        for i, (values, (minimum, _)) in enumerate(zip(before, observed.ranges, strict=False)):
            for clamp in CLAMPS if minimum < 0 and values.shape == result.shape and self._is_map(values) else ():
                if torch.equal(clamp(values), result) and self._clamps(func, arguments, tensors[i], values, clamp):
                    observed.clamp, observed.argument = clamp, i
                    return

    def _is_map(self, values: Tensor) -> bool:
        """Return whether values are those of the layer, or of a smaller feature map: not pooled to one position."""
        assert self.output is not None
        is_pooled_map = values.dim() == 4 and values.shape[2] * values.shape[3] > 1
        return values.numel() == self.output.numel() or is_pooled_map

    def _clamps(
        self,
        func: Callable[..., Any],
        arguments: tuple[tuple[Any, ...], dict[str, Any]],
        tensor: Tensor,
        values: Tensor,
        clamp: Activation,
    ) -> bool:
        """Call a function again on large values and compare it with a clamp."""
        large = values * _SCALE
        args, named = arguments
        scaled = [large.clone() if value is tensor else value for value in args]
        output = func(*scaled, **{key: large.clone() if value is tensor else value for key, value in named.items()})
        return torch.equal(scaled[0] if output is None else output, clamp(large))


def _activation_of(name: str, args: tuple[Any, ...], named: Mapping[str, Any]) -> list[Activation]:
    """Return the activation function of a call, if it is one."""
    name = name.rstrip("_")
    positional = tuple(value for value in args[1:] if isinstance(value, int | float) and not isinstance(value, bool))
    others = tuple((key, value) for key, value in named.items() if isinstance(value, int | float | str))
    others = tuple((key, value) for key, value in others if key != "inplace")
    return [Activation(name, positional, others)] if name in _ACTIVATIONS else []


def _computes(activation: Activation, before: Tensor, result: Tensor) -> bool:
    try:
        return before.shape == result.shape and torch.allclose(activation(before), result, rtol=1e-5, atol=1e-6)
    except (TypeError, RuntimeError):  # arguments that are not kept, such as tensors
        return False
