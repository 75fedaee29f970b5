"""One module for each layout of a data set: ``find`` recognises it, ``read`` reads it."""

from collections.abc import Callable
from pathlib import Path

from weakspot.data.dataset import Dataset
from weakspot.data.readers import benchmark, class_folders, coco, csv_boxes, csv_labels, cub, ilsvrc, voc

Find = Callable[[Path], bool]
Read = Callable[[Path, Path | None], Dataset]

# The most specific first: boxes before labels alone, and what is left is class folders.
READERS: tuple[tuple[Find, Read], ...] = (
    (ilsvrc.find, ilsvrc.read),
    (cub.find, cub.read),
    (benchmark.find, benchmark.read),
    (csv_boxes.find, csv_boxes.read),
    (coco.find, coco.read),
    (voc.find, voc.read),
    (csv_labels.find, csv_labels.read),
    (class_folders.find, class_folders.read),
)

__all__ = [
    "READERS",
    "Find",
    "Read",
    "benchmark",
    "class_folders",
    "coco",
    "csv_boxes",
    "csv_labels",
    "cub",
    "ilsvrc",
    "voc",
]
