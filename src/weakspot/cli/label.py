"""Write label files of what was found, and take them back when a person has corrected them."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from weakspot.errors import InputError
from weakspot.io.folders import next_free_path
from weakspot.io.settings import save_settings
from weakspot.labels import (
    FORMATS,
    Format,
    ImageIndex,
    LabeledImage,
    LabelProblem,
    LabelSet,
    WriteOptions,
    index_images,
)
from weakspot.labels.from_localizations import name_classes, suppress_overlaps
from weakspot.labels.image_index import index_files
from weakspot.labels.image_names import common_folder, folder_of_images, names_below
from weakspot.labels.label_checks import check_classes, drop_invalid, drop_missing
from weakspot.labels.options import LabelOptions
from weakspot.labels.output_folder import SETTINGS, atomic_folder, check_output_apart, check_output_free, link_or_copy
from weakspot.labels.review_order import write_review
from weakspot.labels.sources import find_rows, load_localizations, localize_images, read_splits
from weakspot.labels.splits import split_images
from weakspot.labels.text_files import read_classes, write_rows, write_text

PROBLEMS = "problems.jsonl"
EMPTIED = "no label of the image could be taken, so nobody knows what is in it: left out"


@dataclass(frozen=True)
class LabelOutcome:
    """What was written.

    Attributes:
        output: The folder.
        images: Number of images that are labelled.
        objects: Number of objects in them.
        problems: The file that lists what could not be taken as it was; None where there is nothing.
        wrong: Number of problems in it.
        notes: What else a user should know.
    """

    output: Path
    images: int
    objects: int
    problems: Path | None
    wrong: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Labelled:
    """What is to be written: labels, the folder of their images and the files by name, and what is wrong."""

    labels: LabelSet
    folder: Path
    files: dict[str, Path]
    problems: tuple[LabelProblem, ...]
    notes: tuple[str, ...] = ()


def label(sources: Sequence[str], options: LabelOptions) -> LabelOutcome:
    """Write label files, or with ``import_`` read them.

    The folder is written under a temporary name and renamed, so it is there as a whole or not at all.

    Args:
        sources: A model or the rows of ``weakspot localize``, and then the images; nothing with ``import_``.
        options: What to write, and where.

    Raises:
        InputError: If the sources or options cannot be used, no image is left to label, or the output is taken.
    """
    _check(sources, options)
    output = options.output or next_free_path("labels" if options.import_ is None else "imported")
    check_output_free(output, overwrite=options.overwrite)
    if options.import_ is None:
        labelled = _exported(sources, options)
        formats = {str(name): FORMATS[name] for name in dict.fromkeys(options.format)}
    else:
        labelled, formats = _imported(options.import_, options), {".": FORMATS["csv"]}
    if not labelled.labels.images:
        first = labelled.problems[0] if labelled.problems else LabelProblem("", "there is none")
        raise InputError(f"No image is left to label: {first.image}: {first.problem}.", "Check the source and images.")
    return _write(output, labelled, formats, sources, options)


def _check(sources: Sequence[str], options: LabelOptions) -> None:
    if options.import_ is None and not sources:
        hint = "Give a run folder or model and images, or boxes.jsonl; or --import."
        raise InputError("No source of labels was named.", hint)
    if options.import_ is not None and (sources or len(set(options.format)) != 1):
        hint = "Give: weakspot label --import LABELS --format F --images DIR."
        raise InputError("--import takes one --format, and no other source.", hint)
    if not 0 <= options.min_score <= 1:
        raise InputError(f"The least score {options.min_score} is outside [0, 1].", "Give a probability.")
    if options.max_overlap is not None and not 0 <= options.max_overlap <= 1:
        problem = f"The greatest overlap {options.max_overlap} is outside [0, 1]."
        raise InputError(problem, "Give a fraction, for example 0.5.")
    if options.val_fraction is not None and not 0 < options.val_fraction < 1:
        raise InputError(
            f"The share {options.val_fraction} is outside (0, 1).", "Give the fraction that validates, as 0.2."
        )
    if options.seed < 0:
        raise InputError(f"The seed {options.seed} is negative.", "Give a whole number from 0 on.")
    if options.class_names is not None:
        check_classes(read_classes(options.class_names))


def _exported(sources: Sequence[str], options: LabelOptions) -> _Labelled:
    """Labels of what was found in images."""
    rows = find_rows(sources[0])
    images = sources[1:]
    found = localize_images(sources[0], images, options) if rows is None else load_localizations(rows, images, options)
    most = options.max_overlap
    kept = found.images if most is None else [suppress_overlaps(one, most) for one in found.images]
    classes, named = name_classes(kept, found.class_names)
    paths = [one.path for one in named]
    named_folder = Path(images[0]) if len(images) == 1 and Path(images[0]).is_dir() else None
    folder = common_folder(paths) if named_folder is None else folder_of_images(named_folder, paths)
    files = dict(zip(names_below(folder, paths), paths, strict=True))
    splits = read_splits(images)
    labelled = [
        LabeledImage(name, one.width, one.height, one.objects, splits.get(one.path.absolute(), ""), one.doubt)
        for name, one in zip(files, named, strict=True)
    ]
    complete = _complete(labelled, classes, index_files(files), files, options)
    return replace(complete, folder=folder, problems=(*found.problems, *complete.problems))


def _imported(source: Path, options: LabelOptions) -> _Labelled:
    """Labels that a person has corrected."""
    if not source.exists():
        raise InputError(f"{source} does not exist.", "Give the folder or file of the corrected labels.")
    folder = options.images or _images_beside(source)
    photos = index_images(folder)
    labels, problems = FORMATS[options.format[0]].read(source, photos)
    files = {name: folder / name for names in photos.names.values() for name in names}
    complete = _complete(labels.images, labels.classes, photos, files, options)
    silent = len(files.keys() - {photos.find(one.path) for one in labels.images})
    notes = (f"{silent} images of {folder} are not in the labels: left out",) if silent else ()
    had = {one.image for one in problems} | {photos.find(one.path) for one in labels.images if one.objects}
    emptied = {one.path for one in complete.labels.images if not one.objects and one.path in had}
    kept = tuple(one for one in complete.labels.images if one.path not in emptied)
    return replace(
        complete,
        labels=replace(complete.labels, images=kept),
        folder=folder,
        problems=(*problems, *complete.problems, *(LabelProblem(path, EMPTIED) for path in sorted(emptied))),
        notes=(*complete.notes, *notes),
    )


def _images_beside(source: Path) -> Path:
    base = source if source.is_dir() else source.parent
    folder = next((base / name for name in ("images", "JPEGImages") if (base / name).is_dir()), None)
    if folder is None:
        raise InputError(f"There is no folder of images beside {source}.", "Name it with --images.")
    return folder


def _complete(
    images: Iterable[LabeledImage],
    classes: tuple[str, ...],
    photos: ImageIndex,
    files: dict[str, Path],
    options: LabelOptions,
) -> _Labelled:
    """Leave out what is wrong, and split the rest."""
    wanted = classes if options.class_names is None else read_classes(options.class_names)
    check_classes(wanted)
    there, missing = drop_missing(images, photos)
    kept, wrong = drop_invalid(there, wanted)
    notes: tuple[str, ...] = ()
    if options.val_fraction is not None and any(image.split for image in kept):
        notes = ("the images have splits already: these are kept, and --val-fraction is passed over",)
    elif options.val_fraction is not None:
        paths = [files[image.path] for image in kept]
        kept = split_images(kept, paths, share=options.val_fraction, seed=options.seed, workers=max(1, options.workers))
    return _Labelled(LabelSet(wanted, kept), Path(), files, (*missing, *wrong), notes)


def _write(
    output: Path, labelled: _Labelled, formats: dict[str, Format], sources: Sequence[str], options: LabelOptions
) -> LabelOutcome:
    labels = labelled.labels
    kept = [labelled.files[image.path] for image in labels.images]
    check_output_apart(output, kept if options.import_ is None else [options.import_, *kept])
    how = WriteOptions(scores=options.scores, polygons=options.polygons, url=options.url)
    problems = list(labelled.problems)
    with atomic_folder(output) as folder:
        for name, format_ in formats.items():
            problems += format_.write(labels, folder / name, how)
            for image in labels.images:
                link_or_copy(labelled.files[image.path], folder / name / format_.place(image), options.photos)
        write_text(folder / "classes.txt", "".join(f"{name}\n" for name in labels.classes))
        write_review(labels, folder / "review.csv")
        if problems:
            write_rows(folder / PROBLEMS, ({"image": one.image, "problem": one.problem} for one in problems))
        save_settings(folder / SETTINGS, asdict(options) | {"sources": sources, "images": labelled.folder.absolute()})
    objects = sum(len(image.objects) for image in labels.images)
    listed = output / PROBLEMS if problems else None
    return LabelOutcome(output, len(labels.images), objects, listed, len(problems), labelled.notes)
