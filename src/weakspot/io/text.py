"""Read and parse text files of data sets, with the line of each value."""

import csv
import os
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from weakspot.errors import InputError

COMMAS = "Separate cells by commas, semicolons or tabs, and quote cells that contain one."
DELIMITERS = ",;\t"


class FileLine(NamedTuple):
    """A line of a file."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}"


def read_bytes(file: Path) -> bytes:
    """Read a file; InputError ``file-not-found`` or ``file-unreadable``."""
    try:
        return file.read_bytes()
    except FileNotFoundError as error:
        raise InputError("file-not-found", f"{file} does not exist.") from error
    except (OSError, ValueError) as error:  # a ValueError for a zero byte in the name
        reason = getattr(error, "strerror", error)
        raise InputError("file-unreadable", f"Cannot read {file}: {reason}.") from error


def read_text(file: Path) -> str:
    """Read a UTF-8 file, with or without a byte order mark.

    Raises InputError: ``file-not-found``, ``file-unreadable``, or ``encoding-invalid`` unless it is UTF-8.
    """
    content = read_bytes(file)
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = FileLine(file, content.count(b"\n", 0, error.start) + 1)
        raise InputError("encoding-invalid", f"{line} is not UTF-8 text.") from error


def read_lines(file: Path) -> Iterator[tuple[FileLine, str]]:
    """Yield the lines of a UTF-8 file that are not blank."""
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        if line.strip():
            yield FileLine(file, number), line.rstrip("\r")


def read_csv(file: Path, columns: Iterable[str]) -> Iterator[tuple[FileLine, dict[str, str]]]:
    """Yield the rows of a CSV file with a header, as stripped cells by lower-case column name.

    Cells are separated by commas, or by semicolons or tabs if the header has no comma.

    Raises InputError: as :func:`read_text`; ``missing-column``; ``csv-invalid`` if a row cannot be parsed or its number
    of cells differs from the header's.
    """
    rows = _csv_reader(read_text(file))
    try:
        header = _header(rows, file, columns)
        for cells in rows:
            if cells:
                line = FileLine(file, rows.line_num)
                yield line, dict(zip(header, _stripped(cells, len(header), line), strict=True))
    except csv.Error as error:
        raise InputError("csv-invalid", f"{FileLine(file, rows.line_num)} is not CSV: {error}.", COMMAS) from error


def read_csv_header(file: Path) -> list[str]:
    """Read the lower-case column names of a CSV file; InputError as :func:`read_csv`, without ``missing-column``."""
    try:
        return _column_names(_csv_reader(read_text(file)))
    except csv.Error as error:
        raise InputError("csv-invalid", f"{FileLine(file, 1)} is not CSV: {error}.", COMMAS) from error


def _csv_reader(text: str) -> Any:
    header = text.splitlines()[0] if text else ""
    delimiter = next((delimiter for delimiter in DELIMITERS if delimiter in header), ",")
    return csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True)


def _column_names(rows: Iterator[list[str]]) -> list[str]:
    return [column.strip().lower() for column in next(rows, [])]


def _header(rows: Iterator[list[str]], file: Path, columns: Iterable[str]) -> list[str]:
    header = _column_names(rows)
    missing = [column for column in columns if column not in header]
    if missing:
        problem = f"{FileLine(file, 1)} has no column {' or '.join(missing)}."
        raise InputError("missing-column", problem, "The first line must contain the column names.")
    return header


def _stripped(cells: list[str], columns: int, line: FileLine) -> list[str]:
    if len(cells) != columns:
        raise InputError("csv-invalid", f"{line} must have {columns} cells, got {len(cells)}.", COMMAS)
    return [cell.strip() for cell in cells]


def split_fields(text: str, count: int, line: FileLine, separator: str | None = ",") -> list[str]:
    """Split a line into a number of fields; surplus separators belong to the first field.

    Raises InputError ``missing-fields``.

    Example:
        >>> split_fields("a,b.jpg,3", 2, FileLine(Path("labels.txt"), 1))
        ['a,b.jpg', '3']
    """
    fields = text.strip().rsplit(separator, count - 1)
    if len(fields) != count:
        separators = "blanks" if separator is None else "commas"
        problem = f"{line} must have {count} fields separated by {separators}, got {len(fields)}."
        raise InputError("missing-fields", problem)
    return fields


def parse_float(text: str, line: object) -> float:
    """Parse a number, which may be nan or infinite; InputError ``number-invalid``."""
    try:
        return float(text)
    except ValueError as error:
        raise InputError("number-invalid", f"{line} must contain a number, got {text!r}.") from error


def parse_int(text: str, line: object) -> int:
    """Parse an integer, which may be written as 3.0; InputError ``number-invalid``."""
    value = parse_float(text, line)
    if not value.is_integer():
        raise InputError("number-invalid", f"{line} must contain an integer, got {text!r}.")
    return int(value)


def parse_size(width: float, height: float) -> tuple[int, int] | None:
    """Convert an annotated size to ``(height, width)``; None for 0, which some tools write for an unknown size."""
    return (int(height), int(width)) if 0 < width < float("inf") and 0 < height < float("inf") else None


def relative_inside(name: str, folders: Iterable[Path]) -> str:
    """Make an absolute path relative to the first of the folders that contains it; return other paths unchanged.

    Example:
        >>> relative_inside("/data/images/cat/a.jpg", [Path("/data/images"), Path("/data")])
        'cat/a.jpg'
    """
    if not Path(name).is_absolute() or "\0" in name:
        return name
    path = Path(os.path.abspath(name))
    resolved = path.parent.resolve() / path.name
    for folder in folders:
        for candidate, base in ((path, Path(os.path.abspath(folder))), (resolved, folder.resolve())):
            if candidate.is_relative_to(base):
                return candidate.relative_to(base).as_posix()
    return name


def plain_path(name: str) -> str:
    """Return a path as most systems write it: with ``/``, and without surrounding blanks and parts that change nothing.

    Example:
        >>> plain_path(" ./cat//a.jpg")
        'cat/a.jpg'
    """
    return os.path.normpath(name.strip().replace("\\", "/")).replace(os.sep, "/")


def safe_relative_path(name: str, line: object) -> str:
    """Validate a path of a data set, and normalize its separators to ``/``.

    Raises InputError ``path-outside`` if it is empty, absolute or contains a zero byte or ``..``.

    Example:
        >>> safe_relative_path("./cat/a.jpg", "boxes.csv, line 3")
        'cat/a.jpg'
    """
    path = plain_path(name)
    outside = path.startswith(("/", "../")) or path in (".", "..") or Path(path).is_absolute()
    if outside or "\0" in path or ".." in name.replace("\\", "/").split("/"):
        hint = "Paths are relative to the folder of the images, without '..'."
        raise InputError("path-outside", f"{line}: the path {name!r} is outside the data set.", hint)
    return path
