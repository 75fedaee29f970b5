"""Read and write the text files that formats are made of."""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from weakspot.errors import InputError
from weakspot.io.text import read_text


def write_text(file: Path, text: str) -> None:
    """Write a file of UTF-8, and the folders it lies in."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode(errors="backslashreplace"))


def write_json(file: Path, content: object) -> None:
    """Write JSON as UTF-8."""
    write_text(file, json.dumps(content, ensure_ascii=False) + "\n")


def read_json(file: Path) -> Any:
    """Read JSON.

    Raises:
        InputError: If the file cannot be read or is not JSON.
    """
    try:
        return json.loads(read_text(file))
    except (ValueError, RecursionError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{file} is not JSON: {error}.", "Export the file again.") from error


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON Lines."""
    write_text(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def format_number(value: float) -> str:
    """Write a number as short as reads back the same, a whole one without a point.

    Example:
        >>> format_number(3.0), format_number(0.1)
        ('3', '0.1')
    """
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def read_classes(file: Path) -> tuple[str, ...]:
    """Read names of classes, one a line, in the order of their numbers.

    Raises:
        InputError: If the file cannot be read, or names none.
    """
    names = tuple(line.strip() for line in read_text(file).splitlines() if line.strip())
    if not names:
        raise InputError(f"{file} names no classes.", "Write one name a line.")
    return names
