"""Images and data sets: find and decode images, read and check data sets."""

from weakspot.data.annotated_image import read_as_annotated
from weakspot.data.dataset import Annotation, Dataset, DatasetIssue, ObjectAnnotation, Sample
from weakspot.data.dataset_checks import BLOCKING, check_dataset
from weakspot.data.decoding import MAX_PIXELS, ImageSource, read_image
from weakspot.data.image_index import ImageIndex, index_images, known_images
from weakspot.data.layouts import read_dataset
from weakspot.data.rle import Rle
from weakspot.data.sources import find_images
from weakspot.ops.preprocessing import Preprocessing

__all__ = [
    "BLOCKING",
    "MAX_PIXELS",
    "Annotation",
    "Dataset",
    "DatasetIssue",
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
