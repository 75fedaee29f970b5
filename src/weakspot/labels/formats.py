"""Label formats by name: each writes and reads."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from weakspot.data.dataset import Dataset, Sample
from weakspot.data.formats import coco, csv_boxes, masks, voc, yolo
from weakspot.data.formats.records import LabelProblem, LoadedLabels, WriteOptions
from weakspot.data.image_index import ImageIndex
from weakspot.labels import label_studio, label_studio_import


def in_images(sample: Sample) -> str:
    """Return the path of an image in the folder ``images``."""
    return f"images/{sample.image_id}"


class Format(NamedTuple):
    """A label format.

    Attributes:
        write: Writes labels to a folder, and returns labels that the format cannot represent.
        read: Reads labels from a folder or file; missing sizes are those of the image files.
        image_path: Returns the path of an image in the folder.
        is_upright: Whether its boxes are always those of upright images.
    """

    write: Callable[[Dataset, Path, WriteOptions], list[LabelProblem]]
    read: Callable[[Path, ImageIndex], LoadedLabels]
    image_path: Callable[[Sample], str] = in_images
    is_upright: bool = False


FORMATS: Mapping[str, Format] = {
    "coco": Format(coco.write, coco.read),
    "yolo": Format(yolo.write, yolo.read, yolo.image_path),
    "voc": Format(voc.write, voc.read, voc.image_path),
    "labelstudio": Format(label_studio.write, label_studio_import.read, is_upright=True),
    "csv": Format(csv_boxes.write, csv_boxes.read),
    "masks": Format(masks.write, masks.read),
}
