"""Join the labels of a data set with the boxes that a person has drawn in some of its images."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from weakspot.data.box_sources import read_boxes
from weakspot.data.dataset import Dataset, DatasetIssue, Sample
from weakspot.data.formats.class_folders import image_folder
from weakspot.data.formats.records import LabelProblem
from weakspot.data.image_index import ImageIndex, index_files
from weakspot.data.label_frames import resolve_frames, size_problem
from weakspot.data.predictions import deleted_boxes, deleted_images, mark_written, resolve_predictions
from weakspot.errors import InputError
from weakspot.terminal import counted

RELABELED = "image whose label in the boxes differs from its label in the data set: that of the boxes is used"
UNUSABLE = "label in the boxes that cannot be used"
_MAX_NAMED = 5


def join_boxes(
    dataset: Dataset,
    boxes: Path,
    *,
    images: Path | None = None,
    use_predictions: bool = False,
    in_decoded_pixels: bool = True,
) -> Dataset:
    """Give images of a data set the boxes that a person has drawn in them; all others keep their labels.

    An image that a person has left empty has no object. If a label differs, that of the boxes is used, and the image is
    an issue of the data set. Images are matched by their paths as :meth:`weakspot.data.ImageIndex.match` does. Labels
    for an image of another size are those of another image of the same name: they are an issue, too.

    Args:
        dataset: The images, with labels.
        boxes: Boxes in any format of :func:`weakspot.data.box_sources.read_boxes`.
        images: Folder of the images, if it is not in the data set.
        use_predictions: Whether boxes that a model predicted count as if a person had confirmed them.
        in_decoded_pixels: Whether boxes are converted as :func:`weakspot.data.label_frames.resolve_frames` does.

    Raises:
        InputError: ``boxes-unmatched`` with the names of images that are not in the data set, or if all are of other
            sizes there; ``boxes-empty`` if no image has a box and none is empty; ``deleted-boxes`` if all predicted
            boxes of an image were deleted and it is not said what that means; ``labels-are-predictions``; or as
            ``read_boxes``.
    """
    base = images or image_folder(dataset.root)
    files = {_name(sample, base): sample.path for sample in dataset.samples}
    index = index_files(files)
    loaded, problems = read_boxes(boxes, index, base)
    _check_matched(loaded, problems, index, boxes, dataset)
    loaded, of_other_sizes = _without_other_sizes(loaded, index, boxes, dataset)
    found = _with_paths(loaded, index, files)
    unusable = tuple(f"{item.image}: {item.problem}" for item in (*problems, *of_other_sizes))
    marked = mark_written(found, loaded.root)
    if deleted := deleted_images(marked):
        raise deleted_boxes(deleted, f"Say it once: weakspot label --import {loaded.root} --deleted empty or untouched")
    drawn = resolve_predictions(marked, use=use_predictions)
    if in_decoded_pixels:
        drawn = resolve_frames(drawn, loaded.root, list(drawn.splits))
    broken = {index.match(item.image) for item in problems}
    by_path = _by_path(
        sample for sample in drawn.samples if sample.objects or index.match(sample.image_id) not in broken
    )
    if not by_path:
        raise InputError("boxes-empty", f"{boxes} has no box, and no image that is empty.", "Draw or confirm some.")
    samples = tuple(_joined(sample, by_path.get(sample.path)) for sample in dataset.samples)
    pairs = zip(dataset.samples, samples, strict=True)
    relabeled = tuple(after.image_id for before, after in pairs if _is_relabeled(before, after))
    issues = ((RELABELED, relabeled), (UNUSABLE, unusable))
    labels = sorted({item.label for sample in samples for item in sample.objects})
    return replace(
        dataset,
        class_names=tuple(dict.fromkeys([*dataset.class_names, *labels])),
        samples=samples,
        issues=(*dataset.issues, *drawn.issues, *(DatasetIssue(kind, where) for kind, where in issues if where)),
    )


def join_notes(dataset: Dataset) -> tuple[str, ...]:
    """Return a sentence about images with another label in the boxes, and one about labels that cannot be used."""
    return tuple(
        f"{len(issue.where)} x {issue.kind} ({', '.join(issue.where[:_MAX_NAMED])}"
        f"{', ...' if len(issue.where) > _MAX_NAMED else ''})."
        for issue in dataset.issues
        if issue.kind in (RELABELED, UNUSABLE)
    )


def _name(sample: Sample, base: Path) -> str:
    """The path of an image relative to the folder of the images, or its name if it is elsewhere."""
    inside = sample.path.is_relative_to(base)
    return sample.path.relative_to(base).as_posix() if inside else f"{sample.image_id}{sample.path.suffix}"


def _check_matched(
    loaded: Dataset, problems: Iterable[LabelProblem], index: ImageIndex, boxes: Path, dataset: Dataset
) -> None:
    missing = [sample.image_id for sample in loaded.samples if index.match(sample.image_id) is None]
    missing += [item.image for item in problems if item.image and item.problem.endswith("the image does not exist")]
    if missing:
        names = ", ".join(missing[:_MAX_NAMED]) + (", ..." if len(missing) > _MAX_NAMED else "")
        verb = "matches" if len(missing) == 1 else "match"
        problem = f"{counted(len(missing), 'image')} of {boxes} {verb} none or several of {dataset.root}: {names}."
        hint = "Their paths must end like those of the images; set --images if these are in another folder."
        raise InputError("boxes-unmatched", problem, hint)


def _without_other_sizes(
    loaded: Dataset, index: ImageIndex, boxes: Path, dataset: Dataset
) -> tuple[Dataset, tuple[LabelProblem, ...]]:
    """Leave out the labels for images of another size than those that they match, unless all are."""
    checked = [(sample, size_problem(sample, index.header(sample.image_id))) for sample in loaded.samples]
    kept = tuple(sample for sample, problem in checked if not problem)
    problems = tuple(LabelProblem(sample.image_id, problem) for sample, problem in checked if problem)
    if problems and not kept:
        first = f"{problems[0].image}: {problems[0].problem}"
        problem = f"All images of {boxes} have another size than those of {dataset.root} ({first})."
        raise InputError("boxes-unmatched", problem, "They are other images of the same names; check both folders.")
    return replace(loaded, samples=kept), problems


def _with_paths(loaded: Dataset, index: ImageIndex, files: Mapping[str, Path]) -> Dataset:
    samples = tuple(
        replace(sample, image_id=name, path=files[name])
        for sample in loaded.samples
        if (name := index.match(sample.image_id)) is not None
    )
    return replace(loaded, samples=samples)


def _by_path(samples: Iterable[Sample]) -> dict[Path, Sample]:
    """The images by file; the objects of one that is named twice are joined."""
    by_path: dict[Path, Sample] = {}
    for sample in samples:
        other = by_path.get(sample.path)
        objects = dict.fromkeys([*(other.objects if other else ()), *sample.objects])
        by_path[sample.path] = replace(sample, objects=tuple(objects))
    return by_path


def _joined(sample: Sample, drawn: Sample | None) -> Sample:
    if drawn is None:
        return sample
    status = drawn.status or ("corrected" if drawn.objects else "empty")
    joined = replace(sample, objects=drawn.objects, size=drawn.size, status=status, ignore=None)
    return replace(joined, by_uncertainty=drawn.by_uncertainty)


def _is_relabeled(before: Sample, after: Sample) -> bool:
    labels, new = ({item.label for item in sample.objects} for sample in (before, after))
    return bool(labels and new) and not labels <= new
