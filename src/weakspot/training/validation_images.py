"""The validation images of a run, in its folder: they have trained no weight, so their maps are as of new images."""

from collections.abc import Collection, Iterable
from pathlib import Path

from weakspot.data import ObjectAnnotation, Sample
from weakspot.errors import InputError
from weakspot.io.folders import is_file
from weakspot.io.rows import read_rows, write_rows

VALIDATION = "validation.jsonl"


def write_validation(run: Path, samples: Iterable[Sample]) -> None:
    """Write the paths and labels of validation images."""
    rows = ({"image": str(one.path.resolve()), "labels": [item.label for item in one.annotations]} for one in samples)
    write_rows(run / VALIDATION, rows)


def read_validation(run: Path, *, without: Collection[Path] = ()) -> list[Sample]:
    """Return the validation images of a run that exist, with their labels.

    Args:
        run: The run; one of a version that did not list them has none.
        without: Images that are left out.

    Raises:
        InputError: ``row-invalid`` for a file that something else has changed.
    """
    file, left_out = run / VALIDATION, {path.resolve() for path in without}
    found = []
    for line, row in read_rows(file) if is_file(file) else ():
        try:
            objects = tuple(ObjectAnnotation(str(label)) for label in row["labels"])
            sample = Sample(str(row["image"]), Path(row["image"]), "val", objects)
        except (KeyError, TypeError) as error:
            hint = "Remove the file: thresholds are then chosen without it."
            raise InputError("row-invalid", f"{line} is not an image with labels.", hint) from error
        if sample.path not in left_out and is_file(sample.path):
            found.append(sample)
    return found
