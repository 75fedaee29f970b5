"""Export a model: write the graph, compare it with PyTorch, and if wanted make it compute with integers."""

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
from weakspot.inference.backends.onnx_metadata import CLASSES, IMAGES, SUFFIX, OnnxMetadata, is_graph
from weakspot.inference.backends.onnx_session import Session
from weakspot.inference.export.graph_module import PhotosToMaps, fits, refuse_unfit
from weakspot.inference.export.parity import Difference, difference, refuse_different
from weakspot.inference.export.quantization import quantised
from weakspot.inference.localizer import Localizer
from weakspot.io.atomic import atomic_write
from weakspot.ops.uncertainty import reference_method

# So many photos are compared, and calibrated with.
MOST_PHOTOS = 128


@dataclass(frozen=True)
class Exported:
    """What became of an export.

    Attributes:
        path: The file.
        graph: What it says of itself.
        difference: How far it is from PyTorch in 32-bit floats.
        int8: How far it is with integers, where that was wanted.
    """

    path: Path
    graph: OnnxMetadata
    difference: Difference
    int8: Difference | None = None


def export(
    model: str | Path | nn.Module | Localizer,
    output: str | Path,
    *,
    images: Iterable[ImageSource],
    int8: bool = False,
    **options: Any,
) -> Exported:
    """Write a classifier and its class maps as one ONNX file, and check it against PyTorch.

    The graph takes ``images`` (B, height, width, channels), uint8, squashed to its size, and ``classes`` (B, C), int64:
    -1 is the most probable class of an image, -2 the next. It gives ``logits`` (B, N), ``chosen`` (B, C), ``maps``
    (B, C, h, w), ``signed`` (B,), and where there are any ``foreground`` (B, 1, h, w) and ``witness`` (B, C, h, w).

    Args:
        model: A Localizer, or what it takes.
        output: The file, which ends in ``.onnx``.
        images: Photos to compare both on, and with ``int8`` to calibrate with; the first 128 that can be read count.
            A quality that learns what foreground looks like learns it from them.
        int8: Whether convolutions shall compute with 8-bit integers: smaller and faster, and less exact.
        options: What Localizer takes.

    Returns:
        The file, and how far it is from PyTorch.

    Raises:
        InputError: If the method cannot be computed in one graph, no photo can be read, or an option does not fit.
        ModelError: If the model cannot be exported, or the graph is not the model.
    """
    path = Path(output)
    if path.suffix != SUFFIX:
        raise InputError(f"The file {path} does not end in {SUFFIX}.", f"Name it {path.with_suffix(SUFFIX).name}.")
    if isinstance(model, str | Path) and is_graph(model):
        hint = "Localize with it, or export the model or the run that it was made from."
        raise InputError(f"{model} is a file of weakspot export already.", hint)
    localizer = model if isinstance(model, Localizer) else Localizer(model, **{**options, "backend": "torch"})
    refuse_unfit(localizer.torch_backend.cut, localizer.method)
    sources = _readable(images, localizer.max_pixels)
    if localizer.adapts:
        localizer.adapt(sources)
    photos = [_squashed(localizer, source) for source in sources]
    name = Path(model).name if isinstance(model, str | Path) else type(localizer.model).__name__
    graph = describe(localizer, name)
    floats = graph_of(localizer, graph)
    found = _difference(localizer, floats, graph, photos)
    refuse_different(found)
    if not int8:
        _write(floats, path)
        return Exported(path, graph, found)
    graph = replace(graph, int8=True)
    integers = quantised(floats, photos, graph)
    _write(integers, path)
    return Exported(path, graph, found, _difference(localizer, integers, graph, photos))


def describe(localizer: Localizer, source: str) -> OnnxMetadata:
    """What a graph of a localizer says of itself.

    Args:
        localizer: In PyTorch.
        source: Name of the model.
    """
    backend, readout, sight = localizer.torch_backend, localizer.readout, localizer.sight
    witness = reference_method(localizer.method)
    return OnnxMetadata(
        __version__,
        source,
        localizer.method,
        witness if fits(backend.cut, witness) else "",
        localizer.quality,
        sight.quality.zooms != () or not backend.has_foreground_head,
        localizer.threshold,
        sight.threshold,
        localizer.class_names,
        localizer.preprocessing,
        readout.multi_label,
        readout.background,
        backend.layers,
        backend.has_foreground_head,
        not find_method(localizer.method).can_propagate,
    )


def graph_of(localizer: Localizer, graph: OnnxMetadata) -> bytes:
    """Export a localizer's classifier and class maps.

    Args:
        localizer: In PyTorch.
        graph: What the graph is to say of itself.
    """
    frame, methods = graph.preprocessing, [name for name in (graph.method, graph.witness) if name]
    module = PhotosToMaps(localizer.torch_backend, methods).eval()
    photos = torch.randint(256, (2, frame.height, frame.width, len(frame.mean)), dtype=torch.uint8)
    classes = torch.tensor([[-1, min(1, len(graph.class_names) - 1)]] * 2)
    return to_onnx(
        module,
        {IMAGES: photos, CLASSES: classes},
        module.outputs,
        dynamic={IMAGES: {0: "batch"}, CLASSES: {0: "batch", 1: "asked"}},
        metadata=graph.to_metadata(),
    )


def _write(graph: bytes, path: Path) -> None:
    with atomic_write(path) as file:
        file.write(graph)


def _difference(localizer: Localizer, graph: bytes, told: OnnxMetadata, photos: Sequence[Pixels]) -> Difference:
    return difference(localizer.torch_backend, OnnxBackend(Session(graph), told), photos, localizer.method)


def _readable(images: Iterable[ImageSource], max_pixels: int) -> list[ImageSource]:
    """The first of the images that can be read."""
    good: list[ImageSource] = []
    first: InputError | None = None
    for source in images:
        try:
            read_image(source, max_pixels=max_pixels)
            good.append(source)
        except InputError as error:
            first = first or error
        if len(good) == MOST_PHOTOS:
            break
    if not good:
        reason = "" if first is None else f": {first.problem}"
        raise InputError(f"There is no photo to compare the graph with PyTorch on{reason}", "Name some.")
    return good


def _squashed(localizer: Localizer, source: ImageSource) -> Pixels:
    """A photo at the size that the model sees."""
    frame, pixels = localizer.preprocessing, localizer.resize(read_image(source, max_pixels=localizer.max_pixels))
    return localizer.torch_backend.resize(pixels, height=frame.height, width=frame.width)
