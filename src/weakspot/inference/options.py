"""Options of a Localizer, in one record that commands and Python callers share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weakspot.config import PRETRAINED, BackendName, BoxesName, QualityName, RefinementName


@dataclass(frozen=True)
class LocalizerOptions:
    """How a classifier is loaded, and how its class maps become boxes.

    Attributes:
        method: cam, gradcam, gradcam++, layercam, xgradcam, hirescam, scorecam, ablationcam, eigencam, guided_gradcam
            or counterfactual; for runs of acol also acol, acol_a and acol_b, for ts_cam ts_cam. Default: the method
            that a run was trained for, else gradcam.
        quality: plain: class maps as published. fast: propagated to similar positions, in one forward pass. balanced:
            also averaged over crops and weighted by a foreground head that is fitted to the images, 4 passes. best: the
            same with more crops. Default: the quality of a run, else fast.
        layer: Layer whose output is read; several are fused. Default: the last feature map.
        class_names: One name per logit, or a text file with one name per line. Default: the model's own, else indices.
        mean: Mean of each input channel, for pixels in [0, 1]. Default: the model's own, else ImageNet's.
        std: Standard deviation of each input channel. Default: as for the mean.
        input_size: Side of the square that images are resized to, in pixels, or height and width. Default: 9/7 of the
            model's own if it is a timm or torchvision name and the quality is not plain, else the model's own.
        device: auto, cpu, cuda, cuda:1 and so on.
        weights: pretrained, or a weights file (.safetensors or .pth) for a timm or torchvision name.
        output_stride: 32, 16 or 8: finer maps from the same weights at a higher cost. Default: 16, with the quality
            plain the model's own.
        threshold: Fraction of the heatmap's peak at which boxes are cut, in (0, 1]. Default: the run's, else the
            quality's, else the method's.
        boxes: largest: the largest region. all: all regions. instances: all regions; regions with several peaks are
            separated by watershed.
        min_area: With all and instances: minimum area of a region as a fraction of the image.
        min_score: Minimum score of a box, in [0, 1]: the score of the class times the mean heatmap value in the region.
        refine: Snap heatmaps to image edges with grabcut, random_walker or superpixels. Default: no refinement.
        channels: With scorecam: number of channels to try, the most varied first. Default: all, one forward pass each.
        max_pixels: Images with more pixels are rejected before they are decoded. Default: 89 million, as in Pillow.
        uncertainty: Estimate the uncertainty of each box, from 0 to 1, without a further forward pass. Boxes of a psol
            run have none.
        backend: torch; onnx: ONNX Runtime, several times as fast on a CPU, from a graph that is exported once and
            cached; auto: ONNX Runtime on a CPU if the graph is cached, or after 1000 images.
    """

    method: str | None = None
    quality: QualityName | None = None
    layer: tuple[str, ...] | None = None
    class_names: Path | Sequence[str] | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    input_size: int | tuple[int, int] | None = None
    device: str = "auto"
    weights: str | Path | None = PRETRAINED
    output_stride: int | None = None
    threshold: float | None = None
    boxes: BoxesName = "largest"
    min_area: float = 0.01
    min_score: float = 0.0
    refine: RefinementName | None = None
    channels: int | None = None
    max_pixels: int | None = None
    uncertainty: bool = False
    backend: BackendName = "auto"
