"""The folder of a run: created once, never overwritten, and linked as ``latest`` in its parent folder."""

import os
import shutil
import tomllib
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

from weakspot.config import __version__, with_current_names
from weakspot.errors import InputError
from weakspot.io.folder_lock import folder_lock
from weakspot.io.folders import CONFIG, VERSION, check_writable, numbered_paths
from weakspot.io.settings import save_settings
from weakspot.training.options import TrainOptions

_LATEST = "latest"
_MAX_NAME = 255  # bytes of the name of a file


def check_output(output: Path, *, needed_bytes: int) -> None:
    """Check that a run can be written, before anything is computed.

    Args:
        output: The requested run folder.
        needed_bytes: Estimated size of the run.
    """
    check_writable(output.parent)
    parent = next(path for path in output.absolute().parents if path.exists())
    free_bytes = shutil.disk_usage(parent).free
    if free_bytes < needed_bytes:
        needed, free = (f"{size / 1e6:.0f} MB" for size in (needed_bytes, free_bytes))
        hint = "Free disk space, or choose another --output."
        raise InputError("disk-full", f"The run needs about {needed}, but {parent} has {free} free.", hint)


def make_run_folder(output: Path) -> Path:
    """Create a folder of that name, or of the name and -2, -3 and so on, and point the link ``latest`` to it."""
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        folder = next(folder for folder in numbered_paths(output) if _created(folder))
    except OSError as error:
        problem = f"Cannot create {output}: {error.strerror}."
        raise InputError("not-writable", problem, "Choose another --output.") from error
    _link_latest(folder)
    return folder


def _created(folder: Path) -> bool:
    """Create a folder unless it exists; runs that start at the same time get different folders."""
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def _link_latest(folder: Path) -> None:
    """Point the link ``latest`` to a folder; a file or folder of that name that is not a link is kept."""
    link, temporary = folder.with_name(_LATEST), folder.with_name(f".{_LATEST}-{os.getpid()}")
    if link.exists() and not link.is_symlink():
        return
    with suppress(OSError):  # a file system without links
        temporary.symlink_to(folder.name)
        temporary.replace(link)


def write_config(folder: Path, data: Path, options: TrainOptions) -> None:
    """Write the options of a run, so that ``weakspot train --config`` repeats it."""
    settings = {field.name: getattr(options, field.name) for field in fields(options) if field.name != "output"}
    save_settings(folder / CONFIG, {VERSION: __version__, "data": data.absolute(), **settings})


def read_config(file: Path, *, data: Path | None = None) -> tuple[Path, TrainOptions]:
    """Read data set and options from a configuration, written by :func:`write_config` or by hand.

    If ``data`` is given, it replaces the data set of the configuration, which then need not name one.

    Names that options had in version 0.1.0 are accepted.
    """
    try:
        settings = tomllib.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            "config-unreadable", f"Cannot read {file}: {error}.", "Pass the config.toml of a run."
        ) from error
    settings = with_current_names(settings, "train")
    settings.pop(VERSION, None)
    names = [field.name for field in fields(TrainOptions)]
    unknown = [name for name in settings if name not in names and name != "data"]
    if unknown:
        hint = f"Options: data, {', '.join(names)}."
        raise InputError("unknown-option", f"{file} has an unknown option {unknown[0]!r}.", hint)
    if data is None and "data" not in settings:
        raise InputError("missing-data", f"{file} has no option data.", "Add the folder of the data set.")
    named = settings.pop("data", None)
    folder = _parse_path(named, file) if data is None else data
    return folder, TrainOptions(**{name: _parse_value(name, settings[name], file) for name in settings})


def _parse_value(name: str, value: Any, file: Path) -> Any:
    """Convert a value of a configuration to the type of its option."""
    kind = _option_type(name)
    toml_type = {Path: str, tuple: list, float: int | float}.get(kind, kind)
    if not isinstance(value, toml_type) or isinstance(value, bool) != (kind is bool):
        expected = getattr(toml_type, "__name__", "number")
        raise InputError("config-invalid", f"{name} in {file} must be of type {expected}, got {value!r}.")
    if kind is tuple and not all(isinstance(item, str) for item in value):
        raise InputError("config-invalid", f"{name} in {file} must be a list of text, got {value!r}.")
    if kind is Path:
        return _parse_path(value, file)
    return kind(value) if kind is tuple else value


def _parse_path(value: object, file: Path) -> Path:
    """Return a path of a configuration that a file system can have."""
    possible = isinstance(value, str) and "\0" not in value
    if not possible or any(len(os.fsencode(part)) > _MAX_NAME for part in Path(str(value)).parts):
        raise InputError("config-invalid", f"{file} must contain paths as text, got {value!r}.")
    return Path(str(value))


def _option_type(name: str) -> Any:
    """Return the type of an option other than None; str for one of several strings."""
    hint = get_type_hints(TrainOptions)[name]
    first = next(iter(get_args(hint)), hint)
    return str if isinstance(first, str) else get_origin(first) or first


def run_lock(run: str | Path) -> AbstractContextManager[None]:
    """Hold a finished run while it is changed; the file of a model without its folder is not held."""
    return folder_lock(Path(run)) if Path(run).is_dir() else nullcontext()
