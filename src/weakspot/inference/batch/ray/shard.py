"""Localize a part of a run: its file is written as a whole, or not at all."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from weakspot.errors import InputError, WeakspotError
from weakspot.inference.batch.ray.crash_log import CrashLog
from weakspot.inference.batch.ray.isolate import LocalizeFn, Row, run_isolated
from weakspot.inference.batch.ray.plan import images_of
from weakspot.io.manifest import ShardInfo
from weakspot.io.rows import read_rows, write_rows
from weakspot.io.shards import skipped_file

# A part whose worker has died so often is gone through image by image, in a process that may die of one.
DEATHS = 2
BEGUN = ".begun"


def localize_part(folder: Path, part: ShardInfo, find: LocalizeFn, make: Callable[[], LocalizeFn]) -> ShardInfo:
    """Localize in the images of a part that have no row yet, and write its rows and what was skipped.

    It may be done again at any time. Where rows are missing because the file was cut, they are found again.

    Args:
        folder: Of the run.
        part: What to do.
        find: Gives rows.
        make: Makes such a function in another process, for images that kill the one that they are localized in.

    Returns:
        The part, with how many images were localized and skipped.

    Raises:
        InputError: If its files cannot be read or written.
    """
    names, file = images_of(folder, part), folder / part.file
    rows, skipped = _known(file), Skipped()
    again = bool(rows)
    waiting = [name for name in names if name not in rows and _can_be_written(name, file, skipped)]
    with _begun(folder / BEGUN / file.stem) as record:
        alone = record.times > DEATHS
        found = run_isolated(make, waiting, skipped.add, record) if alone else find(waiting, skipped.add)
        rows |= {row["image"]: row for row in found}
        _write(file, [rows[name] for name in names if name in rows], skipped, again=again)
    return ShardInfo(part.file, part.images, part.offset, len(rows), len(skipped.rows))


def _known(file: Path) -> dict[str, Row]:
    """The rows that are there by image; none where the file is damaged."""
    try:
        return {row["image"]: row for _, row in read_rows(file)} if file.exists() else {}
    except InputError:
        return {}


def _can_be_written(name: str, file: Path, skipped: "Skipped") -> bool:
    """Whether a file can hold a name; Parquet has UTF-8 alone."""
    if file.suffix != ".parquet" or name.encode(errors="ignore").decode() == name:
        return True
    problem = InputError(f"The name {name!r} is not UTF-8.", "Rename the image, or leave --format parquet out.")
    skipped.add(name, problem)
    return False


class Skipped:
    """The images that could not be localized, as rows."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []

    def add(self, image: object, error: WeakspotError) -> None:
        """List one."""
        self.rows.append({"image": str(image), "problem": error.problem, "hint": error.hint})

    def write(self, file: Path) -> None:
        """Write the list; an empty one is no file."""
        if self.rows:
            write_rows(file, self.rows)
        else:
            file.unlink(missing_ok=True)


def _write(file: Path, rows: Sequence[Row], skipped: Skipped, *, again: bool) -> None:
    """Write both files, in that order in which a cut between them loses nothing: what is skipped may have a row."""
    if not again:
        skipped.write(skipped_file(file))
    write_rows(file, rows)
    if again:
        skipped.write(skipped_file(file))


@contextmanager
def _begun(file: Path) -> Iterator[CrashLog]:
    """Count how often a block was begun, this time included, since one of them last came to its end."""
    record = CrashLog(file)
    try:
        record.begin()
    except OSError as error:
        problem = f"{file} cannot be written: {error.strerror}."
        raise InputError(problem, "Make room; the same command then goes on.") from error
    try:
        yield record
    finally:
        record.forget()
