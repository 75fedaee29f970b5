"""Folders to write to, and lists to read."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path

from weakspot.errors import InputError


def next_free_path(name: str) -> Path:
    """Find a folder that is not there yet: the name, or the name and 2, 3 and so on."""
    return next(folder for folder in numbered(Path(name)) if not folder.exists())


def numbered(folder: Path) -> Iterator[Path]:
    """Give a name, then the name and 2, 3 and so on.

    Example:
        >>> from itertools import islice
        >>> [path.name for path in islice(numbered(Path("runs/birds")), 3)]
        ['birds', 'birds-2', 'birds-3']
    """
    return chain([folder], (folder.with_name(f"{folder.name}-{number}") for number in count(2)))


def check_writable(folder: Path) -> None:
    """Refuse a folder that could not be written to, before anything is computed; nothing is made yet.

    Raises:
        InputError: If it is no folder, or it or the nearest folder above it is read-only.
    """
    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:  # a name too long, or with a zero byte
        problem = f"{folder} cannot be written to: {getattr(error, 'strerror', None) or error}."
        raise InputError(problem, "Choose another --output.") from error
    there = next(path for path in [folder.absolute(), *folder.absolute().parents] if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        what = "is read-only" if there.is_dir() else "is not a folder"
        raise InputError(f"{folder} cannot be written to: {there} {what}.", "Choose another --output.")


@contextmanager
def remove_if_empty(folder: Path) -> Iterator[None]:
    """Remove a folder that came to be in a block that failed, if it is empty."""
    there = folder.exists()
    try:
        yield
    except BaseException:
        if not there:
            with suppress(OSError):
                folder.rmdir()
        raise


def read_lines(file: Path | None) -> list[str] | None:
    """Read a text file's lines; None where no file is given.

    Raises:
        InputError: If the file cannot be read as UTF-8.
    """
    try:
        return None if file is None else file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{file} cannot be read as text: {error}.", "Give a UTF-8 file, one name a line.") from error
