"""Where the boxes of labels come from: a model that looks at images now, or rows of an earlier run."""

import json
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from weakspot.commands.localize import some_of
from weakspot.commands.options import LabelOptions
from weakspot.commands.pictures import picture_name
from weakspot.commands.progress import Progress
from weakspot.data import ImageSource, find_images, read_dataset
from weakspot.data.masks import read_mask
from weakspot.data.readers.text import read_lines
from weakspot.errors import InputError, WeakspotError
from weakspot.labels import LabelProblem
from weakspot.labels.found import FoundImage, of_localization, read_rows_of

ROWS, SKIPPED = "boxes.jsonl", "skipped.jsonl"


@dataclass(frozen=True)
class Found:
    """What was found, in which order classes are numbered (None: as in the images), and what is missing."""

    images: tuple[FoundImage, ...]
    class_names: tuple[str, ...] | None
    problems: tuple[LabelProblem, ...]


def rows_file(source: str) -> Path | None:
    """The file of rows that a source names, itself or by its folder; None where it names a model."""
    path = Path(source)
    if path.suffix == ".jsonl":
        return path
    return path / ROWS if (path / ROWS).is_file() else None


def found_by_model(model: str, images: Sequence[str], options: LabelOptions) -> Found:
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
        raise InputError(f"No images were named for the model {model}.", "Give files, folders, or patterns.")
    from weakspot.localizer import Localizer

    paths = list(dict.fromkeys(find_images(images)))
    localizer = Localizer(
        model,
        method=options.method,
        quality=options.quality,
        device=options.device,
        backend=options.backend,
        boxes=options.boxes or "largest",
        min_area=options.min_area,
        doubt=True,
    )
    if localizer.adapts:
        localizer.adapt(some_of(paths))
    problems: list[LabelProblem] = []

    def skip(image: ImageSource, error: WeakspotError) -> None:
        problems.append(LabelProblem(str(image), error.problem))

    masks = options.polygons or bool({"coco", "masks"} & set(options.format))
    found = []
    with Progress(len(paths)) as progress:
        for one in localizer.stream(paths, batch_size=options.batch_size, workers=options.workers, on_error=skip):
            found.append(of_localization(one, min_score=options.min_score, masks=masks))
            progress.advance()
    return Found(tuple(found), tuple(localizer.class_names), tuple(problems))


def found_in_rows(file: Path, images: Sequence[str], options: LabelOptions) -> Found:
    """Read the rows of ``weakspot localize``, and its masks where it has saved them.

    Args:
        file: ``boxes.jsonl``; images that ``skipped.jsonl`` beside it names are listed as problems.
        images: Files, folders or patterns: only rows of these are taken, and images without a row are listed. Nothing
            takes all rows.
        options: Which boxes to take.
    """
    masks = file.parent / "masks"
    wanted = {path.absolute(): path for path in find_images(images)}
    rows = read_rows_of(
        file,
        min_score=options.min_score,
        largest=options.boxes == "largest",
        mask_of=_saved_mask(masks) if masks.is_dir() else None,
    )
    taken = [row for row in rows if not wanted or row.path.absolute() in wanted]
    known: dict[Path, FoundImage] = {}
    for row in taken:
        known.setdefault(row.path.absolute(), row)
    skipped = {path: why for path, why in _skipped(file.with_name(SKIPPED)).items() if path.absolute() not in known}
    problems = [LabelProblem(str(path), why) for path, why in skipped.items()]
    again = [row for row in taken if known[row.path.absolute()] is not row]
    problems += [LabelProblem(str(row.path), f"{file} has a second row of the image: left out") for row in again]
    missing = wanted.keys() - known.keys() - {path.absolute() for path in skipped}
    problems += [LabelProblem(str(wanted[path]), f"{file} has no row of the image") for path in sorted(missing)]
    return Found(tuple(known.values()), None, tuple(problems))


def _saved_mask(folder: Path) -> Callable[[Path, int | None], NDArray[np.bool_] | None]:
    def mask_of(image: Path, class_index: int | None) -> NDArray[np.bool_] | None:
        further = "" if class_index is None else f".{class_index}"
        file = folder / f"{picture_name(image)}{further}.png"
        return read_mask(file) if file.is_file() else None

    return mask_of


def _skipped(file: Path) -> dict[Path, str]:
    """What an earlier run could not read, and why."""
    rows = {}
    for place, line in read_lines(file) if file.is_file() else ():
        try:
            row = json.loads(line)
            rows[Path(row["image"])] = str(row["problem"])
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InputError(f"{place}, is not a row of a skipped image.", "Remove the line.") from error
    return rows


def splits_of(images: Sequence[str]) -> dict[Path, str]:
    """The splits of data sets among the sources, by absolute path; a folder that is none has none."""
    splits: dict[Path, str] = {}
    for folder in (source for source in images if Path(source).is_dir()):
        with suppress(InputError):
            splits |= {one.path.absolute(): one.split for one in read_dataset(folder).examples}
    return splits
