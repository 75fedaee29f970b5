"""Load a model by name, path or module, and validate the options of boxes."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from weakspot.config import BackendName, BoxesName
from weakspot.errors import InputError, check_fraction
from weakspot.inference.backends import LoadedModel
from weakspot.inference.backends.onnx import load_onnx
from weakspot.inference.backends.onnx_metadata import is_graph
from weakspot.inference.options import LocalizerOptions

if TYPE_CHECKING:
    from torch import nn


def load_model(model: "str | Path | nn.Module", options: LocalizerOptions) -> LoadedModel:
    """Load a file of ``weakspot export`` with ONNX Runtime, any other model with PyTorch."""
    if options.backend not in get_args(BackendName):
        raise InputError("unknown-backend", f"backend must be auto, torch or onnx, got {options.backend!r}.")
    if isinstance(model, str | Path) and is_graph(model):
        return load_onnx(Path(model), options)
    from weakspot.inference.load_torch import load_torch_model

    return load_torch_model(model, options)


def region_options(boxes: str, min_area: float) -> dict[str, Any]:
    """Return the fields of ``PostprocessConfig`` for a choice of boxes.

    Example:
        >>> region_options("instances", 0.01)
        {'min_area': 0.01, 'split': True, 'by_evidence': True}
    """
    if boxes not in get_args(BoxesName):
        raise InputError("unknown-choice", f"boxes must be best, largest, all or instances, got {boxes!r}.")
    check_fraction(min_area, "min_area")
    # A minimum area of the whole image leaves the default region alone.
    return {
        "min_area": 1.0 if boxes in ("best", "largest") else min_area,
        "split": boxes == "instances",
        "by_evidence": boxes != "largest",
    }
