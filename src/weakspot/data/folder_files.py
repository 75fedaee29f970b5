"""The files below a folder, and which of them are images."""

import os
from collections.abc import Iterator
from pathlib import Path

from weakspot.data import heif
from weakspot.data.image_files import is_special
from weakspot.io.folders import EVALUATE_FILE, RUN_FILE

IMAGE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm", ".ppm"}
    | {".tga", ".tif", ".tiff", ".webp"}
    | (heif.SUFFIXES if heif.is_installed() else frozenset())
)

# A folder that macOS adds to archives.
ARCHIVE_METADATA = "__MACOSX"

_RUN_FILES = {RUN_FILE, EVALUATE_FILE}


def files_in(folder: str | Path) -> Iterator[Path]:
    """Yield the files below a folder in sorted order.

    Hidden files, links to folders, output of runs, and what is no file (pipes, sockets, devices) are left out.
    """
    return (Path(path) for path, is_special in _entries_in(folder) if not is_special)


def special_files_in(folder: str | Path) -> Iterator[Path]:
    """Yield the pipes, sockets and devices below a folder, which could be taken for files, and unreadable folders."""
    return (Path(path) for path, is_special in _entries_in(folder) if is_special)


def _entries_in(folder: str | Path) -> Iterator[tuple[str, bool]]:
    """Yield the paths below a folder that are not folders, and whether each is special; also unreadable folders."""
    folders = [os.fspath(folder)]
    while folders:
        current = folders.pop()
        try:
            with os.scandir(current) as scanned:
                entries = sorted(scanned, key=lambda entry: entry.name)
        except OSError:
            yield current, True
            continue
        if any(entry.name in _RUN_FILES for entry in entries):
            continue
        visible = [(entry, is_folder_entry(entry)) for entry in entries if not entry.name.startswith(".")]
        yield from ((entry.path, is_special_entry(entry)) for entry, is_folder in visible if not is_folder)
        below = [entry for entry, is_folder in visible if is_folder and entry.name != ARCHIVE_METADATA]
        folders += [entry.path for entry in reversed(below) if not entry.is_symlink()]


def is_folder_entry(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a folder, or a link to one."""
    try:
        return entry.is_dir()
    except OSError:  # a link whose target cannot be found out
        return False


def is_special_entry(entry: "os.DirEntry[str]") -> bool:
    """Return whether an entry is a pipe, a socket or a device, or a link to one."""
    try:
        return not (entry.is_file() or entry.is_dir()) and is_special(entry.path)
    except OSError:
        return False
