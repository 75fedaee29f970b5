"""A run of ``weakspot localize``: its folder, its settings, which are kept beside the rows, and its outcome."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from weakspot.config import __version__
from weakspot.errors import InputError
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.io.folders import check_writable, next_free_path, remove_if_empty
from weakspot.io.run_files import RUN_FILE
from weakspot.io.settings import check_settings, save_settings
from weakspot.io.shards import parse_shard

if TYPE_CHECKING:
    from weakspot.inference.localization import Localization

# Settings that change how fast a run is or what it writes beside the rows, not what is in a row.
_FREE_TO_CHANGE = (
    "output",
    "resume",
    "save_plots",
    "save_masks",
    "save_heatmaps",
    "device",
    "backend",
    "batch_size",
    "workers",
    "max_pixels",
    "address",
    "num_actors",
    "images_per_shard",
)
# What settings are that an earlier version, which did not know them, has not kept.
_BEFORE = asdict(LocalizeOptions()) | {"quality": "plain"}


@dataclass(frozen=True)
class LocalizeOutcome:
    """What a run did.

    Attributes:
        rows: The file of what was found, one row an image; of a run on Ray its manifest.
        skipped: The file of images that could not be read, one row each; a pattern where there are several.
        localized: Number of images localized by this run; of a run on Ray, by all that went on with it.
        failed: Number of images skipped, likewise.
        last: The last localization, or None.
    """

    rows: Path
    skipped: Path
    localized: int
    failed: int
    last: "Localization | None" = None


def output_folder(options: LocalizeOptions) -> Path:
    """The folder to write to: that of the options, or a new one.

    Raises:
        InputError: If one has to be named, and is not.
    """
    if options.output is not None:
        return options.output
    if options.resume:
        raise InputError("--resume does not say which run to go on with.", "Name its folder with --output.")
    if options.shard is not None:
        raise InputError("Shards of a run lie in one folder, and none is named.", "Name it with --output.")
    return next_free_path("localized")


def check_apart(sources: Sequence[str], output: Path) -> None:
    """Refuse to write into a folder of the sources: what a run has written is never searched for images.

    Raises:
        InputError: If the output is one of the sources.
    """
    if any(source != "-" and os.path.realpath(source) == os.path.realpath(output) for source in sources):
        raise InputError(f"The rows would lie among the images in {output}.", "Name another --output.")


@contextmanager
def folder_lock(folder: Path, what: str) -> Iterator[None]:
    """Be the only process that writes something into a folder, as far as its file system tells other machines.

    Args:
        folder: It is made, and goes if the block fails and leaves nothing in it.
        what: What is written: ``"rows"``, or a shard.

    Raises:
        InputError: If another process is at it, or the folder cannot be made.
    """
    file = folder / f".{what}.lock"
    lock = FileLock(file, blocking=False)
    check_writable(folder)
    with remove_if_empty(folder):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            problem = f"Another process is at work on {what} in {folder}."
            raise InputError(problem, "Wait until it has ended, or name another --output.") from error
        except OSError as error:
            raise InputError(f"{folder} cannot be written to: {error.strerror}.", "Choose another --output.") from error
        try:
            yield
        finally:
            file.unlink(missing_ok=True)  # while it is held, so that nobody else's goes
            lock.release()


def check_run(output: Path, options: LocalizeOptions, sources: Sequence[str]) -> None:
    """Refuse to go on with a run that had other settings; what only the model knows is passed over.

    Raises:
        InputError: If a setting differs, or the file cannot be read.
    """
    unknown = tuple(name for name in ("method", "quality") if getattr(options, name) is None)
    check_settings(output / RUN_FILE, _kept(options, sources), free=(*_FREE_TO_CHANGE, *unknown), missing=_BEFORE)


def keep_run(output: Path, options: LocalizeOptions, sources: Sequence[str]) -> None:
    """Write the settings of a run.

    Raises:
        InputError: If the file cannot be written.
    """
    save_settings(output / RUN_FILE, {"weakspot": __version__, **_kept(options, sources)})


def _kept(options: LocalizeOptions, sources: Sequence[str]) -> dict[str, Any]:
    """All who share a run have the same settings: how many shards there are, and from where images are named."""
    kept = asdict(options)
    if options.shard is not None:
        kept["shard"] = f"*/{parse_shard(options.shard).count}"
    if options.shard is not None or options.engine == "ray":
        kept["working_folder"] = _working_folder(sources)
    return kept


def _working_folder(sources: Sequence[str]) -> Path | None:
    """The folder that names of images are from, if they are not absolute."""
    return None if all(Path(source).is_absolute() for source in sources) else Path.cwd()
