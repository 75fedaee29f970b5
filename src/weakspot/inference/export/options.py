"""What ``weakspot export`` can be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from weakspot.config import QualityName


@dataclass(frozen=True)
class ExportOptions:
    """What to export, and where to write it.

    Attributes:
        output: The file, which ends in .onnx.
        method: The method of the class maps. Default: that which a run was trained for, else gradcam.
        quality: plain, or fast, balanced or best, which are one graph: the last two look into photos more than once.
            Default: a run's own, else fast.
        images: Photos (files, folders or patterns) to compare the graph with PyTorch on, and with --int8 to calibrate
            with; may be given several times. Default: four that scikit-image carries.
        int8: Let convolutions compute with 8-bit integers: smaller and often faster, and less exact.
        weights: Weights file (.safetensors or .pth) instead of the model's pretrained weights.
        class_names: Text file with one class name a line, in the order of the logits.
        layer: Layer to read. Default: the last feature map.
        output_stride: 32, 16 or 8, as for localize.
        input_size: Side in pixels that images are squashed to, as for localize.
        threshold: Fraction of the heatmap's peak at which to cut. Default: the run's, else the quality's.
    """

    output: Annotated[Path, Parameter(name=("--output", "-o"))] = Path("model.onnx")
    method: str | None = None
    quality: QualityName | None = None
    images: tuple[str, ...] = ()
    int8: bool = False
    weights: Path | None = None
    class_names: Path | None = None
    layer: str | None = None
    output_stride: int | None = None
    input_size: int | None = None
    threshold: float | None = None
