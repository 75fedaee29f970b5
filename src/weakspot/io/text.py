"""Text files of data sets, each line and number with the place it stands at."""

import csv
import os
from collections.abc import Iterable, Iterator
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from weakspot.errors import InputError

COMMAS = "Separate cells by commas, and quote those that hold one."


class FileLine(NamedTuple):
    """A line of a file."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}"


def read_text(file: Path) -> str:
    """Read a file of UTF-8, with or without a byte order mark.

    Raises:
        InputError: If the file is missing, may not be read, or is not UTF-8.
    """
    try:
        content = file.read_bytes()
    except (OSError, ValueError) as error:  # a ValueError: a zero byte in the name
        problem = f"{file} cannot be read: {getattr(error, 'strerror', error)}."
        raise InputError(problem, "Check the path and its permissions.") from error
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = FileLine(file, content.count(b"\n", 0, error.start) + 1)
        raise InputError(f"{place}, is not UTF-8 text.", "Save the file as UTF-8.") from error


def read_lines(file: Path) -> Iterator[tuple[FileLine, str]]:
    """Give the lines of a file that are not blank.

    Raises:
        InputError: As :func:`read_text`.
    """
    for number, line in enumerate(read_text(file).split("\n"), start=1):
        if line.strip():
            yield FileLine(file, number), line.rstrip("\r")


def read_csv(file: Path, columns: Iterable[str]) -> Iterator[tuple[FileLine, dict[str, str]]]:
    """Give the rows of a CSV file with a header, as cells without surrounding blanks by lower-case column.

    Args:
        file: The file.
        columns: What the header must hold.

    Raises:
        InputError: As :func:`read_text`; or if a column is missing, or a row's cells are not as many as the header's.
    """
    rows = csv.reader(StringIO(read_text(file), newline=""), strict=True)
    try:
        header = _header(rows, file, columns)
        for cells in rows:
            if cells:
                place = FileLine(file, rows.line_num)
                yield place, dict(zip(header, _as_many(cells, len(header), place), strict=True))
    except csv.Error as error:
        raise InputError(f"{FileLine(file, rows.line_num)}, is not CSV: {error}.", COMMAS) from error


def _header(rows: Iterator[list[str]], file: Path, columns: Iterable[str]) -> list[str]:
    header = [column.strip().lower() for column in next(rows, [])]
    missing = [column for column in columns if column not in header]
    if missing:
        problem = f"{FileLine(file, 1)}, has no column {' or '.join(missing)}."
        raise InputError(problem, "The first line names the columns, separated by commas.")
    return header


def _as_many(cells: list[str], columns: int, place: FileLine) -> list[str]:
    if len(cells) != columns:
        problem = f"{place}, has {len(cells)} cells where the header has {columns}."
        raise InputError(problem, COMMAS)
    return [cell.strip() for cell in cells]


def split_fields(line: str, count: int, place: FileLine, separator: str | None = ",") -> list[str]:
    """Split a line into so many fields; all separators before the last fields belong to the first.

    Raises:
        InputError: If the line has fewer fields.

    Example:
        >>> split_fields("a,b.jpg,3", 2, FileLine(Path("labels.txt"), 1))
        ['a,b.jpg', '3']
    """
    found = line.strip().rsplit(separator, count - 1)
    if len(found) != count:
        between = "blanks" if separator is None else "commas"
        raise InputError(f"{place}, has {len(found)} fields, not {count}.", f"Separate fields by {between}.")
    return found


def parse_float(text: str, place: object) -> float:
    """Read a number, which may be nan or infinite.

    Raises:
        InputError: If it is none.

    Example:
        >>> parse_float("7.50", "boxes.csv, line 3")
        7.5
    """
    try:
        return float(text)
    except ValueError as error:
        problem = f"{place}, has {text!r} where a number belongs."
        raise InputError(problem, "Write a number such as 12 or 7.5.") from error


def parse_int(text: str, place: object) -> int:
    """Read a whole number, which may be written as 3.0.

    Raises:
        InputError: If it is none.

    Example:
        >>> parse_int("3.0", "boxes.csv, line 3")
        3
    """
    value = parse_float(text, place)
    if not value.is_integer():
        raise InputError(f"{place}, has {text!r} where a whole number belongs.", "Write a number such as 12.")
    return int(value)


def parse_size(width: float, height: float) -> tuple[int, int] | None:
    """Turn an annotated size into ``(height, width)``; None where it is 0, as tools write that do not know it.

    Example:
        >>> parse_size(640, 480)
        (480, 640)
    """
    return (int(height), int(width)) if 0 < width < float("inf") and 0 < height < float("inf") else None


def safe_relative_path(name: str, place: object) -> str:
    """Check a path which a data set gives, and write it with ``/``.

    Raises:
        InputError: If it is empty, absolute, holds a zero byte, or leaves the data set by ``..``.

    Example:
        >>> safe_relative_path("./cat/a.jpg", "boxes.csv, line 3")
        'cat/a.jpg'
    """
    path = os.path.normpath(name.strip().replace("\\", "/")).replace(os.sep, "/")
    outside = path.startswith(("/", "../")) or path in (".", "..") or Path(path).is_absolute()
    if outside or "\0" in path or ".." in name.replace("\\", "/").split("/"):
        problem = f"{place}, names {name!r}, which is not inside the data set."
        raise InputError(problem, "Give paths below the folder of the images, without '..'.")
    return path
