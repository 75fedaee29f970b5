"""Find images by files, folders, glob patterns, or lists."""

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import TextIO

from weakspot.data.folder_files import IMAGE_SUFFIXES, files_in
from weakspot.data.image_lists import is_list, read_list
from weakspot.data.passed_over import describe_passed_over, passed_over
from weakspot.data.patterns import is_pattern, matches
from weakspot.errors import InputError
from weakspot.io.folders import RUN_FILE, check_unpacked, is_file, is_folder

SUFFIXES = f"Suffixes of images: {', '.join(sorted(IMAGE_SUFFIXES))}."


def find_images(sources: Iterable[str | Path], *, stdin: TextIO | None = None) -> Iterator[Path]:
    """Find images, lazily and in a fixed order.

    Args:
        sources: Files of any suffix; folders, which are searched recursively by suffix, without hidden files, symbolic
            links to folders and output of runs; glob patterns (``**`` is recursive, and
            enters each folder once, however many links lead to it); lists of images (``.txt``,
            ``.jsonl``, ``.parquet``, see :func:`weakspot.data.image_lists.read_list`; paths in a run's own output are
            relative to the working folder); and ``-`` for one path per line on stdin.
        stdin: Stream of ``-``; default ``sys.stdin``.

    Yields:
        Paths; those of a folder or pattern are sorted. A file that does not exist is yielded, too: reading it raises
        an error.

    Raises:
        InputError: ``images-not-found`` if a pattern, folder or list has no images; ``archive`` for a zip file and
            the like; the code of a list that cannot be read.
    """
    for source in sources:
        if str(source) == "-":
            yield from (Path(line.rstrip("\r\n")) for line in _lines(stdin or sys.stdin) if line.strip())
        elif is_folder(Path(source)):
            problem = f"The folder {source} contains no images."
            yield from _at_least_one(_in_folder(str(source)), problem, partial(_hint_of_folder, source))
        elif is_pattern(source):
            yield from _at_least_one(filter(_may_be_image, matches(str(source))), f"No images match {source}.")
        elif is_list(source):
            # Paths in the output of a run are relative to the working folder.
            base = Path() if (Path(source).parent / RUN_FILE).exists() else None
            yield from _at_least_one(read_list(Path(source), base=base), f"The list {source} is empty.", lambda: "")
        else:
            check_unpacked(Path(source))
            yield Path(source)


def _in_folder(folder: str) -> Iterator[Path]:
    return (file for file in files_in(folder) if file.suffix.lower() in IMAGE_SUFFIXES)


def _may_be_image(path: Path) -> bool:
    """Return whether a path is a file, or a link that cannot be followed: reading it raises an error."""
    return is_file(path) or (path.is_symlink() and not os.path.exists(path))  # noqa: PTH110 - a circle of links raises


def _lines(stdin: TextIO) -> Iterator[str]:
    """Lines of paths, which need not be UTF-8."""
    raw = getattr(stdin, "buffer", None)
    return iter(stdin) if raw is None else (os.fsdecode(line) for line in raw)


def _at_least_one(paths: Iterator[Path], problem: str, hint: Callable[[], str] = lambda: SUFFIXES) -> Iterator[Path]:
    first = next(paths, None)
    if first is None:
        raise InputError("images-not-found", problem, hint())
    yield first
    yield from paths


def _hint_of_folder(folder: str | Path) -> str:
    return describe_passed_over(list(passed_over([folder]))) or SUFFIXES
