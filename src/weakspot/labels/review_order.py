"""Order of images for review by a person."""

from collections.abc import Iterable
from pathlib import Path

from weakspot.labels.csv import write_csv
from weakspot.labels.records import LabeledImage, LabelSet

COLUMNS = ("rank", "image", "split", "uncertainty", "score", "labels", "boxes")


def most_uncertain_first(images: Iterable[LabeledImage]) -> list[LabeledImage]:
    """Sort images by descending uncertainty, then those without uncertainty by ascending minimum score.

    An image without objects, or whose objects have no score, has the score 0. Ties keep their order.

    Example:
        >>> uncertain = {"a": 0.1, "b": None, "c": 1.0}
        >>> images = [LabeledImage(name, 9, 9, uncertainty=value) for name, value in uncertain.items()]
        >>> [image.path for image in most_uncertain_first(images)]
        ['c', 'a', 'b']
    """
    return sorted(images, key=_key)


def _key(image: LabeledImage) -> tuple[bool, float]:
    if image.uncertainty is not None:
        return False, -image.uncertainty
    return True, 0.0 if image.score is None else image.score


def write_review(labels: LabelSet, file: Path) -> None:
    """Write a CSV file with a row per image, the most uncertain first."""
    write_csv(file, COLUMNS, (_row(rank, image) for rank, image in enumerate(most_uncertain_first(labels.images), 1)))


def _row(rank: int, image: LabeledImage) -> tuple[object, ...]:
    names = ";".join(dict.fromkeys(item.label for item in image.objects))
    numbers = ["" if value is None else value for value in (image.uncertainty, image.score)]
    return rank, image.path, image.split, *numbers, names, len(image.objects)
