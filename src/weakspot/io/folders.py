"""Find free and writable folders, files of moved folders, and read lists of names."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from itertools import chain, count
from pathlib import Path
from tempfile import TemporaryFile

from weakspot.errors import InputError

# A folder with one of these files is the output of a command; its images are not inputs.
RUN_FILE = "localize.toml"
EVALUATE_FILE = "evaluate.toml"
# A folder with this file is output of weakspot label.
LABEL_FILE = "label.toml"

# Files of a training run.
CONFIG, DATA, METRICS, LOG, CURVES, SKIPPED, STATE = (
    "config.toml",
    "data.json",
    "metrics.jsonl",
    "train.log",
    "curves.svg",
    "skipped.jsonl",
    "state.ckpt",
)
ARCHIVES = frozenset({".7z", ".bz2", ".gz", ".rar", ".tar", ".tgz", ".xz", ".zip", ".zst"})
VERSION = "weakspot"  # key of the version that wrote the folder


def next_free_path(name: str) -> Path:
    """Find a path that does not exist yet: the name itself, or the name with -2, -3 and so on."""
    return next(folder for folder in numbered_paths(Path(name)) if not folder.exists())


def numbered_paths(folder: Path) -> Iterator[Path]:
    """Yield a path, then the same path with -2, -3 and so on."""
    return chain([folder], (folder.with_name(f"{folder.name}-{number}") for number in count(2)))


def check_writable(folder: Path, *, attempts: int = 100) -> None:
    """Raise InputError (``not-writable``) unless files can be created in a folder, which need not exist."""
    hint = "Choose another --output."
    try:
        folder.stat()
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, ValueError) as error:  # a name that is too long or contains a zero byte
        reason = getattr(error, "strerror", None) or error
        raise InputError("not-writable", f"Cannot write to {folder}: {reason}.", hint) from error
    parent = next(path for path in [folder.absolute(), *folder.absolute().parents] if path.exists())
    if not parent.is_dir() or not os.access(parent, os.W_OK):
        reason = "is read-only" if parent.is_dir() else "is not a folder"
        raise InputError("not-writable", f"Cannot write to {folder}: {parent} {reason}.", hint)
    try:
        with TemporaryFile(dir=parent):  # permissions say nothing for root, and may be wrong on a network
            pass
    except OSError as error:
        if isinstance(error, FileNotFoundError) and attempts > 1:  # another process has just removed its new folder
            check_writable(folder, attempts=attempts - 1)
            return
        raise InputError("not-writable", f"Cannot write to {folder}: {error.strerror or error}.", hint) from error


def check_unpacked(path: Path) -> None:
    """Raise InputError (``archive``) if a path is an archive such as a zip file."""
    if path.suffix.lower() in ARCHIVES and is_file(path):
        raise InputError("archive", f"{path} is an archive.", "Unpack it, and pass the folder.")


@contextmanager
def remove_if_empty(folder: Path) -> Iterator[None]:
    """Remove a folder and its parents, those that the block created, if the block fails and they are empty."""
    created = [path for path in (folder.absolute(), *folder.absolute().parents) if not path.exists()]
    try:
        yield
    except BaseException:
        with suppress(OSError):
            for path in created:
                path.rmdir()
        raise


def read_name_file(file: Path | None) -> list[str] | None:
    """Read the lines of a UTF-8 file without empty ones at its end, or return None for None.

    Raises InputError ``file-unreadable``, also for JSON and YAML, whose lines are not names.
    """
    hint = "The file must be UTF-8 with one name per line."
    if file is not None and file.suffix.lower() in (".json", ".yaml", ".yml"):
        raise InputError("file-unreadable", f"{file} is not a list of names.", hint)
    try:
        return None if file is None else file.read_text(encoding="utf-8-sig").rstrip().splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError("file-unreadable", f"Cannot read {file}: {error}.", hint) from error


def recorded_path(path: Path, folder: Path) -> Path:
    """Return where a path is that a command has recorded in its output folder.

    A relative one starts from the working folder of that command: if nothing is there from the present one, it is taken
    from the nearest folder above the output folder that has it.
    """
    if path.is_absolute() or _exists(path):
        return path
    places = (parent / path for parent in Path(os.path.abspath(folder)).parents)
    return next(filter(_exists, places), path)


def find_relocated(folder: Path, path: Path, suffix: str = "") -> Path | None:
    """Find the file in a folder that shares the longest path ending with a recorded path; None if there is none.

    The recorded path may be relative to another working folder, so leading folders are dropped one by one. The result
    is always inside the folder. ``suffix`` is appended to the file name.
    """
    if not folder.is_dir():
        return None
    parts = Path(os.path.abspath(path)).parts[1:]
    tails = (folder.joinpath(*parts[first:-1], parts[-1] + suffix) for first in range(len(parts)))
    return next((tail for tail in tails if is_file(tail)), None)


def _exists(path: Path) -> bool:
    return os.path.exists(path)  # noqa: PTH110 - Path.exists raises for a name that is too long


def is_file(path: Path) -> bool:
    """Return whether a path is a file; False if its name is too long or contains a zero byte."""
    return os.path.isfile(path)  # noqa: PTH113 - Path.is_file raises for a name that is too long


def is_folder(path: Path) -> bool:
    """Return whether a path is a folder; False if its name is too long or contains a zero byte."""
    return os.path.isdir(path)  # noqa: PTH112 - Path.is_dir raises for a name that is too long
