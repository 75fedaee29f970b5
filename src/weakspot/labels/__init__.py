"""Label files for detectors and labelling tools: COCO, YOLO, VOC, Label Studio, CSV and masks."""

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from weakspot.labels.formats import FORMATS as FORMATS
    from weakspot.labels.formats import Format as Format
    from weakspot.labels.image_index import Photos as Photos
    from weakspot.labels.image_index import known_photos as known_photos
    from weakspot.labels.image_index import photos_below as photos_below
    from weakspot.labels.records import LabelledImage as LabelledImage
    from weakspot.labels.records import LabelledObject as LabelledObject
    from weakspot.labels.records import LabelProblem as LabelProblem
    from weakspot.labels.records import LabelSet as LabelSet
    from weakspot.labels.records import LabelsRead as LabelsRead
    from weakspot.labels.records import WriteOptions as WriteOptions
    from weakspot.labels.rle import Runs as Runs

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "formats": ["FORMATS", "Format"],
        "image_index": ["Photos", "known_photos", "photos_below"],
        "records": ["LabelProblem", "LabelSet", "LabelledImage", "LabelledObject", "LabelsRead", "WriteOptions"],
        "rle": ["Runs"],
    },
)
