"""The files below a folder, and which of them are images."""

import os
from collections.abc import Iterator
from pathlib import Path

from weakspot.data import heif
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
    """Yield the files below a folder in sorted order, without hidden files, links to folders and output of runs."""
    for parent, folders, files in os.walk(folder):
        if not _RUN_FILES.isdisjoint(files):
            folders.clear()
            continue
        folders[:] = sorted(name for name in folders if not name.startswith(".") and name != ARCHIVE_METADATA)
        yield from (Path(parent, name) for name in sorted(files) if not name.startswith("."))
