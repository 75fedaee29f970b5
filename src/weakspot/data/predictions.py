"""Tell what a person has labeled from what a model has predicted and nobody has confirmed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from weakspot.data.dataset import Dataset, DatasetIssue, ObjectAnnotation, Sample
from weakspot.data.formats.csv_cells import SIDES, box_of, score_of
from weakspot.data.formats.walk import without_suffix
from weakspot.data.written_labels import written_boxes
from weakspot.errors import InputError
from weakspot.io.text import read_csv
from weakspot.terminal import counted

# Pixels by which a box may differ from the one that was written: some formats round.
_TOLERANCE = 1.0
LEFT_OUT = "prediction of a model, which no person has confirmed: left out"
DELETED = "image whose predicted objects were all deleted: it holds no object"
USED = "prediction of a model, used as if a person had confirmed it"


def resolve_predictions(dataset: Dataset, *, use: bool) -> Dataset:
    """Leave predictions out of a data set, or turn them into labels; either way they are an issue of the data set.

    Predictions are objects with a score, and all that is said of an image that nobody has labeled. An image that has
    nothing else is left out, so that it does not count as an image without an object. Predictions that are used take
    precedence over labels without a box, and lose their scores.

    Raises:
        InputError: ``labels-are-predictions`` if they would be left out, and nothing else is labeled.
    """
    found = tuple(line for sample in dataset.samples for line in _lines(sample))
    if not found:
        return dataset
    samples = tuple(map(_confirmed, dataset.samples) if use else _labeled(dataset.samples))
    if not any(sample.objects or sample.status == "empty" for sample in samples):
        all_of = f"All {len(found)} labels of {dataset.root} are predictions"
        what = f"The only label of {dataset.root} is a prediction" if len(found) == 1 else all_of
        raise InputError(
            "labels-are-predictions",
            f"{what} of a model: no person has confirmed {'it' if len(found) == 1 else 'them'}.",
            "Correct them and import the corrections (weakspot label --import), or add --use-predictions.",
        )
    issue = DatasetIssue(USED if use else LEFT_OUT, found)
    return replace(dataset, samples=samples, issues=(*dataset.issues, issue))


def mark_written(dataset: Dataset, source: Path) -> Dataset:
    """Say of each image what a person has done with the boxes that ``weakspot label`` has written for it.

    An image whose boxes are as they were is untouched: they get their scores, and a model says what is in it. If any
    was changed, drawn or deleted, all boxes of the image are a person's, also if a tool has kept their scores, and take
    precedence over labels without a box; if none is left, the image is empty. Boxes of a review, which have no score,
    are a person's from the first. Images of which it is known already keep their status. In an image without boxes of
    ours, a score marks a prediction.

    Args:
        dataset: Labels as read.
        source: File or folder that they were read from, at most three folders below the output of ``weakspot label``.
    """
    file = written_boxes(source)
    if file is None:
        return dataset
    written: dict[str, list[ObjectAnnotation]] = {}
    for line, cells in read_csv(file, ("image_id", "class", *SIDES, "score")):
        items = written.setdefault(without_suffix(cells["image_id"]), [])
        if cells["class"]:  # otherwise a person has left the image empty
            items.append(ObjectAnnotation(cells["class"], box_of(cells, line), score=score_of(cells, line)))
    found = [(sample, _written_in(sample, written)) for sample in dataset.samples]
    samples = tuple(_marked(sample, boxes) for sample, boxes in found)
    pairs = zip(found, samples, strict=True)
    deleted = (now.image_id for (old, boxes), now in pairs if boxes and now.status == "empty" and not old.status)
    return replace(dataset, samples=samples, issues=(*dataset.issues, *deleted_issue(deleted)))


def deleted_issue(images: Iterable[str]) -> tuple[DatasetIssue, ...]:
    """Return an issue of the images whose predicted objects a person has deleted, if there are any."""
    names = tuple(images)
    return (DatasetIssue(DELETED, names),) if names else ()


def deleted_images(dataset: Dataset) -> tuple[str, ...]:
    """Return the names of the images whose predicted objects a person has deleted."""
    return tuple(name for issue in dataset.issues if issue.kind == DELETED for name in issue.where)


def deleted_boxes(images: Sequence[str], hint: str) -> InputError:
    """Return the error (``deleted-boxes``) for images whose predicted objects were deleted, if it is not said why."""
    names = ", ".join(images[:3]) + (", ..." if len(images) > 3 else "")
    whose = f"{counted(len(images), 'image')} ({names})"
    where = "it" if len(images) == 1 else "them"
    problem = f"A person has deleted all boxes of {whose}, which does not say what is in {where}."
    return InputError("deleted-boxes", problem, hint)


def same_objects(items: Sequence[ObjectAnnotation], others: Sequence[ObjectAnnotation]) -> bool:
    """Return whether two lists have the same classes and boxes, in any order; boxes may differ by rounding."""
    rest = list(others)
    for item in items:
        match = next((other for other in rest if _same(item, other)), None)
        if match is None:
            return False
        rest.remove(match)
    return not rest


def _same(item: ObjectAnnotation, other: ObjectAnnotation) -> bool:
    if item.label != other.label or item.box is None or other.box is None:
        return item.label == other.label and item.box is other.box
    return all(abs(side - known) <= _TOLERANCE for side, known in zip(item.box, other.box, strict=True))


def _written_in(sample: Sample, written: Mapping[str, list[ObjectAnnotation]]) -> Sequence[ObjectAnnotation] | None:
    """What was written for an image, whose path may have more folders now: that of its split, for example.

    None if there is no row of the image.
    """
    parts = without_suffix(sample.image_id).split("/")
    paths = ("/".join(parts[start:]) for start in range(len(parts)))
    return next((written[path] for path in paths if path in written), None)


def _marked(sample: Sample, written: Sequence[ObjectAnnotation] | None) -> Sample:
    if sample.status or sample.predicted:
        return sample
    boxes = [item for item in sample.objects if item.box is not None]
    if written is None:
        return sample if sample.objects else replace(sample, predicted=True, status="untouched")
    if not boxes:
        return sample if sample.objects else replace(sample, status="empty")
    if not same_objects(boxes, written):
        return replace(sample, objects=tuple(replace(item, score=None) for item in boxes), status="corrected")
    if all(item.score is None for item in written):
        return sample
    scored = (item if item.box is None else replace(item, score=_score_of(item, written)) for item in sample.objects)
    return replace(sample, objects=tuple(scored), status="untouched")


def _score_of(item: ObjectAnnotation, written: Sequence[ObjectAnnotation]) -> float | None:
    return next(other.score for other in written if _same(item, other))


def predictions_of(sample: Sample) -> tuple[ObjectAnnotation, ...]:
    """Return the objects of an image that a model has predicted."""
    return tuple(item for item in sample.objects if sample.predicted or item.score is not None)


def prediction_notes(dataset: Dataset) -> tuple[str, ...]:
    """Return a sentence for the user about the predictions that were left out or used, with their number."""
    sentences = {
        LEFT_OUT: (
            "are predictions that no person has confirmed: left out (--use-predictions uses them).",
            "is a prediction that no person has confirmed: left out (--use-predictions uses it).",
        ),
        USED: (
            "are predictions, used as if a person had confirmed them.",
            "is a prediction, used as if a person had confirmed it.",
        ),
    }
    return tuple(
        f"{counted(len(issue.where), 'label')} {sentences[issue.kind][len(issue.where) == 1]}"
        for issue in dataset.issues
        if issue.kind in sentences
    )


def _lines(sample: Sample) -> list[str]:
    """A line for each prediction; one if a model finds nothing in the image."""
    lines = [f"{sample.image_id}: {item.label}" for item in predictions_of(sample)]
    return lines or ([f"{sample.image_id}: no object"] if sample.predicted else [])


def _labeled(samples: Iterable[Sample]) -> Iterable[Sample]:
    """Yield the images that a person has labeled, with their labels only."""
    for sample in samples:
        objects = () if sample.predicted else tuple(item for item in sample.objects if item.score is None)
        if objects or not (sample.predicted or sample.objects):
            yield replace(sample, objects=objects)


def _confirmed(sample: Sample) -> Sample:
    """Return an image whose predictions are labels."""
    status = "confirmed" if sample.status == "untouched" else sample.status
    if not predictions_of(sample):
        status = "empty" if status == "confirmed" and not sample.objects else status
        return replace(sample, predicted=False, status=status) if sample.predicted else sample
    objects = (item for item in sample.objects if item.box is not None or item.score is not None)
    by_person = tuple(replace(item, score=None) for item in objects)
    return replace(sample, objects=by_person, predicted=False, status=status)
