"""The folder of a run: made once, never overwritten, with a link to the latest beside it."""

import os
import shutil
import tomllib
from contextlib import suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from weakspot.config import __version__, with_current_names
from weakspot.errors import InputError
from weakspot.io.folders import check_writable, numbered_paths
from weakspot.io.run_files import CONFIG, VERSION
from weakspot.io.settings import save_settings
from weakspot.training.options import TrainOptions

_LATEST = "latest"


def check_output(wanted: Path, *, needed_bytes: int) -> None:
    """Refuse a place that a run could not be written to, before anything is computed.

    Args:
        wanted: The folder of the run, as it was asked for.
        needed_bytes: About how much the run will take.

    Raises:
        InputError: If the nearest folder above it is read-only or no folder, or the disk is full.
    """
    check_writable(wanted.parent)
    there = next(path for path in wanted.absolute().parents if path.exists())
    free = shutil.disk_usage(there).free
    if free < needed_bytes:
        raise InputError(
            f"{there} has {free / 1e6:.0f} MB left, and the run needs about {needed_bytes / 1e6:.0f} MB.",
            "Make room, or choose another --output.",
        )


def make_run_folder(wanted: Path) -> Path:
    """Make a new folder of that name, or of the name and 2, 3 and so on, and point ``latest`` beside it to it.

    Raises:
        InputError: If it cannot be made.
    """
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        folder = next(folder for folder in numbered_paths(wanted) if _made(folder))
    except OSError as error:
        raise InputError(f"{wanted} cannot be made: {error.strerror}.", "Choose another --output.") from error
    _point_to(folder)
    return folder


def _made(folder: Path) -> bool:
    """Whether the folder is new and ours: two runs that start at once do not get the same."""
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def _point_to(folder: Path) -> None:
    """Have the link ``latest`` beside a folder point to it; what is no link of that name is left alone."""
    link, new = folder.with_name(_LATEST), folder.with_name(f".{_LATEST}-{os.getpid()}")
    if link.exists() and not link.is_symlink():
        return
    with suppress(OSError):  # a file system without links
        new.symlink_to(folder.name)
        new.replace(link)


def write_config(folder: Path, data: Path, options: TrainOptions) -> None:
    """Write what was asked for, such that ``weakspot train --config`` does it again."""
    asked = {field.name: getattr(options, field.name) for field in fields(options) if field.name != "output"}
    save_settings(folder / CONFIG, {VERSION: __version__, "data": data.absolute(), **asked})


def read_config(file: Path) -> tuple[Path, TrainOptions]:
    """Read what :func:`write_config` wrote, or a user has written by hand.

    Raises:
        InputError: If the file cannot be read, or says what is not to be said.
    """
    try:
        told = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(f"{file} cannot be read: {error}.", "Give the config.toml of a run.") from error
    told = with_current_names(told, "train")
    told.pop(VERSION, None)
    known = {field.name: field for field in fields(TrainOptions)}
    unknown = [name for name in told if name not in known and name != "data"]
    if unknown or "data" not in told:
        problem = f"{file} has an unknown setting {unknown[0]!r}." if unknown else f"{file} does not name the data."
        raise InputError(problem, f"Settings are data, {', '.join(known)}.")
    return Path(str(told.pop("data"))), TrainOptions(**{name: _typed(name, told[name], file) for name in told})


def _typed(name: str, value: Any, file: Path) -> Any:
    """A value of a configuration as the options have it."""
    kind = _kind(name)
    told = {Path: str, tuple: list, float: int | float}.get(kind, kind)
    if not isinstance(value, told) or isinstance(value, bool) != (kind is bool):
        problem = f"{file} has {name} = {value!r}, which is no {getattr(told, '__name__', 'number')}."
        raise InputError(problem, "Mend that line.")
    return kind(value) if kind in (Path, tuple) else value


def _kind(name: str) -> Any:
    """What an option is where it is not None: the names of a choice are text."""
    hint = get_type_hints(TrainOptions)[name]
    first = next(iter(get_args(hint)), hint)
    return str if isinstance(first, str) else get_origin(first) or first
