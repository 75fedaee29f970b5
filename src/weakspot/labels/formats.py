"""The formats of label files by name: each writes and reads."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from weakspot.labels import coco, csv, label_studio, label_studio_import, masks, voc, yolo
from weakspot.labels.image_index import ImageIndex
from weakspot.labels.records import LabeledImage, LabelProblem, LabelSet, LoadedLabels, WriteOptions


class Format(NamedTuple):
    """A format of label files.

    Attributes:
        write: Writes labels to a folder, and gives what the format could not hold.
        read: Reads labels from a folder or file; sizes that are not in it are those of the images.
        place: Says where in the folder an image belongs.
    """

    write: Callable[[LabelSet, Path, WriteOptions], list[LabelProblem]]
    read: Callable[[Path, ImageIndex], LoadedLabels]
    place: Callable[[LabeledImage], str]


FORMATS: Mapping[str, Format] = {
    "coco": Format(coco.write, coco.read, coco.image_path),
    "yolo": Format(yolo.write, yolo.read, yolo.image_path),
    "voc": Format(voc.write, voc.read, voc.image_path),
    "labelstudio": Format(label_studio.write, label_studio_import.read, label_studio.image_path),
    "csv": Format(csv.write, csv.read, csv.image_path),
    "masks": Format(masks.write, masks.read, masks.image_path),
}
