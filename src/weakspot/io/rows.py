"""Rows of results, read and written: JSON Lines or Parquet."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from weakspot.errors import InputError
from weakspot.io.atomic import atomic_write
from weakspot.io.parquet import count_in_parquet, drop_nulls, read_parquet, write_parquet
from weakspot.io.text import FileLine, read_text


def read_rows(file: Path) -> Iterator[tuple[FileLine, dict[str, Any]]]:
    """Give the rows of a file of JSON Lines or Parquet with their places.

    A last line of JSON that was cut off is dropped.

    Raises:
        InputError: If the file cannot be read, or a line is no JSON object.
    """
    if file.suffix == ".parquet":
        yield from ((FileLine(file, number), drop_nulls(row)) for number, row in enumerate(read_parquet(file), start=1))
    else:
        yield from _json_lines(file, read_text(file).split("\n"))


def _json_lines(file: Path, lines: Sequence[str]) -> Iterator[tuple[FileLine, dict[str, Any]]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            if number == len(lines):
                return
            raise invalid_row(FileLine(file, number), "it is no JSON") from error
        if not isinstance(row, dict):
            raise invalid_row(FileLine(file, number), "it is no JSON object")
        yield FileLine(file, number), row


def invalid_row(place: FileLine, why: str) -> InputError:
    """Say that a line is no row that can be shown."""
    return InputError(f"{place}, is not a row of results: {why}.", "Take the line out, or make the results again.")


def count_rows(file: Path) -> int:
    """Count the whole rows of a file; 0 where there is none, or it cannot be read."""
    try:
        if file.suffix == ".parquet":
            return count_in_parquet(file)
        with file.open("rb") as lines:
            return sum(line.endswith(b"\n") for line in lines)
    except OSError:
        return 0


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write rows all at once, by way of a temporary name: JSON Lines, or Parquet if the suffix says so.

    Raises:
        InputError: If the file cannot be written.
    """
    if file.suffix == ".parquet":
        write_parquet(list(rows), file)
        return
    with atomic_write(file, durable=True) as target:
        target.writelines(map(to_jsonl, rows))


def to_jsonl(row: Mapping[str, Any]) -> bytes:
    r"""A line of JSON; of a name that is no UTF-8, odd bytes stand as escapes, which are read as they were.

    Example:
        >>> to_jsonl({"image": "caf\udce9.jpg"})
        b'{"image": "caf\\udce9.jpg"}\n'
    """
    return json.dumps(row, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"
