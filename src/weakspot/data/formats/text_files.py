"""Read and write the text files of label formats."""

import csv
import json
from collections.abc import Iterable, Mapping
from io import StringIO
from pathlib import Path
from typing import Any

from weakspot.errors import InputError
from weakspot.io.text import read_text


def write_text(file: Path, text: str) -> None:
    """Write a UTF-8 file and its parent folders."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text.encode(errors="backslashreplace"))


def write_json(file: Path, content: object) -> None:
    """Write a JSON file."""
    write_text(file, json.dumps(content, ensure_ascii=False) + "\n")


def write_csv(file: Path, header: Iterable[str], rows: Iterable[Iterable[object]]) -> None:
    """Write a CSV file with a header."""
    text = StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_text(file, text.getvalue())


def write_rows(file: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write JSON Lines."""
    write_text(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def format_number(value: float) -> str:
    """Format a number as the shortest text that reads back equal; integers without a point.

    Example:
        >>> format_number(3.0), format_number(0.1)
        ('3', '0.1')
    """
    return str(int(value)) if float(value).is_integer() else repr(float(value))


def read_classes(file: Path) -> tuple[str, ...]:
    """Read class names, one per line, in the order of their indices."""
    names = tuple(line.strip() for line in read_text(file).splitlines() if line.strip())
    if not names:
        raise InputError("class-names-invalid", f"{file} has no class names.", "Write one name per line.")
    return names
