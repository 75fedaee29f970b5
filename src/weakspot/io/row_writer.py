"""Write JSON Lines such that an interrupted run keeps every complete row."""

import errno
import json
import os
from io import FileIO
from pathlib import Path
from typing import Any

from weakspot.errors import InputError
from weakspot.io.atomic import not_writable
from weakspot.io.rows import UniqueRows, to_jsonl
from weakspot.io.text import FileLine


class JsonlWriter:
    """Writer of a JSON Lines file with one row per image; the first row creates the file.

    With ``resume``, existing rows are kept, except an incomplete last line; ``images`` contains the names of their
    images. :meth:`finish` renames the file to ``finished``; the next row renames it back. Raises InputError:
    ``output-exists`` if the file contains rows and ``resume`` is False; ``rows-invalid`` if it contains something else.
    """

    def __init__(self, path: Path, *, resume: bool = False, finished: Path | None = None) -> None:
        self.path, self._finished = path, finished
        self.images: frozenset[str] = frozenset()
        self._file: FileIO | None = None
        if finished is not None and finished.exists():
            path = finished
        if not path.exists() or path.stat().st_size == 0:
            return
        if not resume:
            hint = "Continue it with --resume, or choose another --output."
            raise InputError("output-exists", f"{path} contains the rows of another run.", hint)
        self.images = _keep_whole_rows(path)

    def write(self, row: dict[str, Any]) -> None:
        """Append a row, without buffering; if the disk is full, earlier rows are kept."""
        line = to_jsonl(row)
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                if self._finished is not None and self._finished.exists():
                    self._finished.replace(self.path)
                self._file = self.path.open("ab", buffering=0)
            append_line(self._file, line)
        except OSError as error:
            raise not_writable(self.path, error, "Free disk space, then continue with --resume.") from error

    def finish(self) -> None:
        """Rename the file to its final name; without rows it is empty."""
        if self._finished is None or self._finished.exists():
            return
        try:
            with self.path.open("ab") as file:
                os.fsync(file.fileno())
            self.path.replace(self._finished)
        except OSError as error:
            hint = "Free disk space, then run the same command."
            raise not_writable(self._finished, error, hint) from error

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def append_line(file: FileIO, line: bytes) -> None:
    """Append a complete line to an unbuffered file, or nothing: a full disk may accept only a part of it."""
    end = file.seek(0, os.SEEK_END)
    if file.write(line) < len(line):
        file.truncate(end)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _keep_whole_rows(path: Path) -> frozenset[str]:
    """Return the images of the rows of a file, and truncate the file after its last newline."""
    try:
        with path.open("r+b") as file:
            images, rows = [], UniqueRows()
            end = 0
            for number, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                row = json.loads(line)
                images.append(str(row["image"]))
                rows.add(FileLine(path, number), row)
                end += len(line)
            if end < path.stat().st_size:
                file.truncate(end)
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(
            "rows-invalid", f"{path} is not a file of rows: {error}.", "Choose another --output."
        ) from error
    return frozenset(images)
