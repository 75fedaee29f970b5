"""Write label files of predictions, and read them back after a person has corrected them."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from weakspot.cli.label_content import LabelsToWrite, complete_labels, without_lost
from weakspot.cli.label_import import import_labels
from weakspot.data.dataset import Sample
from weakspot.data.decoding_apart import decoding_apart
from weakspot.data.formats.text_files import read_classes, write_rows, write_text
from weakspot.data.image_index import index_files
from weakspot.data.written_labels import write_written
from weakspot.errors import InputError, check_fraction, check_positive
from weakspot.io.folders import LABEL_FILE, is_file, next_free_path
from weakspot.io.settings import save_settings
from weakspot.labels import FORMATS, Format, LabelProblem, WriteOptions
from weakspot.labels.decisions import decision_note
from weakspot.labels.from_localizations import name_classes, suppress_overlaps
from weakspot.labels.image_names import common_folder, folder_of_images, names_below
from weakspot.labels.label_checks import check_classes
from weakspot.labels.options import LabelOptions
from weakspot.labels.output_folder import (
    atomic_folder,
    check_output_apart,
    check_output_free,
    link_or_copy,
    output_lock,
)
from weakspot.labels.review_order import write_review
from weakspot.labels.sources import find_rows, load_localizations, localize_images, read_splits
from weakspot.terminal import counted, echo

PROBLEMS = "problems.jsonl"


@dataclass(frozen=True)
class LabelOutcome:
    """What was written.

    ``problems`` is the file that lists skipped or changed labels, ``wrong`` their number; ``labels`` is the number of
    labels of images, without a box.
    """

    output: Path
    images: int
    objects: int
    problems: Path | None
    wrong: int
    notes: tuple[str, ...] = ()
    labels: int = 0


@decoding_apart()
def label(sources: Sequence[str], options: LabelOptions) -> LabelOutcome:
    """Write label files, or with ``import_`` read them.

    The folder is written under a temporary name and then renamed, so it is never incomplete. The sources are a model or
    the rows of ``weakspot localize``, and then the images; empty with ``import_``. InputError ``labels-empty`` if no
    labeled image remains.
    """
    _check(sources, options)
    output = options.output or next_free_path("labels" if options.import_ is None else "imported")
    with output_lock(output):
        check_output_free(output, overwrite=options.overwrite)
        return _label(sources, output, options)


def _label(sources: Sequence[str], output: Path, options: LabelOptions) -> LabelOutcome:
    if options.import_ is None:
        labeled = _exported(sources, options)
        formats = {str(name): FORMATS[name] for name in dict.fromkeys(options.format)}
    else:
        labeled, formats = import_labels(options.import_, options), {".": FORMATS["csv"]}
    if not labeled.labels.samples:
        first = labeled.problems[0] if labeled.problems else LabelProblem("", "the source contains no images")
        reason = f"{first.image}: {first.problem}" if first.image else first.problem
        raise InputError("labels-empty", f"Found no images to label: {reason}.")
    return _write(output, labeled, formats, sources, options)


def _check(sources: Sequence[str], options: LabelOptions) -> None:
    if options.import_ is None and not sources:
        raise InputError("missing-source", "label requires a model and images, or boxes.jsonl; or --import.")
    if options.import_ is not None and (sources or len(set(options.format)) != 1):
        problem = "--import requires exactly one --format, and cannot be used with another source."
        raise InputError("options-conflict", problem)
    check_fraction(options.min_score, "--min-score")
    check_positive(options.batch_size, "--batch-size")
    if options.max_overlap is not None:
        check_fraction(options.max_overlap, "--max-overlap")
    if options.val_fraction is not None and not 0 < options.val_fraction < 1:
        problem = f"--val-fraction must be greater than 0 and less than 1, got {options.val_fraction}."
        raise InputError("out-of-range", problem)
    if options.seed < 0:
        raise InputError("out-of-range", f"--seed must be at least 0, got {options.seed}.")
    _check_no_file(options.classes or ())
    if options.class_names is not None:
        check_classes(read_classes(options.class_names))


def _check_no_file(classes: Sequence[str]) -> None:
    """Refuse a file of names, which ``--classes`` was before version 0.2."""
    file = next((name for name in classes if Path(name).suffix and is_file(Path(name))), None)
    if file is not None:
        hint = f"To name the classes of the labels, use --class-names {file}."
        raise InputError("unknown-class", f"--classes must be names of classes, got the file {file}.", hint)


def _exported(sources: Sequence[str], options: LabelOptions) -> LabelsToWrite:
    """Return labels of predictions, and of what a person has said of them in a review."""
    rows = find_rows(sources[0])
    images = sources[1:]
    if rows is not None and options.classes:
        raise InputError("options-conflict", f"--classes cannot be used with {sources[0]}, which has localizations.")
    predictions = (
        localize_images(sources[0], images, options) if rows is None else load_localizations(rows, images, options)
    )
    overlap = options.max_overlap
    localized = (
        predictions.images if overlap is None else [suppress_overlaps(item, overlap) for item in predictions.images]
    )
    classes, localized_images = name_classes(localized, predictions.class_names)
    paths = [item.path for item in localized_images]
    source_folder = Path(images[0]) if len(images) == 1 and Path(images[0]).is_dir() else None
    folder = common_folder(paths) if source_folder is None else folder_of_images(source_folder, paths)
    files = dict(zip(names_below(folder, paths), paths, strict=True))
    splits = read_splits(images)
    labeled = [
        Sample(
            name,
            image.path,
            splits.get(image.path.absolute(), ""),
            image.objects,
            (image.height, image.width),
            uncertainty=image.uncertainty,
            status=image.status,
        )
        for name, image in zip(files, localized_images, strict=True)
    ]
    complete = without_lost(complete_labels(labeled, classes, index_files(files), files, options))
    problems = (*predictions.problems, *complete.problems)
    reviewed = decision_note(complete.labels.samples)
    notes = (*([reviewed] if reviewed else ()), *predictions.notes, *complete.notes)
    return replace(complete, folder=folder, problems=problems, notes=notes)


def _write(
    output: Path, labeled: LabelsToWrite, formats: dict[str, Format], sources: Sequence[str], options: LabelOptions
) -> LabelOutcome:
    labels = labeled.labels
    with_untouched = replace(labels, samples=(*labels.samples, *labeled.untouched))
    images = [labeled.files[sample.image_id] for sample in labels.samples]
    check_output_apart(output, images if options.import_ is None else [options.import_, *images])
    write_options = WriteOptions(scores=options.scores, polygons=options.polygons, url=options.url)
    problems = list(labeled.problems)
    with atomic_folder(output) as folder:
        for name, format_ in formats.items():
            problems += format_.write(with_untouched, folder / name, write_options)
            for sample in labels.samples:
                target = folder / name / format_.image_path(sample)
                link_or_copy(labeled.files[sample.image_id], target, options.image_files)
            if options.import_ is None:
                write_written(labels, folder / name)
        write_text(folder / "classes.txt", "".join(f"{name}\n" for name in labels.class_names))
        write_review(labels, folder / "review.csv")
        if options.import_ is None:
            write_written(labels, folder)
        if problems:
            write_rows(folder / PROBLEMS, ({"image": item.image, "problem": item.problem} for item in problems))
        save_settings(folder / LABEL_FILE, asdict(options) | {"sources": sources, "images": labeled.folder.absolute()})
    boxes = [item.box is not None for sample in labels.samples for item in sample.objects]
    problem_file = output / PROBLEMS if problems else None
    return LabelOutcome(
        output,
        images=len(labels.samples),
        objects=sum(boxes),
        problems=problem_file,
        wrong=len(problems),
        notes=labeled.notes,
        labels=len(boxes) - sum(boxes),
    )


def print_labeled(outcome: LabelOutcome) -> None:
    """Print the number of labels, and the paths of the problems and of the output folder."""
    problems = "" if outcome.problems is None else f", {counted(outcome.wrong, 'problem')}: {outcome.problems}"
    objects = counted(outcome.objects, "object") if outcome.objects or not outcome.labels else ""
    labels = counted(outcome.labels, "label") if outcome.labels else ""
    echo(f"{' and '.join(filter(None, (objects, labels)))} in {counted(outcome.images, 'image')}{problems}")
    for note in outcome.notes:
        echo(f"note: {note}")
    echo(outcome.output)
