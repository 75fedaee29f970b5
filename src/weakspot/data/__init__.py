"""Images and data sets: find and decode images, read and check data sets.

The names are imported on first use, so that a process that only decodes images starts in a third of the time.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weakspot.data.annotated_image import read_as_annotated
    from weakspot.data.dataset import Annotation, Dataset, DatasetIssue, ObjectAnnotation, Sample
    from weakspot.data.dataset_checks import BLOCKING, check_dataset
    from weakspot.data.decoder_limits import DecodingLimits
    from weakspot.data.decoder_pool import DecoderPool
    from weakspot.data.decoding import MAX_PIXELS, ImageSource, read_image
    from weakspot.data.image_index import ImageIndex, index_images, known_images
    from weakspot.data.layouts import read_dataset
    from weakspot.data.rle import Rle
    from weakspot.data.sources import find_images
    from weakspot.ops.preprocessing import Preprocessing

# Public name -> module that defines it.
_MODULES = {
    "BLOCKING": "weakspot.data.dataset_checks",
    "MAX_PIXELS": "weakspot.data.decoding",
    "Annotation": "weakspot.data.dataset",
    "Dataset": "weakspot.data.dataset",
    "DatasetIssue": "weakspot.data.dataset",
    "DecoderPool": "weakspot.data.decoder_pool",
    "DecodingLimits": "weakspot.data.decoder_limits",
    "ImageIndex": "weakspot.data.image_index",
    "ImageSource": "weakspot.data.decoding",
    "ObjectAnnotation": "weakspot.data.dataset",
    "Preprocessing": "weakspot.ops.preprocessing",
    "Rle": "weakspot.data.rle",
    "Sample": "weakspot.data.dataset",
    "check_dataset": "weakspot.data.dataset_checks",
    "find_images": "weakspot.data.sources",
    "index_images": "weakspot.data.image_index",
    "known_images": "weakspot.data.image_index",
    "read_as_annotated": "weakspot.data.annotated_image",
    "read_dataset": "weakspot.data.layouts",
    "read_image": "weakspot.data.decoding",
}

__all__ = [
    "BLOCKING",
    "MAX_PIXELS",
    "Annotation",
    "Dataset",
    "DatasetIssue",
    "DecoderPool",
    "DecodingLimits",
    "ImageIndex",
    "ImageSource",
    "ObjectAnnotation",
    "Preprocessing",
    "Rle",
    "Sample",
    "check_dataset",
    "find_images",
    "index_images",
    "known_images",
    "read_as_annotated",
    "read_dataset",
    "read_image",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'weakspot.data' has no attribute {name!r}")
    return getattr(import_module(_MODULES[name]), name)
