"""Read lists of images: text with one path per line, JSON Lines, or Parquet."""

import json
import os
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from weakspot.errors import InputError
from weakspot.io.parquet import read_parquet
from weakspot.io.text import FileLine

LIST_SUFFIXES = frozenset({".txt", ".jsonl", ".parquet"})
COLUMNS = ("image", "path", "file_name")
_HINT = f"Name the column of the paths {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}."


def is_list(name: str | Path) -> bool:
    """Return whether a file is a list of images, by its suffix."""
    return Path(name).suffix.lower() in LIST_SUFFIXES


def read_list(file: Path, *, base: Path | None = None) -> Iterator[Path]:
    """Yield the images of a list (text with one path per line, JSON Lines, Parquet), which is read incrementally.

    Relative paths are below ``base``; None uses the folder of the list.
    """
    readers = {".txt": _from_text, ".jsonl": _from_json_lines, ".parquet": _from_parquet}
    folder = file.parent if base is None else base
    try:
        yield from (folder / name for name in readers[file.suffix.lower()](file))
    except OSError as error:
        raise InputError("list-unreadable", f"Cannot read {file}: {error.strerror or error}.") from error


def _from_text(file: Path) -> Iterator[str]:
    with _after_byte_order_mark(file) as lines:  # names need not be UTF-8
        for line in lines:
            name = os.fsdecode(line).rstrip("\r\n")
            if name.strip():
                yield name


def _after_byte_order_mark(file: Path) -> BinaryIO:
    stream = file.open("rb")
    if stream.read(len(BOM_UTF8)) != BOM_UTF8:
        stream.seek(0)
    return stream


def _from_json_lines(file: Path) -> Iterator[str]:
    with _after_byte_order_mark(file) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _path_of_row(line, FileLine(file, number))


def _path_of_row(line: bytes, location: FileLine) -> str:
    try:
        row = json.loads(line)
        names = [row[column] for column in COLUMNS if isinstance(row.get(column), str)]
    except (ValueError, AttributeError, RecursionError) as error:
        raise InputError("list-invalid", f"{location} is not a JSON object.") from error
    if not names:
        raise InputError("list-invalid", f"{location} has no path of an image.", _HINT)
    return str(names[0])


def _from_parquet(file: Path) -> Iterator[str]:
    for row in read_parquet(file, COLUMNS):
        (name,) = row.values()
        if not isinstance(name, str) or not name:
            raise InputError("list-invalid", f"{file} has a row without a path of an image: {name!r}.", _HINT)
        yield name
