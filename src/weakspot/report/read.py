"""Read the files of a folder of results: settings, skipped images, values of rows."""

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
    """Read the settings that a command wrote next to its results; empty if the file does not exist.

    Raises:
        InputError: ``settings-invalid`` if the file is not TOML.
    """
    if not file.exists():
        return {}
    try:
        return with_current_names(tomllib.loads(read_text(file)), command)
    except (ValueError, RecursionError) as error:
        raise invalid_settings(file, error) from error


def invalid_settings(file: Path, reason: object) -> InputError:
    """Return the error for settings that cannot be used."""
    return InputError("settings-invalid", f"Cannot read {file}: {reason}.")


def as_text(settings: dict[str, Any]) -> dict[str, str]:
    """Format settings for readers.

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
    """Read the list of skipped images; empty if the file does not exist.

    Raises:
        InputError: As :func:`read_rows`.
    """
    if not file.exists():
        return ()
    return tuple(Skipped(str(row.get("image")), str(row.get("problem", ""))) for _, row in read_rows(file))


def as_box(sides: Any) -> Box:
    """Convert four finite numbers to a box.

    Raises:
        ValueError, TypeError: If they are anything else.

    Example:
        >>> as_box([1, 2, 3.5, 4])
        (1.0, 2.0, 3.5, 4.0)
    """
    x1, y1, x2, y2 = (as_number(side) for side in sides)
    return x1, y1, x2, y2


def as_number(value: Any) -> float:
    """Convert a finite number to a float.

    Raises:
        ValueError, TypeError: If it is anything else.
    """
    if isinstance(value, bool | str) or not math.isfinite(value):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def modified_at(file: Path) -> str:
    """Return when a file was written: local time, ISO 8601 to the minute."""
    return datetime.fromtimestamp(file.stat().st_mtime, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
