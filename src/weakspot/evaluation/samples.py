"""What is evaluated: each class in each image whose place is known."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from weakspot.data import Annotation, Dataset, Sample
from weakspot.data.readers.walk import is_file
from weakspot.errors import InputError


@dataclass(frozen=True, eq=False)
class EvaluationSample:
    """An image and those of its classes whose place is known.

    Attributes:
        example: The image.
        truths: Its classes with boxes or masks, at least one.
        classes: Index of each of them among the classifier's logits; empty where no classifier is asked.
        groups: Index of each of them among the data set's classes.
    """

    example: Sample
    truths: tuple[Annotation, ...]
    classes: tuple[int, ...]
    groups: tuple[int, ...]


def find_samples(
    dataset: Dataset, split: str, index_of: Callable[[Annotation], int] | None = None
) -> list[EvaluationSample]:
    """List what a split has to evaluate.

    Args:
        dataset: The data set.
        split: Name of a split, or ``"all"``.
        index_of: Gives the index of a truth's class among the classifier's logits; None where no classifier is asked.

    Returns:
        The images with a box or a mask, in their order.

    Raises:
        InputError: If there is no such split, or none of its images has a box or a mask.
    """
    group_of = {name: i for i, name in enumerate(dataset.class_names)}
    cases = [
        EvaluationSample(
            example,
            known,
            () if index_of is None else tuple(index_of(truth) for truth in known),
            tuple(group_of[truth.label] for truth in known),
        )
        for example in dataset.of_split(split)
        if (known := tuple(truth for truth in example.annotations if len(truth.boxes) or truth.masks))
    ]
    if not cases:
        raise InputError(
            f"No image of the split {split!r} of {dataset.root} has a box or a mask: nothing can be scored.",
            "Name a file of boxes with --ground-truth, or see what is there: weakspot check DATA.",
        )
    return cases


def refuse_unusable(cases: Sequence[EvaluationSample]) -> None:
    """Refuse images that are not there, and boxes that bound nothing, before anything is computed.

    Raises:
        InputError: If there are such; the first ones are named.
    """
    missing = [str(case.example.path) for case in cases if not is_file(case.example.path)]
    refuse(missing, "image files are missing", "Restore them, or take their rows out of the data set.")
    masks = (mask for case in cases for one in case.truths for mask in (*one.masks, one.ignore) if mask is not None)
    absent = [str(mask) for mask in masks if not is_file(mask)]
    refuse(absent, "mask files are missing", "Restore them, or take their rows out of the data set.")
    empty = [
        f"{case.example.image_id} {box.tolist()}"
        for case in cases
        for truth in case.truths
        for box in truth.boxes
        if not (box[0] < box[2] and box[1] < box[3])
    ]
    refuse(
        empty, "boxes bound nothing (x1 >= x2, y1 >= y2 or not a number)", "Mend them; weakspot check DATA lists all."
    )
    twice = [one for one, count in Counter(case.example.image_id for case in cases).items() if count > 1]
    refuse(twice, "image ids stand there more than once", "Keep one of each; weakspot check DATA lists all.")


def refuse(offenders: Sequence[str], what: str, hint: str) -> None:
    """Raise an error that counts and names the offenders, if there are any."""
    if offenders:
        named = ", ".join(offenders[:3]) + (", ..." if len(offenders) > 3 else "")
        raise InputError(f"{len(offenders)} {what}: {named}.", hint)
