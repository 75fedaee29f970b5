"""Where the boxes of labels come from: a model that looks at images now, or rows of an earlier run."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weakspot.data import ImageSource, find_images, read_dataset
from weakspot.data.annotated_image import read_mask
from weakspot.errors import InputError, WeakspotError
from weakspot.inference.batch.worker import sample_evenly
from weakspot.inference.command_options import localizer_options
from weakspot.io.folders import find_relocated
from weakspot.io.manifest import finished_row_files, missing_shards
from weakspot.io.progress import Progress
from weakspot.io.rows import read_rows
from weakspot.io.shards import row_files, skipped_file
from weakspot.labels import LabelProblem
from weakspot.labels.from_localizations import LocalizedImage, from_localization, read_localized_images
from weakspot.labels.options import LabelOptions


@dataclass(frozen=True)
class Localizations:
    """What was found, in which order classes are numbered (None: as in the images), and what is missing."""

    images: tuple[LocalizedImage, ...]
    class_names: tuple[str, ...] | None
    problems: tuple[LabelProblem, ...]


@dataclass(frozen=True)
class RowSource:
    """Rows of ``weakspot localize``: the folder that holds their masks, the files, and the shards that are missing."""

    folder: Path
    files: tuple[Path, ...]
    missing: Mapping[str, str]


def find_rows(source: str) -> RowSource | None:
    """The rows that a source names, by a file or the folder; None where it names a model."""
    path = Path(source)
    if path.is_dir():
        files = finished_row_files(path)
        return RowSource(path, files, missing_shards(path)) if files else None
    files = row_files(path)
    return RowSource(path.parent, files, {}) if files else None


def localize_images(model: str, images: Sequence[str], options: LabelOptions) -> Localizations:
    """Localize in images.

    Args:
        model: Run folder, or timm or torchvision name.
        images: Files, folders or patterns.
        options: How to localize.

    Raises:
        InputError: If no images are named.
        ModelError: If the model cannot be used.
    """
    if not images:
        raise InputError(
            f"{model} holds no boxes of weakspot localize, and no images were named.",
            "Give a folder that localize has written, or a model and images.",
        )
    from weakspot.inference.localizer import Localizer

    paths = list(dict.fromkeys(find_images(images)))
    changes = {"boxes": options.boxes or "largest", "class_names": None, "min_score": 0.0, "uncertainty": True}
    localizer = Localizer.from_options(model, localizer_options(options, **changes))
    if localizer.needs_adaptation:
        localizer.adapt(sample_evenly(paths, len(paths)))
    problems: list[LabelProblem] = []

    def skip(image: ImageSource, error: WeakspotError) -> None:
        problems.append(LabelProblem(str(image), error.problem))

    masks = options.polygons or bool({"coco", "masks"} & set(options.format))
    found = []
    with Progress(len(paths)) as progress:
        for one in localizer.stream(paths, batch_size=options.batch_size, workers=options.workers, on_error=skip):
            found.append(from_localization(one, min_score=options.min_score, masks=masks))
            progress.advance()
    return Localizations(tuple(found), tuple(localizer.class_names), tuple(problems))


def load_localizations(source: RowSource, images: Sequence[str], options: LabelOptions) -> Localizations:
    """Read the rows of ``weakspot localize``, and its masks where it has saved them.

    Args:
        source: Images that were skipped, and shards that are missing, are listed as problems.
        images: Files, folders or patterns: only rows of these are taken, and images without a row are listed. Nothing
            takes all rows.
        options: Which boxes to take.
    """
    masks = source.folder / "masks"
    wanted = {path.absolute(): path for path in find_images(images)}
    read = partial(
        read_localized_images,
        min_score=options.min_score,
        largest=options.boxes == "largest",
        mask_of=_saved_mask(masks) if masks.is_dir() else None,
    )
    rows = (row for file in source.files for row in read(file))
    taken = [row for row in rows if not wanted or row.path.absolute() in wanted]
    known: dict[Path, LocalizedImage] = {}
    for row in taken:
        known.setdefault(row.path.absolute(), row)
    listed = (one for file in source.files for one in _skipped(skipped_file(file)))
    skipped = {path: why for path, why in listed if path.absolute() not in known}
    problems = [LabelProblem(name, why) for name, why in source.missing.items()]
    problems += [LabelProblem(str(path), why) for path, why in skipped.items()]
    again = [row for row in taken if known[row.path.absolute()] is not row]
    problems += [
        LabelProblem(str(row.path), f"{source.folder} has a second row of the image: left out") for row in again
    ]
    missing = wanted.keys() - known.keys() - {path.absolute() for path in skipped}
    problems += [
        LabelProblem(str(wanted[path]), f"{source.folder} has no row of the image") for path in sorted(missing)
    ]
    return Localizations(tuple(known.values()), None, tuple(problems))


def _saved_mask(folder: Path) -> Callable[[Path, int | None], NDArray[np.bool_] | None]:
    def mask_of(image: Path, class_index: int | None) -> NDArray[np.bool_] | None:
        further = "" if class_index is None else f".{class_index}"
        file = find_relocated(folder, image, f"{further}.png")
        return None if file is None else read_mask(file)

    return mask_of


def _skipped(file: Path) -> Iterator[tuple[Path, str]]:
    """What an earlier run could not read, and why."""
    for place, row in read_rows(file) if file.is_file() else ():
        try:
            yield Path(row["image"]), str(row["problem"])
        except (KeyError, TypeError) as error:
            raise InputError(f"{place}, is not a row of a skipped image.", "Remove the line.") from error


def read_splits(images: Sequence[str]) -> dict[Path, str]:
    """The splits of data sets among the sources, by absolute path; a folder that is none has none."""
    splits: dict[Path, str] = {}
    for folder in (source for source in images if Path(source).is_dir()):
        with suppress(InputError):
            splits |= {one.path.absolute(): one.split for one in read_dataset(folder).samples}
    return splits
