"""Keep a run's settings beside its results, and see to it that a resumed run has the same."""

import tomllib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import tomli_w

from weakspot.config import with_current_names
from weakspot.errors import InputError
from weakspot.io.atomic import atomic_write


def save_settings(path: Path, settings: Mapping[str, Any]) -> None:
    """Write settings as TOML; what is None is left out."""
    with atomic_write(path) as file:
        tomli_w.dump(_plain(settings), file)


def check_settings(
    path: Path,
    settings: Mapping[str, Any],
    *,
    free: Collection[str],
    missing: Mapping[str, Any],
    command: str = "localize",
) -> None:
    """Refuse settings that differ from those kept in a file, if there is one, apart from those free to change.

    Args:
        path: What :func:`save_settings` has written, perhaps of an earlier version that knew fewer.
        settings: Those of now.
        free: Names of those that may change.
        missing: What settings are that the file does not name.
        command: Command that wrote the file; its options may have been renamed since.

    Raises:
        InputError: If a setting differs, or the file cannot be read.
    """
    if not path.exists():
        return
    try:
        kept = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} cannot be read: {error}.", "Name another --output.") from error
    before, now = {**_plain(missing), **with_current_names(kept, command)}, _plain(settings)
    for name in settings:
        if name not in free and before.get(name) != now.get(name):
            raise InputError(
                f"The run in {path.parent} had {name} = {before.get(name)!r}, and now it is {now.get(name)!r}.",
                "Give the same settings to go on with it, or name another --output.",
            )


def _text(value: object) -> str:
    """A path or a word; a name that is no UTF-8 has its odd bytes as escapes."""
    return str(value).encode(errors="backslashreplace").decode()


def _plain(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out None, and turn paths to text and tuples to lists, as TOML has them."""
    return {
        name: _text(value) if isinstance(value, Path | str) else list(value) if isinstance(value, tuple) else value
        for name, value in settings.items()
        if value is not None
    }
