"""Read what a folder of results holds: rows of JSON, settings, files beside them. Arrays and text only."""

import math
import tomllib
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from weakspot.config import with_current_names
from weakspot.errors import InputError
from weakspot.io.rows import read_rows
from weakspot.io.text import read_text
from weakspot.report.content import Box, Skipped


def read_settings(file: Path, command: str) -> dict[str, Any]:
    """Read settings that a command wrote next to its results; none if there is no such file.

    Raises:
        InputError: If it cannot be read as TOML.
    """
    if not file.exists():
        return {}
    try:
        return with_current_names(tomllib.loads(read_text(file)), command)
    except ValueError as error:
        raise InputError(f"{file} cannot be read: {error}.", "Mend it, or make the results again.") from error


def as_text(settings: dict[str, Any]) -> dict[str, str]:
    """Give settings as words.

    Example:
        >>> as_text({"top_k": 1, "classes": ["cat", "dog"], "resume": False})
        {'top k': '1', 'classes': 'cat, dog', 'resume': 'no'}
    """
    return {name.replace("_", " "): _word(value) for name, value in settings.items()}


def _word(value: object) -> str:
    if isinstance(value, list):
        return ", ".join(map(_word, value))
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def read_skipped(file: Path) -> tuple[Skipped, ...]:
    """Read the list of images that a run has skipped; empty where there is none.

    Raises:
        InputError: As :func:`read_rows`.
    """
    if not file.exists():
        return ()
    return tuple(Skipped(str(row.get("image")), str(row.get("problem", ""))) for _, row in read_rows(file))


def as_box(sides: Any) -> Box:
    """Take four finite numbers for a box.

    Raises:
        ValueError, TypeError: If they are something else.

    Example:
        >>> as_box([1, 2, 3.5, 4])
        (1.0, 2.0, 3.5, 4.0)
    """
    x1, y1, x2, y2 = (as_number(side) for side in sides)
    return x1, y1, x2, y2


def as_number(value: Any) -> float:
    """Take a finite number.

    Raises:
        ValueError, TypeError: If it is something else.
    """
    if isinstance(value, bool | str) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no number")
    return float(value)


def modified_at(file: Path) -> str:
    """When a file was written: local time, ISO 8601 to the minute."""
    return datetime.fromtimestamp(file.stat().st_mtime, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
