"""What ``weakspot label`` can be told."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from weakspot.config import BackendName, BoxesName, QualityName


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
        class_names: Text file with one class name a line, such as the classes.txt of an earlier run, whose numbers
            are then kept. Default: the model's classes; of boxes.jsonl those that were found, in the model's order.
        min_score: Leave boxes with a lower score out: that of the class, times the mean heat of a box's region where
            several were looked for.
        max_overlap: Of boxes of a class whose intersection over union is greater, keep the one with the highest score.
            Default: all are kept.
        boxes: The largest region only; all of them; or instances: all, those with several peaks split between them.
            Default: the largest; of boxes.jsonl all that are there.
        min_area: With a model and --boxes all or instances: least area of a region, as a fraction of the image's.
        method: With a model: as for localize.
        quality: With a model: as for localize.
        val_fraction: Fraction of the images of each class for validation, such as 0.2; near-duplicates stay in one
            split. Splits that the folder of the images has are kept. Default: no split.
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
    class_names: Path | None = None
    min_score: float = 0.0
    max_overlap: float | None = None
    boxes: BoxesName | None = None
    min_area: float = 0.01
    method: str | None = None
    quality: QualityName | None = None
    val_fraction: float | None = None
    seed: int = 0
    scores: bool = False
    polygons: bool = False
    url: str = "/data/local-files/?d=images/"
    overwrite: bool = False
    device: str = "auto"
    backend: BackendName = "auto"
    batch_size: int = 16
    workers: int = 2
