"""Export a PyTorch module to ONNX."""

import logging
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from weakspot.errors import ModelError

# Maximum size of the weights: one protobuf message cannot be larger than 2 GiB.
_MAX_BYTES = 2_000_000_000


def to_onnx(
    module: nn.Module,
    example: Mapping[str, Tensor],
    outputs: Sequence[str],
    *,
    dynamic: Mapping[str, Mapping[int, str]],
    metadata: Mapping[str, str],
) -> bytes:
    """Export a module in evaluation mode to the bytes of an ONNX file.

    Args:
        module: The module.
        example: Inputs by name, in the order of ``forward``; more than one image.
        outputs: Names of the outputs.
        dynamic: Axes of each input that may have any length, and their names.
        metadata: Metadata of the file.
    """
    size = sum(tensor.numel() * tensor.element_size() for tensor in module.state_dict().values())
    if size > _MAX_BYTES:
        problem = f"The weights must be at most 2 GB for an ONNX file, got {size / 1e9:.1f} GB."
        raise ModelError("model-too-large", problem)
    proto = _export(module, example, outputs, dynamic)
    _name_axes(proto.graph, dynamic)
    for key, value in metadata.items():
        proto.metadata_props.add(key=key, value=value)
    serialized: bytes = proto.SerializeToString()
    return serialized


def _export(
    module: nn.Module, example: Mapping[str, Tensor], outputs: Sequence[str], dynamic: Mapping[str, Mapping[int, str]]
) -> Any:
    try:
        import onnx  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        problem = "ONNX export needs onnx and onnxscript, which are not installed."
        raise ModelError("not-installed", problem, "Run: pip install 'weakspot[onnx]'") from error
    shapes = {name: dict.fromkeys(dynamic[name], torch.export.Dim.DYNAMIC) for name in example}
    try:
        with _quiet(), torch.no_grad():
            program = torch.export.export(module, (), dict(example), dynamic_shapes=shapes, strict=False)
            exported = torch.onnx.export(
                program, dynamo=True, verbose=False, input_names=list(example), output_names=list(outputs)
            )
    except Exception as error:  # the exceptions of the exporter have no common base class
        raise ModelError(
            "export-failed",
            f"Cannot export the model to ONNX: {_root_cause(error)}",
            "Localize with the model itself: --backend onnx exports its forward pass only, --backend torch nothing.",
        ) from error
    assert exported is not None
    return exported.model_proto


def _root_cause(error: BaseException) -> str:
    """Return the message of the first error in a chain, in one line."""
    while error.__cause__ is not None:
        error = error.__cause__
    return " ".join(str(error).split())[:200]


def _name_axes(graph: Any, names: Mapping[str, Mapping[int, str]]) -> None:
    """Replace the exporter's numbered names of dynamic axes, everywhere in the graph."""
    new_names = {
        value.type.tensor_type.shape.dim[axis].dim_param: name
        for value in graph.input
        for axis, name in names[value.name].items()
    }
    for value in (*graph.input, *graph.output, *graph.value_info):
        for dimension in value.type.tensor_type.shape.dim:
            if dimension.dim_param in new_names:
                dimension.dim_param = new_names[dimension.dim_param]


@contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the exporter's own warnings and log messages."""
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
