"""Localize one shard of a run; its file is written completely or not at all."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from weakspot.errors import InputError, WeakspotError
from weakspot.inference.batch.ray.isolate import CrashLog, LocalizeFn, Row, run_isolated
from weakspot.inference.batch.ray.plan import images_of
from weakspot.io.manifest import ShardInfo
from weakspot.io.rows import read_rows, write_rows
from weakspot.io.shards import skipped_file

# A shard that has crashed its worker more often than this is processed one image at a time, in a child process.
MAX_CRASHES = 2
ATTEMPTS = ".begun"


def localize_shard(
    folder: Path, shard: ShardInfo, localize: LocalizeFn, factory: Callable[[], LocalizeFn]
) -> ShardInfo:
    """Localize the images of a shard that have no row yet, and write the rows and the skipped images.

    The function can be repeated at any time; rows that a truncated file lacks are computed again. ``factory`` creates a
    function like ``localize`` in a child process, for images that crash their process. Returns the shard with the
    numbers of localized and skipped images.
    """
    names, file = images_of(folder, shard), folder / shard.file
    rows, skipped = _existing_rows(file), SkippedImages()
    repeated = bool(rows)
    remaining = [name for name in names if name not in rows and _is_storable(name, file, skipped)]
    with _counted(folder / ATTEMPTS / file.stem) as log:
        isolated = log.attempts > MAX_CRASHES
        results = run_isolated(factory, remaining, skipped.add, log) if isolated else localize(remaining, skipped.add)
        rows |= {row["image"]: row for row in results}
        _write(file, [rows[name] for name in names if name in rows], skipped, repeated=repeated)
    return ShardInfo(shard.file, shard.images, shard.offset, len(rows), len(skipped.rows))


def _existing_rows(file: Path) -> dict[str, Row]:
    """Return the rows of a file by image; none if the file is missing or damaged."""
    try:
        return {row["image"]: row for _, row in read_rows(file)} if file.exists() else {}
    except InputError:
        return {}


def _is_storable(name: str, file: Path, skipped: "SkippedImages") -> bool:
    """Whether a file can store a name: Parquet requires valid UTF-8."""
    if file.suffix != ".parquet" or name.encode(errors="ignore").decode() == name:
        return True
    problem = f"The name {name!r} must be valid UTF-8 for --format parquet."
    skipped.add(name, InputError("name-invalid", problem, "Rename the image."))
    return False


class SkippedImages:
    """The images of a shard that could not be localized, as rows."""

    def __init__(self) -> None:
        self.rows: list[dict[str, str]] = []

    def add(self, image: object, error: WeakspotError) -> None:
        """Add an image and its error."""
        self.rows.append({"image": str(image), "problem": error.problem, "hint": error.hint})

    def write(self, file: Path) -> None:
        """Write the rows, or delete the file if there are none."""
        if self.rows:
            write_rows(file, self.rows)
        else:
            file.unlink(missing_ok=True)


def _write(file: Path, rows: Sequence[Row], skipped: SkippedImages, *, repeated: bool) -> None:
    """Write both files; in this order no image is lost if the process ends in between, but one may be in both."""
    if not repeated:
        skipped.write(skipped_file(file))
    write_rows(file, rows)
    if repeated:
        skipped.write(skipped_file(file))


@contextmanager
def _counted(file: Path) -> Iterator[CrashLog]:
    """Count an attempt at a shard; the count is cleared unless the process crashes."""
    log = CrashLog(file)
    try:
        log.begin()
    except OSError as error:
        raise InputError("not-writable", f"Cannot write {file}: {error.strerror}.") from error
    try:
        yield log
    finally:
        log.clear()
