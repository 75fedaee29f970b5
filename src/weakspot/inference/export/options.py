"""Options of ``weakspot export``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from weakspot.inference.command_options import ADVANCED, BOXES, METHOD, OUTPUT, MethodOptions, ModelOptions


@dataclass(frozen=True)
class ExportOptions(MethodOptions, ModelOptions):
    """What to export, and where to write it.

    Attributes:
        output_stride: 32, 16 or 8, as for localize.
        threshold: Fraction of the heatmap's peak at which boxes are cut, as for localize.
        output: File to write; its name ends in .onnx.
        images: Images (files, folders or patterns) to compare the graph with PyTorch on, and to calibrate --int8 with;
            repeat it for several. Default: four images of scikit-image.
        int8: Use 8-bit integers in convolutions: smaller, often faster, less exact.
    """

    output_stride: Annotated[int | None, METHOD] = None
    threshold: Annotated[float | None, BOXES] = None
    output: Annotated[Path, OUTPUT, Parameter(name=("--output", "-o"))] = Path("model.onnx")
    images: Annotated[tuple[str, ...], ADVANCED] = ()
    int8: Annotated[bool, ADVANCED] = False
