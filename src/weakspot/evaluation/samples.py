"""Images to evaluate, with the annotations that have a box or a mask."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from weakspot.data import Annotation, Dataset, Sample
from weakspot.data.annotation_kinds import is_located
from weakspot.errors import InputError
from weakspot.io.folders import is_file


@dataclass(frozen=True, eq=False)
class EvaluationSample:
    """An image and its annotations (at least one) that have a box or a mask.

    ``class_indices`` are those of the annotations among the logits, empty if no classifier is evaluated;
    ``group_indices`` those among the classes of the data set.
    """

    image: Sample
    annotations: tuple[Annotation, ...]
    class_indices: tuple[int, ...]
    group_indices: tuple[int, ...]


def find_samples(
    dataset: Dataset, split: str, index_of: Callable[[Annotation], int] | None = None
) -> list[EvaluationSample]:
    """List the images of a split (``"all"`` for every split) with a box or a mask, in the order of the data set.

    ``index_of`` returns the index of an annotation's class among the logits; None if no classifier is evaluated.

    Raises:
        InputError: If the split does not exist; ``missing-annotations`` if none of its images has a box or a mask.
    """
    group_of = {name: i for i, name in enumerate(dataset.class_names)}
    samples = [
        EvaluationSample(
            image,
            annotations,
            () if index_of is None else tuple(index_of(annotation) for annotation in annotations),
            tuple(group_of[annotation.label] for annotation in annotations),
        )
        for image in dataset.of_split(split)
        if (annotations := tuple(one for one in image.annotations if len(one.boxes) or one.masks))
    ]
    if not samples:
        raise InputError(
            "missing-annotations",
            f"No image of the split {split!r} of {dataset.root} has a box or a mask.",
            "Name a file of boxes with --ground-truth, or list the problems of the data set: weakspot check DATA.",
        )
    return samples


def is_background(label: str, dataset: Dataset, *others: str) -> bool:
    """Return whether a label is that of images without an object.

    It is defined by the layout of the data set, else ``background``; or it is one of the ``others``.
    """
    return label.casefold() in {name.casefold() for name in (dataset.background or "background", *others)}


def find_normals(dataset: Dataset, split: str, *labels: str) -> list[Sample]:
    """List the normal images of a split (``"all"`` for every split): a person says that they hold no object.

    They have no label, or only that of the data set's background or one of ``labels``.
    """
    return [
        image
        for image in dataset.of_split(split)
        if not image.predicted
        and all(is_background(item.label, dataset, *labels) and not is_located(item) for item in image.objects)
    ]


def check_samples(samples: Sequence[EvaluationSample]) -> None:
    """Check image files, mask files, boxes and image ids before anything is computed.

    Raises:
        InputError: ``image-not-found``, ``mask-not-found``, ``box-invalid`` or ``duplicate-image-id``, with the first
            offenders.
    """
    missing = [str(sample.image.path) for sample in samples if not is_file(sample.image.path)]
    hint = "Restore them, or remove their rows from the data set."
    raise_if_any(missing, "image-not-found", "image files are missing", hint)
    annotations = [annotation for sample in samples for annotation in sample.annotations]
    masks = (mask for one in annotations for mask in (*one.masks, one.ignore) if mask is not None)
    raise_if_any([str(mask) for mask in masks if not is_file(mask)], "mask-not-found", "mask files are missing", hint)
    invalid = [
        f"{sample.image.image_id} {box.tolist()}"
        for sample in samples
        for annotation in sample.annotations
        for box in annotation.boxes
        if not (box[0] < box[2] and box[1] < box[3])
    ]
    hint = "weakspot check DATA lists all of them."
    raise_if_any(invalid, "box-invalid", "boxes are empty (x1 >= x2 or y1 >= y2) or contain NaN", hint)
    counts = Counter(sample.image.image_id for sample in samples)
    repeated = [image_id for image_id, count in counts.items() if count > 1]
    raise_if_any(repeated, "duplicate-image-id", "image ids occur more than once", hint)


def raise_if_any(offenders: Sequence[str], code: str, problem: str, hint: str) -> None:
    """Raise InputError with the number of offenders and the first three of them, if there are any."""
    if offenders:
        first = ", ".join(offenders[:3]) + (", ..." if len(offenders) > 3 else "")
        raise InputError(code, f"{len(offenders)} {problem}: {first}.", hint)
