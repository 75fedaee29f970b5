"""In which order a person should look at labels."""

import csv
from collections.abc import Iterable
from io import StringIO
from pathlib import Path

from weakspot.labels.records import LabeledImage, LabelSet
from weakspot.labels.text_files import write_text

COLUMNS = ("rank", "image", "split", "doubt", "score", "labels", "boxes")


def most_uncertain_first(images: Iterable[LabeledImage]) -> list[LabeledImage]:
    """Sort images: those with a doubt by it, the greatest first, then the others by their least score, the least first.

    An image without objects, or whose objects have no score, comes first among the others: nobody has said how sure
    it is. Ties stay in their order.

    Example:
        >>> from weakspot.labels.records import LabeledImage
        >>> images = [LabeledImage("a", 9, 9, doubt=0.1), LabeledImage("b", 9, 9), LabeledImage("c", 9, 9, doubt=1)]
        >>> [image.path for image in most_uncertain_first(images)]
        ['c', 'a', 'b']
    """
    return sorted(images, key=_sureness)


def _sureness(image: LabeledImage) -> tuple[bool, float]:
    if image.doubt is not None:
        return False, -image.doubt
    return True, 0.0 if image.score is None else image.score


def write_review(labels: LabelSet, file: Path) -> None:
    """Write a CSV file with a row an image, the most doubtful first."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rank, image in enumerate(most_uncertain_first(labels.images), start=1):
        names = ";".join(dict.fromkeys(one.label for one in image.objects))
        numbers = ["" if value is None else value for value in (image.doubt, image.score)]
        writer.writerow([rank, image.path, image.split, *numbers, names, len(image.objects)])
    write_text(file, text.getvalue())
