"""Check what is to be exported, and to which file. Does not import torch."""

from pathlib import Path

from weakspot.errors import InputError
from weakspot.inference.backends.onnx_metadata import SUFFIX, is_graph


def check_export(model: object, output: Path) -> None:
    """Raise InputError: ``suffix-invalid`` unless the file ends in .onnx, ``model-unsupported`` if the model does."""
    if output.suffix != SUFFIX:
        raise InputError("suffix-invalid", f"The output file must end in {SUFFIX}, got {output}.")
    if isinstance(model, str | Path) and is_graph(model):
        hint = "Export the model or the run that it was made from."
        raise InputError("model-unsupported", f"{model} is an ONNX file already.", hint)
