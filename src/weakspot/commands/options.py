"""What a user can choose, a record a command: the fields' descriptions are the command line's help.

Nothing heavy is imported here, so that help answers at once.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

BackendName = Literal["auto", "torch", "onnx"]


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
        min_area: With --boxes all or split: least area of a region, as a fraction of the image's.
        min_score: Least score of a box, in [0, 1]: that of the class times the mean of the heatmap in its region.
        refine: grabcut, random_walker or superpixels: make heatmaps keep to the image's edges. Default: none.
        channels: With scorecam: how many channels to try. Default: all, one forward pass each.
        doubt: Also say how much each box is in doubt, from 0 to 1, to look at the most doubtful first; no further pass.
            Boxes of a run of psol say nothing.
        output: Folder to write to. Default: localized, or localized-2 and so on where that is taken.
        resume: Go on with an interrupted run in --output. Shards, and runs on Ray, go on by themselves.
        shard: 3/8: localize in one of eight shares of the images, each for a process of its own, and write that shard.
        engine: local: this process. ray: actors of Ray, with a shard for each thousand images.
        address: With --engine ray: of a cluster's head, such as 10.0.0.1:6379, or auto. Default: $RAY_ADDRESS, else
            a Ray of this machine that ends with the run.
        actors: With --engine ray: at most so many. Default: one for each GPU, else for each core.
        shard_size: With --engine ray: images in a shard. Default: 1024, fewer where there are few.
        rows: With --engine ray: write shards as JSON Lines, or as parquet.
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
    quality: Literal["plain", "fast", "balanced", "best"] | None = None
    layer: tuple[str, ...] | None = None
    output_stride: int | None = None
    input_size: int | None = None
    classes: tuple[str, ...] | None = None
    top_k: int = 1
    threshold: float | None = None
    boxes: Literal["largest", "all", "split"] = "largest"
    min_area: float = 0.01
    min_score: float = 0.0
    refine: Literal["grabcut", "random_walker", "superpixels"] | None = None
    channels: int | None = None
    doubt: bool = False
    output: Path | None = None
    resume: bool = False
    shard: str | None = None
    engine: Literal["local", "ray"] = "local"
    address: str | None = None
    actors: int | None = None
    shard_size: int | None = None
    rows: Literal["jsonl", "parquet"] = "jsonl"
    save_plots: bool = False
    save_masks: bool = False
    save_heatmaps: bool = False
    device: str = "auto"
    backend: BackendName = "auto"
    batch_size: int = 16
    workers: int = 2
    max_pixels: int | None = None


@dataclass(frozen=True)
class MeasureOptions:
    """What evaluate and compare have in common.

    Attributes:
        split: Split to score; all takes everything.
        validation: Split to fix thresholds on; passed over where there is none.
        threshold: Fixed by hand, a fraction of the heatmap's peak, instead of on the validation split.
        truth: File of the true boxes (CSV, COCO JSON, or a folder of VOC XML), if it is not in DATA.
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

    split: str = "test"
    validation: str = "val"
    threshold: float | None = None
    truth: Path | None = None
    images: Path | None = None
    weights: Path | None = None
    class_names: Path | None = None
    layer: tuple[str, ...] | None = None
    input_size: int | None = None
    channels: int | None = None
    refine: Literal["grabcut", "random_walker", "superpixels"] | None = None
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
        maps: Instead of a model: folder of score maps, one .npy of 224 x 224 for each image, named as its id.
        boxes: Instead of a model: file of found boxes (COCO results, CSV, or boxes.jsonl).
        save_heatmaps: Also write heatmaps, grey, white where they are 1, for a report.
    """

    method: str | None = None
    quality: Literal["plain", "fast", "balanced", "best"] | None = None
    output_stride: int | None = None
    maps: Path | None = None
    boxes: Path | None = None
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


@dataclass(frozen=True)
class LabelOptions:
    """What labels to write, and where.

    Attributes:
        format: coco, yolo, voc, labelstudio, csv or masks; may be given several times.
        output: Folder to write to, a folder in it for each format. Default: labels, or labels-2 and so on where that
            is taken.
        import_: Instead of writing labels: read those that a person has corrected, a folder or file of --format, and
            write annotations.csv and labels.csv for evaluate and train.
        images: With --import: folder of the images. Default: that beside the labels.
        photos: How images come to lie beside labels: links, copies, or not at all. Links are symbolic where the system
            lets them be.
        classes: Text file with one class name a line, such as the classes.txt of an earlier run: numbers are then the
            same. Default: the model's classes; of boxes.jsonl those that were found, in the model's order.
        min_score: Leave boxes with a lower score out: that of the class, times the mean heat of a box's region where
            several were looked for.
        max_overlap: Of boxes of a class whose intersection over union is greater, keep the one with the highest score.
            Default: all are kept.
        boxes: The largest region only; all of them; or split: all, those with several peaks split between them.
            Default: the largest; of boxes.jsonl all that are there.
        min_area: With a model and --boxes all or split: least area of a region, as a fraction of the image's.
        method: With a model: as for localize.
        quality: With a model: as for localize.
        val: Share of the images of each class that validate, such as 0.2; near-duplicates stay on one side. Splits that
            the folder of the images has are kept. Default: no split.
        seed: Of that choice.
        scores: Write YOLO's sixth column, which FiftyOne reads, but YOLO's training does not take.
        polygons: Write masks as polygons: in COCO instead of RLE, in YOLO and Label Studio instead of boxes.
        url: With labelstudio: what comes before an image's path in a task.
        overwrite: Write to --output even if it holds an earlier run's labels, which then go.
        device: With a model: auto, cpu, cuda, cuda:1 and so on.
        backend: With a model: torch, onnx or auto, as for localize.
        batch_size: With a model: images in one forward pass.
        workers: Threads that decode images.
    """

    format: tuple[Literal["coco", "yolo", "voc", "labelstudio", "csv", "masks"], ...] = ("coco",)
    output: Path | None = None
    import_: Path | None = None
    images: Path | None = None
    photos: Literal["link", "copy", "none"] = "link"
    classes: Path | None = None
    min_score: float = 0.0
    max_overlap: float | None = None
    boxes: Literal["largest", "all", "split"] | None = None
    min_area: float = 0.01
    method: str | None = None
    quality: Literal["plain", "fast", "balanced", "best"] | None = None
    val: float | None = None
    seed: int = 0
    scores: bool = False
    polygons: bool = False
    url: str = "/data/local-files/?d=images/"
    overwrite: bool = False
    device: str = "auto"
    backend: BackendName = "auto"
    batch_size: int = 16
    workers: int = 2


@dataclass(frozen=True)
class ReportOptions:
    """What to show, and where to write it.

    Attributes:
        output: HTML file to write. Default: report.html in FOLDER.
        data: Data set with the true boxes of what was localized, or that of an evaluation if it has moved.
        images: Of a training run: photos to localize a sample of. Default: those that validated it. Else: folder of the
            photos, if they have moved.
        most: Show that many, the worst or most doubtful of them.
        side: Longer side of thumbnails in pixels.
    """

    output: Annotated[Path | None, Parameter(alias="-o")] = None
    data: Path | None = None
    images: Path | None = None
    most: int = 5000
    side: int = 192


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
    quality: Literal["plain", "fast", "balanced", "best"] | None = None
    images: tuple[str, ...] = ()
    int8: bool = False
    weights: Path | None = None
    class_names: Path | None = None
    layer: str | None = None
    output_stride: int | None = None
    input_size: int | None = None
    threshold: float | None = None


@dataclass(frozen=True)
class ServeOptions:
    """Where to listen, and what a request may cost.

    Attributes:
        host: Address to listen on. Any but one of this machine alone demands a token.
        port: Port to listen on; 0 takes a free one.
        token: What a request has to show: "Authorization: Bearer TOKEN", or in a browser as the password. Better in the
            environment variable WEAKSPOT_TOKEN, which other users of the machine cannot see.
        max_upload_mb: Larger requests are refused before they are read.
        max_pixels: Larger images are refused before they are decoded. Default: 89 million, as Pillow has it.
        max_images: How many images a request may have.
        concurrency: So many images may wait; further requests are answered 429.
        timeout: Seconds that a request may take to come, and its answer; at SIGTERM the service ends within these.
        method: Method of requests that name none. Default: that which a run was trained for, else gradcam.
        quality: plain, fast, balanced or best. Default: a run's own, else fast.
        device: auto, cpu, cuda, cuda:1 and so on.
        backend: torch, onnx, or auto: onnxruntime on a CPU if it can run the model, which is exported for it once.
    """

    host: str = "127.0.0.1"
    port: int = 8000
    token: str | None = None
    max_upload_mb: float = 20
    max_pixels: int | None = None
    max_images: int = 32
    concurrency: int = 64
    timeout: float = 30
    method: str | None = None
    quality: Literal["plain", "fast", "balanced", "best"] | None = None
    device: str = "auto"
    backend: BackendName = "auto"
