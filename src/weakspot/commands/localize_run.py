"""A run of ``weakspot localize``: its folder, its settings, which are kept beside the rows, and its outcome."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from weakspot import __version__
from weakspot.commands.options import LocalizeOptions
from weakspot.data import RUN_FILE
from weakspot.errors import InputError
from weakspot.outputs import free_folder, nothing_left_in
from weakspot.settings import check_settings, keep_settings
from weakspot.shards import share_of

if TYPE_CHECKING:
    from weakspot.results import Localization

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
    "actors",
    "shard_size",
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
    return free_folder("localized")


@contextmanager
def alone(folder: Path, what: str) -> Iterator[None]:
    """Be the only process that writes something into a folder, as far as its file system tells other machines.

    Args:
        folder: It is made, and goes if the block fails and leaves nothing in it.
        what: What is written: ``"rows"``, or a shard.

    Raises:
        InputError: If another process is at it, or the folder cannot be made.
    """
    lock = folder / f".{what}.lock"
    try:
        with nothing_left_in(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(lock, blocking=False):
                try:
                    yield
                finally:
                    lock.unlink(missing_ok=True)
    except Timeout as error:
        problem = f"Another process is at work on {what} in {folder}."
        raise InputError(problem, "Wait until it has ended, or name another --output.") from error
    except OSError as error:
        if error.filename not in (str(lock), str(folder)):
            raise
        raise InputError(f"{folder} cannot be written to: {error.strerror}.", "Choose another --output.") from error


def check_run(output: Path, options: LocalizeOptions) -> None:
    """Refuse to go on with a run that had other settings; what only the model knows is passed over.

    Raises:
        InputError: If a setting differs, or the file cannot be read.
    """
    unknown = tuple(name for name in ("method", "quality") if getattr(options, name) is None)
    check_settings(output / RUN_FILE, _kept(options), free=(*_FREE_TO_CHANGE, *unknown), missing=_BEFORE)


def keep_run(output: Path, options: LocalizeOptions) -> None:
    """Write the settings of a run.

    Raises:
        InputError: If the file cannot be written.
    """
    keep_settings(output / RUN_FILE, {"weakspot": __version__, **_kept(options)})


def _kept(options: LocalizeOptions) -> dict[str, Any]:
    """All shards of a run have the same settings: that which says how many they are."""
    shards = None if options.shard is None else share_of(options.shard).count
    return asdict(options) | {"shard": shards if shards is None else f"*/{shards}"}
