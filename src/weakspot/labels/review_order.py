"""Order of images for review by a person."""

from collections.abc import Iterable
from pathlib import Path

from weakspot.data.dataset import Dataset, Sample
from weakspot.data.formats.text_files import write_csv

COLUMNS = ("rank", "image", "split", "uncertainty", "score", "labels", "boxes")


def most_uncertain_first(samples: Iterable[Sample]) -> list[Sample]:
    """Sort images by descending uncertainty, then those without uncertainty by ascending minimum score.

    An image without objects, or whose objects have no score, has the score 0. Images that a person has reviewed are
    last. Ties keep their order.

    Example:
        >>> uncertain = {"a": 0.1, "b": None, "c": 1.0}
        >>> samples = [Sample(name, Path(name), uncertainty=value) for name, value in uncertain.items()]
        >>> [sample.image_id for sample in most_uncertain_first(samples)]
        ['c', 'a', 'b']
    """
    return sorted(samples, key=_key)


def _key(sample: Sample) -> tuple[bool, bool, float]:
    if sample.uncertainty is not None:
        return sample.is_decided, False, -sample.uncertainty
    return sample.is_decided, True, 0.0 if sample.score is None else sample.score


def write_review(labels: Dataset, file: Path) -> None:
    """Write a CSV file with a row per image, the most uncertain first."""
    write_csv(
        file, COLUMNS, (_row(rank, sample) for rank, sample in enumerate(most_uncertain_first(labels.samples), 1))
    )


def _row(rank: int, sample: Sample) -> tuple[object, ...]:
    names = ";".join(dict.fromkeys(item.label for item in sample.objects))
    numbers = ["" if value is None else value for value in (sample.uncertainty, sample.score)]
    boxes = sum(item.box is not None for item in sample.objects)
    return rank, sample.image_id, sample.split, *numbers, names, boxes
