"""Label files for detectors and labeling tools: COCO, YOLO, VOC, Label Studio, CSV and masks."""

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from weakspot.labels.formats import FORMATS as FORMATS
    from weakspot.labels.formats import Format as Format
    from weakspot.labels.image_index import ImageIndex as ImageIndex
    from weakspot.labels.image_index import index_images as index_images
    from weakspot.labels.image_index import known_images as known_images
    from weakspot.labels.records import LabeledImage as LabeledImage
    from weakspot.labels.records import LabeledObject as LabeledObject
    from weakspot.labels.records import LabelProblem as LabelProblem
    from weakspot.labels.records import LabelSet as LabelSet
    from weakspot.labels.records import LoadedLabels as LoadedLabels
    from weakspot.labels.records import WriteOptions as WriteOptions
    from weakspot.labels.rle import Rle as Rle

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "formats": ["FORMATS", "Format"],
        "image_index": ["ImageIndex", "known_images", "index_images"],
        "records": ["LabelProblem", "LabelSet", "LabeledImage", "LabeledObject", "LoadedLabels", "WriteOptions"],
        "rle": ["Rle"],
    },
)
