"""The output folder of ``weakspot localize``: its name, and the settings recorded in it."""

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from weakspot.config import __version__
from weakspot.errors import InputError
from weakspot.inference.batch.model_identity import MODEL_HASH, ModelIdentity
from weakspot.inference.batch.options import LocalizeOptions
from weakspot.io.folders import RUN_FILE, next_free_path
from weakspot.io.settings import check_settings, load_settings, save_settings
from weakspot.io.shards import parse_shard

if TYPE_CHECKING:
    from weakspot.inference.localization import Localization

# Settings that may differ when a run is resumed: they change its speed or its output images, but not its rows.
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
# Values of settings that were added after the version that wrote a folder.
_DEFAULTS = asdict(LocalizeOptions()) | {"quality": "plain"}


@dataclass(frozen=True)
class LocalizeOutcome:
    """What a run wrote.

    Attributes:
        rows: File of the results, one row per image; for a run on Ray, its manifest.
        skipped: File of the skipped images, one row each; a pattern if there are several files.
        localized: Number of images localized by this run; on Ray, also by the runs that it continued.
        failed: Number of images skipped, counted likewise.
        last: The last localization; None on Ray.
        notes: Messages for the user.
    """

    rows: Path
    skipped: Path
    localized: int
    failed: int
    last: "Localization | None" = None
    notes: tuple[str, ...] = ()


def output_folder(options: LocalizeOptions) -> Path:
    """Return ``options.output``, or a new folder; InputError ``missing-output`` if a new one would make no sense."""
    if options.output is not None:
        return options.output
    for option, is_set in (("--resume", options.resume), (f"--shard {options.shard}", options.shard is not None)):
        if is_set:
            raise InputError("missing-output", f"{option} requires --output.")
    return next_free_path("localized")


def check_not_a_source(sources: Sequence[str], output: Path) -> None:
    """Raise InputError if the output folder is a source, since output folders are never searched for images."""
    if any(source != "-" and os.path.realpath(source) == os.path.realpath(output) for source in sources):
        raise InputError("output-is-a-source", f"--output must not be a source of images, got {output}.")


def check_run(output: Path, options: LocalizeOptions, sources: Sequence[str], model: ModelIdentity) -> None:
    """Raise InputError if the folder contains a run with other settings, ModelError if it is of another model.

    Defaults of the model are not compared.
    """
    saved = load_settings(output / RUN_FILE)
    model.check_same(saved, output)
    unknown = tuple(name for name in ("method", "quality") if getattr(options, name) is None)
    free = (*_FREE_TO_CHANGE, *unknown, *model.free_settings(saved))
    check_settings(output / RUN_FILE, _settings(options, sources), free=free, missing=_DEFAULTS)


def knows_no_model(output: Path) -> bool:
    """Return whether the folder contains a run of an earlier version, which did not record its weights."""
    saved = load_settings(output / RUN_FILE)
    return bool(saved) and MODEL_HASH not in saved


def save_run(output: Path, options: LocalizeOptions, sources: Sequence[str], model: ModelIdentity) -> None:
    """Write the settings of a run."""
    save_settings(output / RUN_FILE, {"weakspot": __version__, **_settings(options, sources), **model.settings()})


def _settings(options: LocalizeOptions, sources: Sequence[str]) -> dict[str, Any]:
    """Return settings that all processes of a run share: the number of shards, and the folder of relative paths."""
    settings = asdict(options)
    if options.shard is not None:
        settings["shard"] = f"*/{parse_shard(options.shard).count}"
    if options.shard is not None or options.engine == "ray":
        relative = any(not Path(source).is_absolute() for source in sources)
        settings["working_folder"] = Path.cwd() if relative else None
    return settings
