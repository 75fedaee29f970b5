"""Export a model: write the graph, compare it with PyTorch, and optionally quantize it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from weakspot.cams import find_method
from weakspot.config import __version__
from weakspot.data import ImageSource, read_image
from weakspot.errors import InputError
from weakspot.inference.backends.base import Pixels
from weakspot.inference.backends.onnx import OnnxBackend
from weakspot.inference.backends.onnx_export import to_onnx
from weakspot.inference.backends.onnx_metadata import CLASSES, IMAGES, OnnxMetadata
from weakspot.inference.backends.onnx_session import Session
from weakspot.inference.export.checks import check_export
from weakspot.inference.export.graph_module import GraphModule, check_exportable, is_exportable
from weakspot.inference.export.parity import Difference, check_parity, compare_backends
from weakspot.inference.export.quantization import quantize
from weakspot.inference.localizer import Localizer
from weakspot.io.atomic import atomic_write
from weakspot.ops.uncertainty import reference_method

# Maximum number of images for the comparison and the calibration.
MAX_IMAGES = 128


@dataclass(frozen=True)
class ExportResult:
    """The file and its metadata, and the differences of the float32 and of the quantized graph from PyTorch."""

    path: Path
    metadata: OnnxMetadata
    difference: Difference
    int8: Difference | None = None


def export(
    model: str | Path | nn.Module | Localizer,
    output: str | Path,
    *,
    images: Iterable[ImageSource],
    int8: bool = False,
    **options: Any,
) -> ExportResult:
    """Write a classifier and its class maps as one ONNX file, and compare it with PyTorch.

    Inputs of the graph: ``images`` (B, height, width, channels), uint8, resized to its input size, and ``classes``
    (B, C), int64: -1 is the most probable class of an image, -2 the next. Outputs: ``logits`` (B, N), ``chosen``
    (B, C), ``maps`` (B, C, h, w), ``has_negative_activations`` (B,), and if available ``evidence`` (the maps
    before propagation), ``foreground`` (B, 1, h, w) and ``reference_maps`` (B, C, h, w).

    The first 128 images that can be read are used: for the comparison, for the calibration with ``int8`` (8-bit
    convolutions: smaller and faster, but less accurate), and for the foreground head of the qualities that fit one.
    ``model`` is a Localizer, or its ``model`` argument with its other arguments as ``options``.

    Raises:
        InputError: If the method cannot be exported, no image can be read, or an option does not fit.
        ModelError: If the model cannot be exported, or ``graph-mismatch``.
    """
    path = Path(output)
    check_export(model, path)
    localizer = model if isinstance(model, Localizer) else Localizer(model, **{**options, "backend": "torch"})
    check_exportable(localizer.torch_backend.classifier, localizer.method)
    sources = _readable(images, localizer.max_pixels)
    if localizer.needs_adaptation:
        localizer.adapt(sources)
    pixels = [_resize(localizer, source) for source in sources]
    name = Path(model).name if isinstance(model, str | Path) else type(localizer.model).__name__
    metadata = describe(localizer, name)
    graph = build_graph(localizer, metadata)
    float_difference = _compare(localizer, graph, metadata, pixels)
    check_parity(float_difference)
    if not int8:
        _write(graph, path)
        return ExportResult(path, metadata, float_difference)
    metadata = replace(metadata, int8=True)
    graph = quantize(graph, pixels, metadata)
    _write(graph, path)
    return ExportResult(path, metadata, float_difference, _compare(localizer, graph, metadata, pixels))


def describe(localizer: Localizer, source: str) -> OnnxMetadata:
    """Return the metadata of the graph of a localizer in PyTorch, for a model of the name ``source``."""
    backend, method = localizer.torch_backend, localizer.method
    reference = reference_method(method)
    config = localizer.config
    info = replace(
        config.info,
        method=method,
        threshold=localizer.threshold,
        class_thresholds=_class_thresholds(localizer),
        calibration=config.calibration,
    )
    return OnnxMetadata(
        info,
        __version__,
        source,
        reference_method=reference if is_exportable(backend.classifier, reference) else "",
        default_threshold=backend.default_threshold(method),
        layers=backend.layers,
        has_foreground_head=backend.has_foreground_head,
        is_box_regressor=not find_method(method).can_propagate,
    )


def _class_thresholds(localizer: Localizer) -> tuple[float, ...]:
    """Return the class thresholds that are built into the graph, if they lead to the localizer's own threshold."""
    built_in = localizer.torch_backend.class_thresholds
    fits = built_in is not None and (built_in.method, built_in.threshold) == (localizer.method, localizer.threshold)
    return built_in.values if built_in is not None and fits else ()


def build_graph(localizer: Localizer, metadata: OnnxMetadata) -> bytes:
    """Export the classifier and the class maps of a localizer in PyTorch to the bytes of an ONNX file."""
    preprocessing, class_names = metadata.info.preprocessing, metadata.info.class_names
    methods = [name for name in (metadata.info.method, metadata.reference_method) if name]
    module = GraphModule(localizer.torch_backend, methods).eval()
    shape = (2, preprocessing.height, preprocessing.width, len(preprocessing.mean))
    images = torch.randint(256, shape, dtype=torch.uint8)
    classes = torch.tensor([[-1, min(1, len(class_names) - 1)]] * 2)
    return to_onnx(
        module,
        {IMAGES: images, CLASSES: classes},
        module.outputs,
        dynamic={IMAGES: {0: "batch"}, CLASSES: {0: "batch", 1: "selected"}},
        metadata=metadata.to_metadata(),
    )


def _write(graph: bytes, path: Path) -> None:
    with atomic_write(path) as file:
        file.write(graph)


def _compare(localizer: Localizer, graph: bytes, metadata: OnnxMetadata, pixels: Sequence[Pixels]) -> Difference:
    return compare_backends(localizer.torch_backend, OnnxBackend(Session(graph), metadata), pixels, localizer.method)


def _readable(images: Iterable[ImageSource], max_pixels: int) -> list[ImageSource]:
    """Return the first images that can be read."""
    readable: list[ImageSource] = []
    first_error: InputError | None = None
    for source in images:
        try:
            read_image(source, max_pixels=max_pixels)
            readable.append(source)
        except InputError as error:
            first_error = first_error or error
        if len(readable) == MAX_IMAGES:
            break
    if not readable:
        reason = "." if first_error is None else f": {first_error.problem}"
        raise InputError("images-empty", f"Comparing the graph with PyTorch needs at least one image{reason}")
    return readable


def _resize(localizer: Localizer, source: ImageSource) -> Pixels:
    """Read an image and resize it to the model's input size."""
    size, pixels = localizer.preprocessing, localizer.resize(read_image(source, max_pixels=localizer.max_pixels))
    return localizer.torch_backend.resize(pixels, height=size.height, width=size.width)
