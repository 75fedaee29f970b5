"""Images and data sets: finding and decoding images, reading and checking what data sets say of theirs."""

from weakspot.data.annotated import read_as_annotated
from weakspot.data.checking import SERIOUS, check_dataset
from weakspot.data.datasets import DataSet, Example, Problem, Truth
from weakspot.data.decoding import MAX_PIXELS, ImageSource, read_image
from weakspot.data.preprocessing import Preprocessing
from weakspot.data.reading import read_dataset
from weakspot.data.sources import RUN_FILE, find_images

__all__ = [
    "MAX_PIXELS",
    "RUN_FILE",
    "SERIOUS",
    "DataSet",
    "Example",
    "ImageSource",
    "Preprocessing",
    "Problem",
    "Truth",
    "check_dataset",
    "find_images",
    "read_as_annotated",
    "read_dataset",
    "read_image",
]
