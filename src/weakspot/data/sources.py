"""From what a user names (files, folders, patterns, a list on stdin) to image paths, one at a time."""

import os
import sys
from collections.abc import Iterable, Iterator
from glob import has_magic, iglob
from pathlib import Path
from typing import TextIO

from weakspot.data.image_lists import is_list, read_list
from weakspot.errors import InputError
from weakspot.io.run_files import EVALUATE_FILE, RUN_FILE

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"}
    | {".tga", ".tif", ".tiff", ".webp"}
)

_WRITTEN = {RUN_FILE, EVALUATE_FILE}


def find_images(sources: Iterable[str | Path], *, stdin: TextIO | None = None) -> Iterator[Path]:
    """List the images that the sources name, lazily and in a fixed order.

    Args:
        sources: Files (whatever their suffix), folders (searched through by suffix; hidden files, folders behind
            symbolic links and what runs have written are left out),
            glob patterns (``**`` goes into folders), lists of images (``.txt``, ``.jsonl``, ``.parquet``, see
            :func:`weakspot.data.image_lists.read_list`; names in those that a run has written are from the working
            folder), and ``-`` for one path a line on stdin.
        stdin: Where ``-`` reads from; default ``sys.stdin``.

    Yields:
        Paths; within a folder and a pattern in sorted order. A file that does not exist is yielded as it is, so
        that reading it says so.

    Raises:
        InputError: If a pattern matches nothing, a folder holds no image, or a list cannot be read or is empty.
    """
    for source in sources:
        if str(source) == "-":
            yield from (Path(line.rstrip("\r\n")) for line in _lines(stdin or sys.stdin) if line.strip())
        elif _is_folder(source):
            yield from _or_complain(_in_folder(str(source)), f"The folder {source} holds no images.")
        elif has_magic(str(source)) and not os.path.lexists(source):
            matches = (
                Path(match) for match in sorted(set(iglob(str(source), recursive=True))) if Path(match).is_file()
            )
            yield from _or_complain(matches, f"Nothing matches {source}.")
        elif is_list(source):
            yield from _or_complain(_in_list(Path(source)), f"The list {source} names no images.", "Give another list.")
        else:
            yield Path(source)


def _in_folder(folder: str) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        if not _WRITTEN.isdisjoint(files):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith("."):
                yield Path(parent, name)


def _is_folder(source: str | Path) -> bool:
    try:
        return Path(source).is_dir()
    except (OSError, ValueError):  # a name too long, or with a zero byte: reading it will say so
        return False


def _lines(stdin: TextIO) -> Iterator[str]:
    """The lines of a list of names, which need not be UTF-8."""
    raw = getattr(stdin, "buffer", None)
    return iter(stdin) if raw is None else (os.fsdecode(line) for line in raw)


def _in_list(file: Path) -> Iterator[Path]:
    """The images of a list. Names that weakspot has written itself are from the working folder."""
    return read_list(file, base=Path() if (file.parent / RUN_FILE).exists() else None)


def _or_complain(
    paths: Iterator[Path], problem: str, hint: str = f"Images end in {', '.join(sorted(IMAGE_SUFFIXES))}."
) -> Iterator[Path]:
    first = next(paths, None)
    if first is None:
        raise InputError(problem, hint)
    yield first
    yield from paths
