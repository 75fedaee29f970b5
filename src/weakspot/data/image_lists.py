"""Lists of images: text with a path a line, JSON Lines, or Parquet."""

import json
import os
from codecs import BOM_UTF8
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from weakspot.errors import InputError
from weakspot.io.parquet import read_parquet

LIST_SUFFIXES = frozenset({".txt", ".jsonl", ".parquet"})
COLUMNS = ("image", "path", "file_name")
_HINT = f"The column of the paths is called {', '.join(COLUMNS[:-1])} or {COLUMNS[-1]}."


def is_list(name: str | Path) -> bool:
    """Whether a name is that of a list of images, by its suffix."""
    return Path(name).suffix.lower() in LIST_SUFFIXES


def read_list(file: Path, *, base: Path | None = None) -> Iterator[Path]:
    r"""Give the images that a list names, a few at a time.

    Args:
        file: A text file with a path a line; JSON Lines, or Parquet, with a column ``image``, ``path`` or
            ``file_name``.
        base: The folder that relative names are from; None takes that of the list.

    Raises:
        InputError: If the file cannot be read, or a row of it names no image; or for Parquet, pyarrow is not installed.

    Example:
        >>> from tempfile import TemporaryDirectory
        >>> with TemporaryDirectory() as folder:
        ...     file = Path(folder, "photos.txt")
        ...     _ = file.write_text("cat.jpg\n\ndog.jpg\n")
        ...     [path.name for path in read_list(file)]
        ['cat.jpg', 'dog.jpg']
    """
    readers = {".txt": _from_text, ".jsonl": _from_json_lines, ".parquet": _from_parquet}
    folder = file.parent if base is None else base
    try:
        yield from (folder / name for name in readers[file.suffix.lower()](file))
    except OSError as error:
        problem = f"The list {file} cannot be read: {error.strerror or error}."
        raise InputError(problem, "Check the path and its permissions.") from error


def _from_text(file: Path) -> Iterator[str]:
    with _without_mark(file) as lines:  # names need not be UTF-8
        for line in lines:
            name = os.fsdecode(line).rstrip("\r\n")
            if name.strip():
                yield name


def _without_mark(file: Path) -> BinaryIO:
    """Open a file behind its byte order mark, if it has one."""
    opened = file.open("rb")
    if opened.read(len(BOM_UTF8)) != BOM_UTF8:
        opened.seek(0)
    return opened


def _from_json_lines(file: Path) -> Iterator[str]:
    with _without_mark(file) as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                yield _name(line, f"{file}, line {number}")


def _name(line: bytes, place: str) -> str:
    try:
        row = json.loads(line)
        names = [row[column] for column in COLUMNS if isinstance(row.get(column), str)]
    except (ValueError, AttributeError, RecursionError) as error:
        raise InputError(f"{place}, is no JSON object.", "Give JSON Lines: an object a line.") from error
    if not names:
        raise InputError(f"{place}, names no image.", _HINT)
    return str(names[0])


def _from_parquet(file: Path) -> Iterator[str]:
    for row in read_parquet(file, COLUMNS):
        (name,) = row.values()
        if not isinstance(name, str) or not name:
            raise InputError(f"{file} has a row that names no image: {name!r}.", _HINT)
        yield name
