"""From a PyTorch module to ONNX."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from weakspot.errors import ModelError

# What one protobuf message can hold, less what is beside the weights.
_MOST_BYTES = 2_000_000_000


def to_onnx(
    module: nn.Module,
    example: Mapping[str, Tensor],
    outputs: Sequence[str],
    *,
    dynamic: Mapping[str, Mapping[int, str]],
    metadata: Mapping[str, str],
) -> bytes:
    """Export a module to what an ONNX file holds.

    Args:
        module: In evaluation mode.
        example: Inputs by name, in the order of its forward; more than one image.
        outputs: Names of what it returns.
        dynamic: Axes of each input that may have any length, and what they are called.
        metadata: What to write beside it.

    Raises:
        ModelError: If the packages for it are not installed, or the module cannot be exported.
    """
    size = sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
    if size > _MOST_BYTES:
        problem = f"The weights are {size / 1e9:.1f} GB, and one ONNX file holds no more than 2."
        raise ModelError(problem, "Use the model in PyTorch, or take a smaller one.")
    proto = _exported(module, example, outputs, dynamic)
    _name_axes(proto.graph, dynamic)
    for key, value in metadata.items():
        proto.metadata_props.add(key=key, value=value)
    found: bytes = proto.SerializeToString()
    return found


def _exported(
    module: nn.Module, example: Mapping[str, Tensor], outputs: Sequence[str], dynamic: Mapping[str, Mapping[int, str]]
) -> Any:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise ModelError("What exports to ONNX is not installed.", "Run: pip install 'weakspot[onnx]'") from error
    shapes = {name: dict.fromkeys(dynamic[name], torch.export.Dim.DYNAMIC) for name in example}
    try:
        with _quiet(), torch.no_grad():
            program = torch.export.export(module, (), dict(example), dynamic_shapes=shapes, strict=False)
            found = torch.onnx.export(
                program, dynamo=True, verbose=False, input_names=list(example), output_names=list(outputs)
            )
    except Exception as error:  # what the exporter raises has no common root
        raise ModelError(
            f"The model cannot be exported to ONNX: {_reason(error)}",
            "Localize with the model itself: --backend onnx runs its trunk in onnxruntime, --backend torch none of it.",
        ) from error
    assert found is not None
    return found.model_proto


def _reason(error: BaseException) -> str:
    """What went wrong in the end, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:200]


def _name_axes(graph: Any, names: Mapping[str, Mapping[int, str]]) -> None:
    """Call axes of any length what they are, instead of by a number, wherever they come up."""
    known = {
        value.type.tensor_type.shape.dim[axis].dim_param: name
        for value in graph.input
        for axis, name in names[value.name].items()
    }
    for value in (*graph.input, *graph.output, *graph.value_info):
        for side in value.type.tensor_type.shape.dim:
            if side.dim_param in known:
                side.dim_param = known[side.dim_param]


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporter's warnings of its own parts."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "torch.export", "onnx_ir")]
    levels = [logger.level for logger in loggers]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.setLevel(level)
