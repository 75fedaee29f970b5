"""Read and write rows of results as JSON Lines or Parquet."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from weakspot.errors import InputError
from weakspot.io.atomic import atomic_write
from weakspot.io.parquet import count_in_parquet, drop_nulls, read_parquet, write_parquet
from weakspot.io.text import FileLine, read_text


def read_rows(file: Path) -> Iterator[tuple[FileLine, dict[str, Any]]]:
    """Yield each row of a JSON Lines or Parquet file with its line; an incomplete last line of JSON is dropped.

    Raises InputError ``row-invalid`` for a line that is not a JSON object.
    """
    if file.suffix == ".parquet":
        yield from ((FileLine(file, number), drop_nulls(row)) for number, row in enumerate(read_parquet(file), start=1))
    else:
        yield from _json_lines(file, read_text(file).split("\n"))


def read_image_rows(
    files: Iterable[Path], keys: Sequence[str] = ("image",)
) -> Iterator[tuple[FileLine, dict[str, Any]]]:
    """Yield the rows of several files with their lines, as :func:`read_rows`; an image has one row in all of them.

    Raises InputError ``duplicate-rows`` if two rows have the same values of ``keys``; one without them is yielded.
    """
    seen = UniqueRows()
    for file in files:
        for line, row in read_rows(file):
            seen.add(line, row, keys)
            yield line, row


class UniqueRows:
    """The rows that were read so far, none of which may be of the same image as another."""

    def __init__(self) -> None:
        self._lines: dict[tuple[str, ...], FileLine] = {}

    def add(self, line: FileLine, row: Mapping[str, Any], keys: Sequence[str] = ("image",)) -> None:
        """Raise InputError (``duplicate-rows``) if an earlier row has the same image and the same other ``keys``."""
        image = row.get("image")
        if not isinstance(image, str):
            return
        first = self._lines.setdefault((os.path.abspath(image), *(str(row.get(key)) for key in keys[1:])), line)
        if first is not line:
            first_line = f"{first.line}" if first.file == line.file else f"{first}"
            problem = f"{line} is a second row of {image}, after line {first_line}."
            hint = "Several runs have written to one folder: run localize again with a new --output."
            raise InputError("duplicate-rows", problem, hint)


def _json_lines(file: Path, lines: Sequence[str]) -> Iterator[tuple[FileLine, dict[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                return
            raise invalid_row(FileLine(file, number), "it is not JSON") from error
        if not isinstance(row, dict):
            raise invalid_row(FileLine(file, number), "it is not a JSON object")
        yield FileLine(file, number), row


def invalid_row(line: FileLine, reason: str) -> InputError:
    """Return the InputError (``row-invalid``) for a line that is not a row of results."""
    return InputError("row-invalid", f"{line} is not a row of results: {reason}.")


def count_rows(file: Path) -> int:
    """Count the complete rows of a file; 0 if it does not exist or cannot be read."""
    try:
        if file.suffix == ".parquet":
            return count_in_parquet(file)
        with file.open("rb") as lines:
            return sum(line.endswith(b"\n") for line in lines)
    except OSError:
        return 0


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows atomically as JSON Lines, or as Parquet if the suffix is .parquet."""
    if file.suffix == ".parquet":
        write_parquet(list(rows), file)
        return
    with atomic_write(file, durable=True) as target:
        target.writelines(map(to_jsonl, rows))


def to_jsonl(row: Mapping[str, Any]) -> bytes:
    """Encode a row as a line of JSON; bytes of a name that are not UTF-8 are escaped, so that they survive reading."""
    return json.dumps(row, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
