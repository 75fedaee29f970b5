"""Record the images of a run and the models that it builds on, so that it is resumed with the same ones."""

import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from weakspot.config import PRETRAINED
from weakspot.data import Sample
from weakspot.errors import InputError, ModelError
from weakspot.io.atomic import atomic_write
from weakspot.io.folders import DATA
from weakspot.models.run_files import hash_file, model_file
from weakspot.training.options import TrainOptions

if TYPE_CHECKING:
    from weakspot.training.setup import TrainingSetup

_PART = 2**16  # bytes: a small file is hashed whole

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class DataRecord:
    """The images of a run.

    Attributes:
        class_names: Class names in the order of the logits.
        training: Number of training images.
        validation: Number of validation images.
        digest: Hash of the paths of all images, relative to the data set, of the sizes, beginnings and ends of their
            files, and of their labels; of their boxes as well if a person has corrected predictions.
        model_hashes: Hashes of the files of the options ``teacher`` and ``weights``, if they name files; None if the
            run is of an earlier version, which did not record them.
    """

    class_names: tuple[str, ...]
    training: int
    validation: int
    digest: str
    model_hashes: dict[str, str] | None = None


def describe_data(setup: "TrainingSetup", options: TrainOptions) -> DataRecord:
    """Describe the images of a run and the models that it builds on."""
    data, root = setup.data, setup.data.dataset.root
    splits = (data.training.samples, data.validation.samples)
    images = [
        [(_relative(sample.path, root), *_fingerprint(sample.path), _told(sample)) for sample in split]
        for split in splits
    ]
    digest = sha256(json.dumps(images).encode(errors="backslashreplace")).hexdigest()
    return DataRecord(data.labels.class_names, len(splits[0]), len(splits[1]), digest, hash_models(options))


def hash_models(options: TrainOptions) -> dict[str, str]:
    """Hash the files of the teacher and of the backbone's weights, if the options name any."""
    files = {
        "teacher": None if options.teacher is None else model_file(options.teacher),
        "weights": None if options.weights in (PRETRAINED, "none") else Path(options.weights),
    }
    return {name: hash_file(file) for name, file in files.items() if file is not None}


def write_record(folder: Path, record: DataRecord) -> None:
    """Write the record to the run folder."""
    with atomic_write(folder / DATA) as file:
        file.write(json.dumps(asdict(record), indent=1).encode())


def check_same_models(folder: Path, options: TrainOptions) -> None:
    """Raise ModelError (``model-changed``) unless the teacher and the weights are those that the run began with."""
    record = _read_record(folder)
    if record is None or not (now := hash_models(options)):
        return
    if record.model_hashes is None:
        logger.info("The run does not say which %s it used: it continues with the present files.", " and ".join(now))
        return
    for name, before in record.model_hashes.items():
        if now.get(name) != before:
            problem = f"--{name} {getattr(options, name)} has changed since the run in {folder} began."
            hint = "Restore the file to resume, or train a new run without --resume."
            raise ModelError("model-changed", problem, hint)


def check_same_data(folder: Path, record: DataRecord) -> bool:
    """Raise InputError (``data-changed``) unless the images are those of the run; return whether it recorded them."""
    before = _read_record(folder)
    if before is not None and replace(before, model_hashes=record.model_hashes) != record:
        raise data_changed(folder, _difference(before, record))
    return before is not None


def data_changed(folder: Path, difference: str) -> InputError:
    """Return the error for a data set that is not that of a run."""
    problem = f"The data set is not that of the run in {folder}: {difference}."
    return InputError("data-changed", problem, "Restore the data set to resume, or train a new run without --resume.")


def _read_record(folder: Path) -> DataRecord | None:
    """Read the record of a run; None for a run of 0.1.0."""
    if not (folder / DATA).is_file():
        return None
    try:
        values = json.loads((folder / DATA).read_text(encoding="utf-8"))
        record = DataRecord(**{**values, "class_names": tuple(values["class_names"])})
        _check_types(record)
        return replace(record, model_hashes=None if record.model_hashes is None else dict(record.model_hashes))
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError("damaged-file", f"{folder / DATA} is damaged.", "Remove it to resume without it.") from error


def _check_types(record: DataRecord) -> None:
    """Raise TypeError for values that :func:`_difference` cannot compare."""
    counts, texts = (record.training, record.validation), (record.digest, *record.class_names)
    if not all(type(count) is int for count in counts) or not all(isinstance(text, str) for text in texts):
        raise TypeError("A count is not an integer, or a name is not text.")


def _difference(before: DataRecord, now: DataRecord) -> str:
    """Say what differs, the most important first."""
    new, gone = (
        [name for name in record.class_names if name not in other.class_names]
        for record, other in ((now, before), (before, now))
    )
    if new:
        return f"it has the new class {_listed(new)}"
    if gone:
        return f"it lacks the class {_listed(gone)}"
    count, count_before = now.training + now.validation, before.training + before.validation
    if count != count_before:
        return f"it has {count} images instead of {count_before}"
    return "it has other images, labels or splits"


def _listed(names: list[str]) -> str:
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _told(sample: Sample) -> Sequence[object]:
    """The labels of an image, or its objects if a person has corrected them."""
    if not sample.status:
        return sorted(annotation.label for annotation in sample.annotations)
    return sorted([item.label, *(item.box or ())] for item in sample.objects)


def _fingerprint(path: Path) -> tuple[int, str]:
    """Return the size of a file and a hash of its beginning and end, which differ if another image replaces it."""
    size = path.stat().st_size
    with path.open("rb") as file:
        beginning = file.read(_PART)
        file.seek(max(len(beginning), size - _PART))
        return size, sha256(beginning + file.read(_PART)).hexdigest()


def _relative(path: Path, root: Path) -> str:
    """Return a path relative to the data set; of an image elsewhere, the last two parts."""
    absolute, root = path.absolute(), root.absolute()
    inside = absolute.is_relative_to(root)
    parts: Iterable[str] = absolute.relative_to(root).parts if inside else absolute.parts[-2:]
    return "/".join(parts)
