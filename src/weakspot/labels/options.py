"""Options of ``weakspot label``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from weakspot.config import BoxesName, Tiles
from weakspot.inference.command_options import (
    ADVANCED,
    BOXES,
    DATA,
    METHOD,
    MODEL,
    OUTPUT,
    BatchOptions,
    MethodOptions,
)


@dataclass(frozen=True)
class LabelOptions(BatchOptions, MethodOptions):
    """Which labels to write, and where.

    Attributes:
        import_: Read corrected labels (a folder or file of --format) and write annotations.csv and labels.csv for
            evaluate and train.
        images: With --import: folder of the images. Default: the folder next to the labels.
        use_predictions: With --import: use predictions, which have a score, as if a person had confirmed them.
            Default: they are left out and counted.
        deleted: With --import: what images mean whose predicted boxes a person has all deleted. empty: they hold no
            object, and train as background. untouched: nobody has labeled them. ask: stop and say how many there are.
        val_fraction: Fraction of each class for validation, such as 0.2; near-duplicates stay in one split. Existing
            splits are kept. Default: no split.
        seed: Random seed of the split.
        class_names: Text file with one class name per line, such as the classes.txt of an earlier run, to keep the
            class numbers. Default: the classes of the model, or those found in boxes.jsonl.
        tiles: With a model: localize larger images in overlapping tiles of this many pixels, or auto.
        classes: Class to localize with a model, by name or index; repeat it for several. predicted: the most probable.
            folder: the class that the image's folder is named after; the default if there are such folders.
        min_score: Minimum score of a predicted box in the label files, in [0, 1]: the confidence that it is right.
        max_overlap: Of overlapping boxes of a class (IoU above this), keep the most confident. Default: keep all.
        boxes: best: the region of most evidence. largest: the largest region. all: all regions. instances: all
            regions; those with several peaks are separated. Default: best; for boxes.jsonl all of its boxes.
        min_area: With a model and --boxes all or instances: minimum area of a region, as a fraction of the image.
        format: Label format; repeat it for several.
        output: Folder to write to, with one folder per format. Default: a new folder, labels.
        image_files: Link images into the output folder, copy them, or neither.
        scores: Write YOLO's sixth column, which FiftyOne reads and YOLO's training does not accept.
        polygons: Write masks as polygons: in COCO instead of RLE, in YOLO and Label Studio instead of boxes.
        url: With labelstudio: URL prefix of an image's path in a task.
        overwrite: Replace the labels of an earlier run in --output.
    """

    import_: Annotated[Path | None, DATA] = None
    images: Annotated[Path | None, DATA] = None
    use_predictions: Annotated[bool, DATA] = False
    deleted: Annotated[Literal["ask", "empty", "untouched"], DATA] = "ask"
    val_fraction: Annotated[float | None, DATA] = None
    seed: Annotated[int, ADVANCED] = 0
    class_names: Annotated[Path | None, MODEL] = None
    tiles: Annotated[Tiles | None, METHOD] = None
    classes: Annotated[tuple[str, ...] | None, BOXES] = None
    min_score: Annotated[float, BOXES] = 0.0
    max_overlap: Annotated[float | None, BOXES] = None
    boxes: Annotated[BoxesName | None, BOXES] = None
    min_area: Annotated[float, BOXES] = 0.01
    format: Annotated[tuple[Literal["coco", "yolo", "voc", "labelstudio", "csv", "masks"], ...], OUTPUT] = ("coco",)
    output: Annotated[Path | None, OUTPUT] = None
    image_files: Annotated[Literal["link", "copy", "none"], OUTPUT] = "link"
    scores: Annotated[bool, OUTPUT] = False
    polygons: Annotated[bool, OUTPUT] = False
    url: Annotated[str, OUTPUT] = "/data/local-files/?d=images/"
    overwrite: Annotated[bool, OUTPUT] = False
