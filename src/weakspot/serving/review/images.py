"""Images of a review as the page shows them: decoded and encoded anew, a few at a time."""

import threading
from io import BytesIO

from weakspot.concurrency import available_cores
from weakspot.data import read_image
from weakspot.errors import InputError
from weakspot.report.thumbnails import thumbnail
from weakspot.serving.review.items import ReviewItem

# Longer sides in pixels.
LARGE, SMALL = 1600, 240
_decoding = threading.Semaphore(available_cores())


def jpeg_of(item: ReviewItem, side: int) -> bytes:
    """Return an image, upright, as a JPEG whose longer side has at most ``side`` pixels.

    Raises:
        InputError: ``image-not-found`` or ``image-unreadable``, or others of :func:`weakspot.data.read_image`.
    """
    with _decoding:
        return thumbnail(item.path, side)


def heatmap_of(item: ReviewItem, number: int) -> bytes:
    """Return the heatmap of a class of an image, by its number among the predictions, as a gray PNG.

    Raises:
        InputError: ``heatmap-not-found``, or as :func:`jpeg_of`.
    """
    predictions = item.predictions
    file = predictions[number].heatmap if number < len(predictions) else None
    if file is None:
        raise InputError("heatmap-not-found", f"{item.name} has no heatmap {number}.", "Use --save-heatmaps.")
    target = BytesIO()
    with _decoding:
        read_image(file).convert("L").save(target, "PNG")
    return target.getvalue()
