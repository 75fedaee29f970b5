"""The images that have taught a run, in its folder: what is taught later joins them, and forgets nothing."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from weakspot.data import ObjectAnnotation, Sample
from weakspot.data.annotation_kinds import is_marked
from weakspot.data.rle import Rle
from weakspot.errors import InputError
from weakspot.io.folders import is_file
from weakspot.io.rows import read_rows, write_rows
from weakspot.io.text import FileLine
from weakspot.models.run_files import read_background, read_class_names

TAUGHT = "taught.jsonl"
_MAX_MISSING = 0.1  # of the images that have taught a run


def write_taught(run: Path, samples: Iterable[Sample]) -> None:
    """Write the images that have taught a run."""
    write_rows(run / TAUGHT, [_to_row(sample) for sample in samples])


def read_taught(run: Path) -> list[Sample]:
    """Return the images that have taught a run; none if it was not taught, or by a version that did not list them.

    Raises:
        InputError: ``row-invalid`` for a file that something else has changed.
    """
    file = run / TAUGHT
    return [_from_row(row, line) for line, row in read_rows(file)] if is_file(file) else []


def join_taught(run: Path, samples: Iterable[Sample], *, forget: Iterable[Path] = ()) -> list[Sample]:
    """Return images, then those that have taught a run before and are not among them, nor among those to forget.

    An image of which nothing is said that can teach the run (labels alone, or boxes of classes that it lacks) does not
    replace what it taught before.

    Raises:
        InputError: ``image-not-found`` if more than a tenth of the latter are missing: without them, the run would lose
            what they have taught it; or as :func:`read_taught`.
    """
    now = list(samples)
    names, background = read_class_names(str(run)), read_background(str(run))
    taught = (sample.path for sample in now if _teaches(sample, names, background))
    replaced = {_place(path) for path in (*taught, *forget)}
    before = [sample for sample in read_taught(run) if _place(sample.path) not in replaced]
    missing = [sample.path for sample in before if not is_file(sample.path)]
    if len(missing) > _MAX_MISSING * len(before):
        problem = f"{len(missing)} of {len(before)} images that have taught {run} are missing, such as {missing[0]}."
        raise InputError("image-not-found", problem, "Put them back, or teach without them: weakspot teach --forget.")
    return [*now, *before]


def _teaches(sample: Sample, names: Collection[str], background: str) -> bool:
    """Return whether an image has a box, mask or point of a class of the run, or no object."""
    objects = [item for item in sample.objects if item.label.casefold() != background.casefold()]
    known = (item for item in objects if item.label in names or not names)
    return any(map(is_marked, known)) or not (objects or sample.predicted)


def _place(path: Path) -> str:
    return str(path.resolve())


def _to_row(sample: Sample) -> dict[str, Any]:
    objects = [
        {
            "label": item.label,
            "box": item.box,
            "point": item.point,
            "mask": None if item.mask is None else asdict(item.mask),
            "mask_files": [_place(file) for file in item.mask_files],
        }
        for item in sample.objects
    ]
    objects = [{name: value for name, value in item.items() if value} for item in objects]
    row = {"image": _place(sample.path), "image_id": sample.image_id, "objects": objects}
    known = {"size": sample.size, "by_uncertainty": sample.by_uncertainty}
    return row | {name: value for name, value in known.items() if value}


def _from_row(row: Mapping[str, Any], line: FileLine) -> Sample:
    try:
        size = row.get("size")
        return Sample(
            row["image_id"],
            Path(row["image"]),
            objects=tuple(_object(item) for item in row["objects"]),
            size=None if size is None else (size[0], size[1]),
            by_uncertainty=bool(row.get("by_uncertainty")),
        )
    except (KeyError, TypeError, IndexError, AttributeError) as error:
        hint = "Remove the file to forget what has taught the run."
        raise InputError("row-invalid", f"{line} is not an image with objects.", hint) from error


def _object(item: Mapping[str, Any]) -> ObjectAnnotation:
    box, point, mask = item.get("box"), item.get("point"), item.get("mask")
    return ObjectAnnotation(
        item["label"],
        None if box is None else (box[0], box[1], box[2], box[3]),
        mask=None if mask is None else Rle(**mask),
        mask_files=tuple(map(Path, item.get("mask_files", ()))),
        point=None if point is None else (point[0], point[1]),
    )
