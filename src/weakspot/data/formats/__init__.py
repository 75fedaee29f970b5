"""One module for each layout of a data set: ``detect`` recognizes it, ``load`` reads it."""

from collections.abc import Callable
from pathlib import Path

from weakspot.data.dataset import Dataset
from weakspot.data.formats import benchmark, class_folders, coco, csv_boxes, csv_labels, cub, ilsvrc, voc

Detect = Callable[[Path], bool]
Load = Callable[[Path, Path | None], Dataset]

# The most specific layout first: boxes before labels, class folders last.
READERS: tuple[tuple[Detect, Load], ...] = (
    (ilsvrc.detect, ilsvrc.load),
    (cub.detect, cub.load),
    (benchmark.detect, benchmark.load),
    (csv_boxes.detect, csv_boxes.load),
    (coco.detect, coco.load),
    (voc.detect, voc.load),
    (csv_labels.detect, csv_labels.load),
    (class_folders.detect, class_folders.load),
)

__all__ = ["READERS", "benchmark", "class_folders", "coco", "csv_boxes", "csv_labels", "cub", "ilsvrc", "voc"]
