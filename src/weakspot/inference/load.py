"""From what a user names to a classifier that is ready; and what a user may not ask of it."""

from pathlib import Path
from typing import TYPE_CHECKING

from weakspot.errors import InputError
from weakspot.inference.backends import LoadedModel
from weakspot.inference.backends.onnx import load_onnx
from weakspot.inference.backends.onnx_metadata import is_graph
from weakspot.inference.options import LocalizerOptions

if TYPE_CHECKING:
    from torch import nn


def load_model(model: "str | Path | nn.Module", options: LocalizerOptions) -> LoadedModel:
    """Open a model: a file of ``weakspot export`` with onnxruntime, anything else with PyTorch.

    Raises:
        InputError: If an option is out of its range or does not fit the model.
        ModelError: If the model cannot be used.
    """
    if options.backend not in ("auto", "torch", "onnx"):
        raise InputError(f"There is no backend {options.backend!r}.", "Take auto, torch or onnx.")
    if isinstance(model, str | Path) and is_graph(model):
        return load_onnx(Path(model), options)
    from weakspot.inference.load_torch import load_torch_model

    return load_torch_model(model, options)


def min_area_for(boxes: str, min_area: float) -> float:
    """The least area of a region beside the largest: of the largest only, that of the whole image."""
    if boxes not in ("largest", "all", "instances"):
        raise InputError(f"boxes={boxes!r} is none of largest, all and instances.", "Take one of the three.")
    if not 0 <= min_area <= 1:
        raise InputError(f"The minimum area {min_area} is outside [0, 1].", "Give a fraction of the image's area.")
    return 1.0 if boxes == "largest" else min_area
