"""Save the settings of a run next to its results, and check that a resumed run has the same."""

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from weakspot.config import with_current_names
from weakspot.errors import InputError
from weakspot.io.atomic import atomic_write

_NO_OPTIONS = ("sources", "working_folder")


def save_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Write settings as TOML; None is omitted."""
    with atomic_write(path) as file:
        tomli_w.dump(_to_toml(settings), file)


def load_settings(path: Path, *, command: str = "localize") -> dict[str, Any]:
    """Read the settings of a run under the current names of the options; empty without a file.

    Raises InputError ``file-unreadable`` for a damaged file.
    """
    if not path.exists():
        return {}
    try:
        return with_current_names(tomllib.loads(path.read_text(encoding="utf-8")), command)
    except (OSError, ValueError, RecursionError) as error:
        raise InputError("file-unreadable", f"Cannot read {path}: {error}.", "Choose another --output.") from error


def check_settings(
    path: Path,
    settings: Mapping[str, Any],
    *,
    free: Collection[str],
    missing: Mapping[str, Any],
    command: str = "localize",
) -> None:
    """Raise InputError (``settings-mismatch``) if settings differ from those that a run saved; ``free`` ones may.

    The file of :func:`save_settings` may not exist. One of an earlier version has fewer settings, for which ``missing``
    has the values, and the names of that version's ``command``. A damaged file raises ``file-unreadable``.
    """
    if not path.exists():
        return
    before, now = {**_to_toml(missing), **load_settings(path, command=command)}, _to_toml(settings)
    for name in settings:
        if name not in free and before.get(name) != now.get(name):
            raise InputError(
                "settings-mismatch",
                f"{_described(name, now.get(name))} differs from the run in {path.parent}, which has "
                f"{_described(name, before.get(name))}.",
                "Use the same settings to continue, or choose another --output.",
            )


def _described(name: str, value: object) -> str:
    """An option and its value, as on a command line, or another setting.

    Example:
        >>> _described("input_size", 224), _described("input_size", None), _described("sources", ["a.jpg"])
        ('--input-size 224', 'no --input-size', "sources ['a.jpg']")
    """
    option = name.replace("_", " ") if name in _NO_OPTIONS else f"--{name.replace('_', '-')}"
    return f"no {option}" if value is None else f"{option} {value}"


def _text(value: object) -> str:
    """Convert to text; bytes of a name that are not UTF-8 are escaped."""
    return str(value).encode(errors="backslashreplace").decode()


def _to_toml(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Convert to types of TOML: omit None, and turn paths into text and tuples into lists."""
    return {
        name: _text(value) if isinstance(value, Path | str) else list(value) if isinstance(value, tuple) else value
        for name, value in settings.items()
        if value is not None
    }
