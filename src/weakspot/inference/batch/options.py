"""What ``weakspot localize`` can be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from weakspot.config import BackendName, BoxesName, QualityName, RefinementName


@dataclass(frozen=True)
class LocalizeOptions:
    """What to localize with, and where to write it.

    Attributes:
        model: Run folder, file of weakspot export, or timm or torchvision name of the classifier.
        weights: Weights file (.safetensors or .pth) instead of the model's pretrained weights.
        class_names: Text file with one class name a line, in the order of the logits.
        method: cam, gradcam, gradcam++, layercam, xgradcam, hirescam, scorecam, ablationcam, eigencam,
            guided_gradcam or counterfactual; of runs of acol also acol, acol_a and acol_b, of ts_cam ts_cam.
            Default: that which a run was trained for, else gradcam.
        quality: plain: class maps as the method was published. fast: spread over what looks alike, in one forward
            pass. balanced: and looked at more closely, after learning from the photos at hand what foreground looks
            like, 4 passes. best: more of these. Default: a run's own, else fast.
        layer: Layer to read; may be given several times, the maps are then fused. Default: the last feature map.
        output_stride: 32, 16 or 8: finer maps from the same weights, at more cost. Default: 16; with --quality plain
            the model's own.
        input_size: Side in pixels that images are squashed to. Default: 9/7 of the model's own, with --quality plain
            the model's own; of runs that which they were trained with.
        classes: Class to look for, by name or index; may be given several times. Default: the most probable.
        top_k: Look for that many of the most probable classes.
        threshold: Fraction of the heatmap's peak at which to cut, in (0, 1]. Default: the method's own.
        boxes: The largest region only, all of them, or all with those of several peaks split between them.
        min_area: With --boxes all or instances: least area of a region, as a fraction of the image's.
        min_score: Least score of a box, in [0, 1]: that of the class times the mean of the heatmap in its region.
        refine: grabcut, random_walker or superpixels: make heatmaps keep to the image's edges. Default: none.
        channels: With scorecam: how many channels to try. Default: all, one forward pass each.
        uncertainty: Also record the uncertainty of each box, from 0 to 1 (not with psol runs).
        output: Folder to write to. Default: localized, or localized-2 and so on where that is taken.
        resume: Go on with an interrupted run in --output. Shards, and runs on Ray, go on by themselves.
        shard: 3/8: localize in one of eight shares of the images, each for a process of its own, and write that shard.
        engine: local: this process. ray: actors of Ray, with a shard for each thousand images.
        address: With --engine ray: of a cluster's head, such as 10.0.0.1:6379, or auto. Default: $RAY_ADDRESS, else
            a Ray of this machine that ends with the run.
        num_actors: With --engine ray: at most so many. Default: one for each GPU, else for each core.
        images_per_shard: With --engine ray: images in a shard. Default: 1024, fewer where there are few.
        format: With --engine ray: write shards as JSON Lines, or as parquet.
        save_plots: Also write pictures with heatmap and boxes.
        save_masks: Also write masks, white on black.
        save_heatmaps: Also write heatmaps, grey, white where they are 1, for a report.
        device: auto, cpu, cuda, cuda:1 and so on.
        backend: torch; onnx: onnxruntime runs the model, several times as fast on a CPU, after it was exported once;
            auto: onnxruntime if the model was exported before, or once 1000 images were seen.
        batch_size: Images in one forward pass.
        workers: Threads that decode images.
        max_pixels: Larger images are skipped before they are decoded. Default: 89 million, as Pillow has it.
    """

    model: str = "tf_efficientnet_lite0"
    weights: Path | None = None
    class_names: Path | None = None
    method: str | None = None
    quality: QualityName | None = None
    layer: tuple[str, ...] | None = None
    output_stride: int | None = None
    input_size: int | None = None
    classes: tuple[str, ...] | None = None
    top_k: int = 1
    threshold: float | None = None
    boxes: BoxesName = "largest"
    min_area: float = 0.01
    min_score: float = 0.0
    refine: RefinementName | None = None
    channels: int | None = None
    uncertainty: bool = False
    output: Path | None = None
    resume: bool = False
    shard: str | None = None
    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    num_actors: int | None = None
    images_per_shard: int | None = None
    format: Literal["jsonl", "parquet"] = "jsonl"
    save_plots: bool = False
    save_masks: bool = False
    save_heatmaps: bool = False
    device: str = "auto"
    backend: BackendName = "auto"
    batch_size: int = 16
    workers: int = 2
    max_pixels: int | None = None
