"""What ``weakspot evaluate`` and ``weakspot compare`` can be told."""

from dataclasses import dataclass
from pathlib import Path

from weakspot.config import BackendName, QualityName, RefinementName


@dataclass(frozen=True)
class MeasureOptions:
    """What evaluate and compare have in common.

    Attributes:
        test_split: Split to score; all takes everything.
        val_split: Split to fix thresholds on; passed over where there is none.
        threshold: Fixed by hand, a fraction of the heatmap's peak, instead of on the validation split.
        ground_truth: File of the true boxes (CSV, COCO JSON, or a folder of VOC XML), if it is not in DATA.
        images: Folder of the images, if it is not in DATA.
        weights: Weights file (.safetensors or .pth) instead of the model's pretrained weights.
        class_names: Text file with one class name a line, in the order of the logits.
        layer: Layer to read; may be given several times, the maps are then fused. Default: the last feature map.
        input_size: Side in pixels that images are squashed to. Default: what suits model and quality, as for
            localize.
        channels: With scorecam: how many channels to try. Default: all, one forward pass each.
        refine: grabcut, random_walker or superpixels: make heatmaps keep to the image's edges. Default: none.
        output: Folder to write to. Default: evaluated or compared, with a number where that is taken.
        samples: Bootstrap samples for the confidence intervals; 0 for none.
        seed: Of the bootstrap.
        device: auto, cpu, cuda, cuda:1 and so on.
        backend: torch, onnx or auto, as for localize.
        batch_size: Images in one forward pass.
        workers: Threads that decode and score.
    """

    test_split: str = "test"
    val_split: str = "val"
    threshold: float | None = None
    ground_truth: Path | None = None
    images: Path | None = None
    weights: Path | None = None
    class_names: Path | None = None
    layer: tuple[str, ...] | None = None
    input_size: int | None = None
    channels: int | None = None
    refine: RefinementName | None = None
    output: Path | None = None
    samples: int = 1000
    seed: int = 0
    device: str = "auto"
    backend: BackendName = "auto"
    batch_size: int = 16
    workers: int = 2


@dataclass(frozen=True)
class EvaluateOptions(MeasureOptions):
    """What to evaluate, on what, and where to write it.

    Attributes:
        method: cam, gradcam, gradcam++, layercam, xgradcam, hirescam, scorecam, ablationcam, eigencam,
            guided_gradcam or counterfactual; of runs of acol also acol, acol_a and acol_b, of ts_cam ts_cam.
            Default: that which a run was trained for, else gradcam.
        quality: plain: class maps as the method was published. fast: spread over what looks alike, in one forward
            pass. balanced: and looked at more closely, after learning from the photos at hand what foreground looks
            like, 4 passes. best: more of these. Default: a run's own, else fast.
        output_stride: 32, 16 or 8: finer maps from the same weights, at more cost. Default: as for localize.
        score_maps: Instead of a model: folder of score maps, one .npy of 224 x 224 for each image, named as its id.
        predicted_boxes: Instead of a model: file of found boxes (COCO results, CSV, or boxes.jsonl).
        save_heatmaps: Also write heatmaps, grey, white where they are 1, for a report.
    """

    method: str | None = None
    quality: QualityName | None = None
    output_stride: int | None = None
    score_maps: Path | None = None
    predicted_boxes: Path | None = None
    save_heatmaps: bool = False


@dataclass(frozen=True)
class CompareOptions(MeasureOptions):
    """What to compare, on what, and where to write it.

    Attributes:
        methods: Names of methods with commas between them. Default: all that need one forward pass, and that which a
            run was trained for; with several qualities, this one or gradcam.
        quality: Qualities with commas between them, or all (plain,fast,balanced,best). Default: a run's own, else fast.
        output_strides: Strides with commas between them, for example 32,16. Default: the models' own.
    """

    methods: str | None = None
    quality: str | None = None
    output_strides: str | None = None
