"""Read labels that a person has corrected, and say what was done with the predictions of each image."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import get_args

from weakspot.cli.label_content import LOST_ALL_LABELS, LabelsToWrite, complete_labels
from weakspot.data.dataset import Dataset, Sample
from weakspot.data.formats.walk import images_below
from weakspot.data.image_index import ImageIndex, index_images
from weakspot.data.label_frames import Frame, LabelFrame, assumed_issue, label_frame
from weakspot.data.predictions import (
    DELETED,
    deleted_boxes,
    deleted_images,
    mark_written,
    prediction_notes,
    resolve_predictions,
)
from weakspot.data.review_rows import REVIEW, Status
from weakspot.data.written_labels import is_written
from weakspot.errors import InputError
from weakspot.io.folders import check_unpacked, is_file
from weakspot.io.shards import row_files
from weakspot.labels import FORMATS, Format, LabelProblem, LoadedLabels
from weakspot.labels.options import LabelOptions
from weakspot.terminal import counted


def import_labels(source: Path, options: LabelOptions) -> LabelsToWrite:
    """Return labels that a person has corrected."""
    if not source.exists():
        raise InputError("labels-not-found", f"{source} does not exist.")
    check_unpacked(source)
    _check_no_review(source)
    folder = options.images or _image_folder(source)
    index = index_images(folder)
    (loaded, problems), frame = _read(source, FORMATS[options.format[0]], index)
    marked = _with_meaning(mark_written(loaded, source), options.deleted)
    labels = resolve_predictions(marked, use=options.use_predictions)
    files = {name: folder / name for names in index.names.values() for name in names}
    complete = complete_labels(labels.samples, labels.class_names, index, files, options, frame.frame)
    unlabeled = len(files.keys() - {index.match(sample.image_id) for sample in loaded.samples})
    verb = "is" if unlabeled == 1 else "are"
    notes = (f"{counted(unlabeled, 'image')} in {folder} {verb} not in the labels: skipped",) if unlabeled else ()
    with_labels = {problem.image for problem in problems}
    with_labels |= {index.match(sample.image_id) or "" for sample in labels.samples if sample.objects}
    lost = {
        sample.image_id for sample in complete.labels.samples if not sample.objects and sample.image_id in with_labels
    }
    remaining = tuple(sample for sample in complete.labels.samples if sample.image_id not in lost)
    issues = (*loaded.issues, *assumed_issue(frame))
    labeled = {index.match(sample.image_id) for sample in labels.samples}
    untouched = tuple(
        replace(sample, image_id=name, objects=(), size=index.size(name), predicted=True)
        for sample in marked.samples
        if sample.status == "untouched" and (name := index.match(sample.image_id)) and name not in labeled
    )
    return replace(
        complete,
        labels=replace(complete.labels, samples=remaining),
        folder=folder,
        problems=(*problems, *complete.problems, *(LabelProblem(path, LOST_ALL_LABELS) for path in sorted(lost))),
        notes=(
            *complete.notes,
            *notes,
            *prediction_notes(labels),
            *(f"{len(issue.where)} x {issue.kind}" for issue in issues if issue.kind != DELETED),
            *_background_note(remaining),
            *_status_note((*remaining, *untouched)),
        ),
        untouched=untouched,
    )


def _check_no_review(source: Path) -> None:
    """Refuse a review (``labels-are-review``): its decisions are used where its predictions become labels."""
    folder = source.parent if source.name == REVIEW else source
    if source.name == REVIEW or (is_file(folder / REVIEW) and row_files(folder)):
        hint = f"To write the boxes of the review, run: weakspot label {folder}"
        raise InputError("labels-are-review", f"{source} is a review, which needs no import.", hint)


def _with_meaning(labels: Dataset, deleted: str) -> Dataset:
    """Decide what images mean whose predicted objects a person has deleted: no object, or that nobody has labeled them.

    InputError ``deleted-boxes`` if it was not said.
    """
    names = deleted_images(labels)
    if not names or deleted == "empty":
        return labels
    if deleted == "untouched":
        samples = (
            replace(sample, predicted=True, status="untouched") if sample.image_id in names else sample
            for sample in labels.samples
        )
        return replace(labels, samples=tuple(samples))
    raise deleted_boxes(
        names, "Add --deleted empty if they hold no object, or --deleted untouched if they keep their labels."
    )


def _read(source: Path, format_: Format, index: ImageIndex) -> tuple[LoadedLabels, LabelFrame]:
    """Read label files, and find out for which pixels of turned images they are."""
    loaded = format_.read(source, index)
    known: Frame | None = "upright" if format_.is_upright or is_written(source) else None
    pairs = ((sample, index.header(sample.image_id)) for sample in loaded.labels.samples)
    frame = label_frame(pairs, assumed="upright", known=known)
    if frame.frame == "stored" and any(sample.size_from_image for sample in loaded.labels.samples):
        loaded = format_.read(source, index.as_stored())
    return loaded, frame


def _background_note(samples: Iterable[Sample]) -> tuple[str, ...]:
    """Say how many images have no object, for example because a person has deleted the only box."""
    count = sum(not sample.objects for sample in samples)
    verbs = "has no object left: it trains" if count == 1 else "have no object left: they train"
    return (f"{counted(count, 'image')} {verbs} as background",) if count else ()


def _status_note(samples: Iterable[Sample]) -> tuple[str, ...]:
    """Say of how many images a person has confirmed, corrected or deleted the boxes, and of how many not."""
    counts = Counter(sample.status for sample in samples)
    known = [f"{counts[status]} {status}" for status in get_args(Status) if counts[status]]
    return (f"images: {', '.join(known)}",) if known else ()


def _image_folder(source: Path) -> Path:
    base = source if source.is_dir() else source.parent
    folder = next((base / name for name in ("images", "JPEGImages") if (base / name).is_dir()), base)
    if not images_below(folder):
        raise InputError("images-not-found", f"No folder of images is next to {source}.", "Use --images.")
    return folder
