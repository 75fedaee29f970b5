"""Sources of the boxes of labels: a model that runs now, or rows of an earlier run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from weakspot.data import DecoderPool, ImageSource, find_images, read_dataset
from weakspot.data.annotated_image import read_mask
from weakspot.data.decoding_apart import decoding_apart
from weakspot.data.passed_over import describe_passed_over, passed_over
from weakspot.data.review_rows import REVIEW
from weakspot.errors import InputError, WeakspotError
from weakspot.inference.batch.worker import sample_evenly
from weakspot.inference.command_options import localizer_options
from weakspot.inference.early_checks import check_images, check_model
from weakspot.inference.folder_classes import (
    ClassChoice,
    FolderClasses,
    FolderCounts,
    choose_classes,
    localize_choice,
)
from weakspot.io.folders import find_relocated, is_file
from weakspot.io.manifest import finished_row_files, missing_shards
from weakspot.io.progress import Progress
from weakspot.io.rows import read_rows
from weakspot.io.shards import row_files, skipped_file
from weakspot.labels import LabelProblem
from weakspot.labels.decisions import read_decisions, with_decisions
from weakspot.labels.from_localizations import LocalizedImage, from_localization, read_localized_images, select_boxes
from weakspot.labels.options import LabelOptions

if TYPE_CHECKING:
    from weakspot.inference.localizer import Localizer


@dataclass(frozen=True)
class Localizations:
    """Localized images, class names by index (None: those of the images), images without localizations, and notes."""

    images: tuple[LocalizedImage, ...]
    class_names: tuple[str, ...] | None
    problems: tuple[LabelProblem, ...]
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class RowSource:
    """Rows of ``weakspot localize``: the folder of their masks, the files, and missing shards."""

    folder: Path
    files: tuple[Path, ...]
    missing: Mapping[str, str]


def find_rows(source: str) -> RowSource | None:
    """Return the rows of a file or folder, or those next to a review; None if the source is a model."""
    path = Path(source)
    path = path.parent if path.name == REVIEW and is_file(path) else path
    if path.is_dir():
        files = finished_row_files(path)
        return RowSource(path, files, missing_shards(path)) if files else None
    files = row_files(path)
    return RowSource(path.parent, files, {}) if files else None


def localize_images(model: str, images: Sequence[str], options: LabelOptions) -> Localizations:
    """Localize the classes of images (files, folders or patterns) by a model."""
    if not images:
        problem = f"{model} is not output of weakspot localize; a model needs images."
        raise InputError("missing-images", problem, "Run: weakspot label MODEL IMAGES.")
    check_model(model, replace(options, class_names=None))  # that of the labels
    paths = list(dict.fromkeys(find_images(images)))
    check_images(paths)
    with decoding_apart() as decoders:
        decoders.start(min(options.workers, len(paths)))
        return _localize(model, paths, images, options, decoders)


def _localize(
    model: str, paths: Sequence[Path], images: Sequence[str], options: LabelOptions, decoders: DecoderPool
) -> Localizations:
    from weakspot.inference.localizer import Localizer

    changes = {"boxes": options.boxes or "best", "class_names": None, "min_score": 0.0, "uncertainty": True}
    localizer = Localizer.from_options(model, localizer_options(options, **changes, decoders=decoders))
    if localizer.needs_adaptation:
        localizer.adapt(sample_evenly(paths, len(paths)))
    problems: list[LabelProblem] = []

    def skip(image: ImageSource, error: WeakspotError) -> None:
        problems.append(LabelProblem(str(image), error.problem))

    masks = options.polygons or bool({"coco", "masks"} & set(options.format))
    choice, counts = _choose_classes(localizer, paths, options), FolderCounts.of(localizer)
    localized = []
    with Progress(len(paths)) as progress:
        for item in localize_choice(
            localizer, paths, choice, counts, batch_size=options.batch_size, workers=options.workers, on_error=skip
        ):
            localized.append(from_localization(item, min_score=options.min_score, masks=masks))
            progress.advance()
    others = describe_passed_over(list(passed_over(images)))
    notes = (*choice.notes, *counts.notes(by_folder=choice.by_folder), *([others] if others else ()))
    return Localizations(tuple(localized), tuple(localizer.class_names), tuple(problems), notes)


def _choose_classes(localizer: "Localizer", paths: Sequence[Path], options: LabelOptions) -> ClassChoice:
    """Interpret ``--classes``; by default those of the folders, if any is named after a class.

    Images may have several classes for a multi-label model, whose predictions are the default.
    """
    folders = FolderClasses(localizer.class_names)
    named = any(folders.of(path) is not None for path in paths)
    if not options.classes and named and not localizer.config.info.multi_label:
        note = "Images have the class that their folder is named after (--classes predicted: the most probable one)."
        return ClassChoice(by_folder=True, notes=(note,))
    return choose_classes(options.classes, localizer.class_names)


def load_localizations(source: RowSource, images: Sequence[str], options: LabelOptions) -> Localizations:
    """Read the rows of ``weakspot localize`` for images (files, folders or patterns; all if empty), and saved masks.

    Images that a person has reviewed are as the person said. Skipped images, missing shards and images without a row
    are problems.
    """
    masks = source.folder / "masks"
    selected = {path.absolute(): path for path in find_images(images)}
    decisions = read_decisions(source.folder, source.files)
    found = read_localized_images(*source.files, mask_of=_saved_mask(masks) if masks.is_dir() else None)
    first_only = options.boxes in ("best", "largest")
    rows = (
        select_boxes(image, min_score=options.min_score, first_only=first_only)
        for image in with_decisions(found, decisions.rows)
    )
    localized = {row.path.absolute(): row for row in rows if not selected or row.path.absolute() in selected}
    skipped_rows = (row for file in source.files for row in _skipped(skipped_file(file)))
    skipped = {path: problem for path, problem in skipped_rows if path.absolute() not in localized}
    problems = [LabelProblem(name, problem) for name, problem in source.missing.items()]
    problems += [LabelProblem(str(path), problem) for path, problem in skipped.items()]
    missing = selected.keys() - localized.keys() - {path.absolute() for path in skipped}
    problems += [LabelProblem(str(selected[path]), f"no row in {source.folder}") for path in sorted(missing)]
    notes = (decisions.note,) if decisions.note else ()
    return Localizations(tuple(localized.values()), None, tuple(problems), notes)


def _saved_mask(folder: Path) -> Callable[[Path, int | None], NDArray[np.bool_] | None]:
    def saved_mask(image: Path, class_index: int | None) -> NDArray[np.bool_] | None:
        suffix = ".png" if class_index is None else f".{class_index}.png"
        file = find_relocated(folder, image, suffix)
        return None if file is None else read_mask(file)

    return saved_mask


def _skipped(file: Path) -> Iterator[tuple[Path, str]]:
    """Images that an earlier run skipped, and the reasons."""
    for line, row in read_rows(file) if file.is_file() else ():
        try:
            yield Path(row["image"]), str(row["problem"])
        except (KeyError, TypeError) as error:
            raise InputError("row-invalid", f"{line} is not a row of a skipped image.") from error


def read_splits(images: Sequence[str]) -> dict[Path, str]:
    """Read the splits of the data sets among the sources, by absolute path; other folders are ignored."""
    splits: dict[Path, str] = {}
    for folder in (source for source in images if Path(source).is_dir()):
        with suppress(InputError):
            splits |= {sample.path.absolute(): sample.split for sample in read_dataset(folder).samples}
    return splits
