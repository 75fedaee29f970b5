"""From what a user names (files, folders, patterns, a list on stdin) to image paths, one at a time."""

import os
import sys
from collections.abc import Iterable, Iterator
from glob import has_magic, iglob
from pathlib import Path
from typing import TextIO

from weakspot.errors import InputError

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"}
    | {".tga", ".tif", ".tiff", ".webp"}
)


def find_images(sources: Iterable[str | Path], *, stdin: TextIO | None = None) -> Iterator[Path]:
    """List the images that the sources name, lazily and in a fixed order.

    Args:
        sources: Files (whatever their suffix), folders (searched through, hidden files left out, by suffix),
            glob patterns (``**`` goes into folders), and ``-`` for one path a line on stdin.
        stdin: Where ``-`` reads from; default ``sys.stdin``.

    Yields:
        Paths; within a folder and a pattern in sorted order. A file that does not exist is yielded as it is, so
        that reading it says so.

    Raises:
        InputError: If a pattern matches nothing or a folder holds no image.
    """
    for source in sources:
        if str(source) == "-":
            yield from (Path(line.rstrip("\r\n")) for line in stdin or sys.stdin if line.strip())
        elif Path(source).is_dir():
            yield from _or_complain(_in_folder(str(source)), f"The folder {source} holds no images.")
        elif has_magic(str(source)) and not Path(source).exists():
            matches = (
                Path(match) for match in sorted(set(iglob(str(source), recursive=True))) if Path(match).is_file()
            )
            yield from _or_complain(matches, f"Nothing matches {source}.")
        else:
            yield Path(source)


def _in_folder(folder: str) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if Path(name).suffix.lower() in IMAGE_SUFFIXES and not name.startswith("."):
                yield Path(parent, name)


def _or_complain(paths: Iterator[Path], problem: str) -> Iterator[Path]:
    first = next(paths, None)
    if first is None:
        raise InputError(problem, f"Images end in {', '.join(sorted(IMAGE_SUFFIXES))}.")
    yield first
    yield from paths
