"""Image files -> pixels: finding them, decoding them, bringing them to a model's input size."""

from weakspot.data.decoding import MAX_PIXELS, ImageSource, read_image
from weakspot.data.preprocessing import Preprocessing
from weakspot.data.sources import RUN_FILE, find_images

__all__ = ["MAX_PIXELS", "RUN_FILE", "ImageSource", "Preprocessing", "find_images", "read_image"]
