"""JsonlWriter of JSON, one a line, written so that a run that is cut off keeps every whole one."""

import errno
import json
import os
from io import FileIO
from pathlib import Path
from typing import Any

from weakspot.errors import InputError
from weakspot.io.rows import to_jsonl


class JsonlWriter:
    """A JSON Lines file with a row an image; it comes to be with its first row.

    Args:
        path: The file.
        resume: Keep the rows that it holds. A last line that was cut off is dropped.
        finished: The name that it gets by :meth:`finish`, and loses with the next row.

    Raises:
        InputError: If the file holds rows and ``resume`` is False, or holds something else.

    Attributes:
        images: The images that it held at the start.
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
            raise InputError(
                f"{path} holds the rows of another run.",
                "Go on with it by --resume, or name another --output.",
            )
        self.images = _keep_whole_rows(path)

    def write(self, row: dict[str, Any]) -> None:
        """Append a row and hand it to the operating system.

        Raises:
            InputError: If it cannot be written; the rows before it stay.
        """
        line = to_jsonl(row)
        try:
            if self._file is None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                if self._finished is not None and self._finished.exists():
                    self._finished.replace(self.path)
                self._file = self.path.open("ab", buffering=0)
            _append(self._file, line)
        except OSError as error:
            problem = f"{self.path} cannot be written: {error.strerror}."
            raise InputError(problem, "Make room or name another --output; then --resume.") from error

    def finish(self) -> None:
        """Give the file the name of one that is whole, empty if there was no row.

        Raises:
            InputError: If that cannot be written.
        """
        if self._finished is None or self._finished.exists():
            return
        try:
            with self.path.open("ab") as file:
                os.fsync(file.fileno())
            self.path.replace(self._finished)
        except OSError as error:
            problem = f"{self._finished} cannot be written: {error.strerror}."
            raise InputError(problem, "Make room; the same command then goes on.") from error

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            self._file.close()


def _append(file: FileIO, line: bytes) -> None:
    """Append a whole line or nothing: a disk that fills up takes a part of it."""
    end = file.seek(0, os.SEEK_END)
    if file.write(line) < len(line):
        file.truncate(end)
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _keep_whole_rows(path: Path) -> frozenset[str]:
    """List the images of the rows in a file, and cut off what follows its last newline."""
    try:
        with path.open("r+b") as file:
            images = []
            end = 0
            for line in file:
                if not line.endswith(b"\n"):
                    break
                images.append(str(json.loads(line)["image"]))
                end += len(line)
            if end < path.stat().st_size:
                file.truncate(end)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"{path} is not a file of rows: {error}.", "Name another --output.") from error
    return frozenset(images)
