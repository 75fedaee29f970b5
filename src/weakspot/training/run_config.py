"""Resolve a request to train: a new run, a run by a configuration, or the continuation of an interrupted one."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from weakspot.config import PRETRAINED, RENAMED_OPTIONS
from weakspot.errors import InputError, check_fraction, suggest
from weakspot.io.folders import CONFIG, DATA, STATE
from weakspot.models.networks import parse_method
from weakspot.models.run_files import MODEL_FILE
from weakspot.ops.preprocessing import MAX_INPUT_SIDE
from weakspot.training.options import TrainOptions
from weakspot.training.run_folder import read_config

# Options that may change when a run is resumed, because they do not change the weights.
_RESUME_OPTIONS = ("output", "device", "workers", "save_every", "logger")
_MINIMUM = {
    "epochs": 1,
    "batch_size": 1,
    "devices": 1,
    "nodes": 1,
    "accumulate_grad_batches": 1,
    "patience": 1,
    "workers": 0,
    "seed": 0,
    "lr": 0,
    "weight_decay": 0,
    "save_every": 0,
    "input_size": 8,
}
_MAXIMUM = {
    "epochs": 10**6,
    "batch_size": 10**6,
    "devices": 10**4,
    "nodes": 10**5,
    "accumulate_grad_batches": 10**6,
    "patience": 10**6,
    "workers": 1024,
    "seed": 2**32 - 1,
    "lr": 1e30,
    "weight_decay": 1e6,
    "save_every": 1e9,
    "input_size": MAX_INPUT_SIDE,
    "width": 2**14,
}
_CHOICES = {"freeze": ("auto", "backbone", "none"), "class_weights": ("balanced", "none")}


@dataclass(frozen=True)
class TrainRequest:
    """What to train.

    Attributes:
        data: Folder of the data set.
        options: Options of the run.
        folder: Folder of the interrupted run to resume; None for a new run.
        moved: Whether the data set of that run is in another place now.
    """

    data: Path
    options: TrainOptions
    folder: Path | None = None
    moved: bool = False


def resolve_request(
    data: str | Path | None, options: TrainOptions, *, config: str | Path | None, resume: str | Path | None
) -> TrainRequest:
    """Combine arguments with a configuration or with the options of an interrupted run.

    Args:
        data: The data set; None for that of the configuration or the interrupted run, else its place now.
        options: Options; those at their defaults are replaced by those of the configuration or the interrupted run.
        config: A ``config.toml``.
        resume: Folder of an interrupted run.
    """
    if config is not None and resume is not None:
        problem = "--config and --resume cannot be combined."
        raise InputError("options-conflict", problem, "A resumed run uses its own config.toml.")
    if resume is not None:
        return _resolve_resume(data, options, Path(resume))
    if config is not None:
        config_data, config_options = read_config(Path(config), data=None if data is None else Path(data))
        return TrainRequest(config_data, _merge(config_options, options))
    if data is None:
        raise InputError("missing-data", "A data set is required.", "Pass its folder: weakspot train images/")
    return TrainRequest(Path(data), _validate(options))


def damaged_state(file: Path) -> InputError:
    """Return the error (``damaged-file``) for a saved state that cannot be read."""
    hint = "Restore the file, or train a new run without --resume."
    return InputError("damaged-file", f"{file} is damaged.", hint)


def with_changes(options: TrainOptions, changes: Mapping[str, Any]) -> TrainOptions:
    """Return options with some fields changed by name."""
    names = _option_names()
    for name in changes:
        if name not in names:
            current = RENAMED_OPTIONS["train"].get(name)
            hint = suggest(name, names, f"Options: {', '.join(names)}.") if current is None else f"Use {current}."
            raise InputError("unknown-option", f"train() has no option {name!r}.", hint)
    converted: dict[str, Any] = {
        name: Path(changes[name])
        for name in ("teacher", "labels", "images", "boxes", "output")
        if changes.get(name) is not None
    }
    if "weights" in changes:
        converted["weights"] = str(changes["weights"] or "none")
    loggers = changes.get("logger")
    if loggers is not None:
        converted["logger"] = tuple(loggers) if isinstance(loggers, list | tuple) else (loggers,)
    return replace(options, **{**changes, **converted})


def _resolve_resume(data: str | Path | None, options: TrainOptions, folder: Path) -> TrainRequest:
    if not (folder / CONFIG).is_file():
        raise InputError("run-not-found", f"{folder} does not contain a run.", "Pass the folder of an interrupted run.")
    if (folder / MODEL_FILE).exists():
        hint = "Use it as a model, or train a new run without --resume."
        raise InputError("run-finished", f"The run in {folder} is finished.", hint)
    if (folder / STATE).exists() and not is_zipfile(folder / STATE):
        raise damaged_state(folder / STATE)
    run_data, run_options = read_config(folder / CONFIG)
    run_options = _with_absolute_paths(run_options)
    moved_to = _moved_to(data, run_data, folder)
    if moved_to is not None:
        run_options = _with_moved_paths(run_options, run_data, moved_to)
    merged = _merge(run_options, options)
    differences = [
        (name, getattr(run_options, name), getattr(merged, name))
        for name in _option_names()
        if name not in _RESUME_OPTIONS and getattr(merged, name) != getattr(run_options, name)
    ]
    if moved_to is None and data is not None and Path(data).absolute() != run_data.absolute():
        differences.insert(0, ("data", run_data, data))
    if differences:
        name, run_value, value = differences[0]
        problem = f"The run in {folder} has {name} = {str(run_value)!r}, got {str(value)!r}."
        raise InputError("options-mismatch", problem, "Omit it to resume, or train a new run without --resume.")
    if moved_to is None and not run_data.exists():
        problem = f"The data set {run_data} of the run in {folder} does not exist."
        hint = f"If it is in another place now: weakspot train NEW_PLACE --resume {folder}"
        raise InputError("folder-not-found", problem, hint)
    return TrainRequest(run_data if moved_to is None else moved_to, merged, folder, moved_to is not None)


def _moved_to(data: str | Path | None, run_data: Path, folder: Path) -> Path | None:
    """Return another place of a run's data set; None if it is the same, or the images cannot be compared."""
    if data is None or Path(data).absolute() == run_data.absolute():
        return None
    return Path(data) if Path(data).exists() and (folder / DATA).exists() else None


def _with_moved_paths(options: TrainOptions, run_data: Path, moved_to: Path) -> TrainOptions:
    """Move the labels, images and boxes that were inside the data set."""

    def move(path: Path | None) -> Path | None:
        inside = path is not None and path.is_relative_to(run_data.absolute())
        return moved_to.absolute() / path.relative_to(run_data.absolute()) if path is not None and inside else path

    return replace(options, labels=move(options.labels), images=move(options.images), boxes=move(options.boxes))


def _merge(base: TrainOptions, options: TrainOptions) -> TrainOptions:
    """Override base options by those that are not at their defaults."""
    default = TrainOptions()
    changed = {
        name: getattr(options, name) for name in _option_names() if getattr(options, name) != getattr(default, name)
    }
    return _validate(replace(base, **changed))


def _option_names() -> list[str]:
    return [field.name for field in fields(TrainOptions)]


def _validate(options: TrainOptions) -> TrainOptions:
    """Check the options one by one and together, and make their paths absolute."""
    for name, minimum in _MINIMUM.items():
        value = getattr(options, name)
        if value is not None and not value >= minimum:
            raise InputError("out-of-range", f"{name} must be at least {minimum}, got {value}.")
    for name, maximum in _MAXIMUM.items():
        value = getattr(options, name)
        if value is not None and not value <= maximum:
            raise InputError("out-of-range", f"{name} must be at most {maximum}, got {value}.")
    check_fraction(options.max_unreadable, "max_unreadable")
    for name, choices in _CHOICES.items():
        if getattr(options, name) not in choices:
            problem = f"{name} must be {' or '.join(choices)}, got {getattr(options, name)!r}."
            raise InputError("unknown-value", problem)
    _check_teacher(options)
    return _with_absolute_paths(options)


def _with_absolute_paths(options: TrainOptions) -> TrainOptions:
    """Make paths absolute: a run may be resumed from another folder, when ``latest`` links to another run."""
    teacher = options.teacher and options.teacher.resolve()
    labels, images, boxes = (path and path.absolute() for path in (options.labels, options.images, options.boxes))
    weights = options.weights
    if weights not in (PRETRAINED, "none"):
        weights = str(Path(weights).absolute())
    return replace(options, teacher=teacher, labels=labels, images=images, boxes=boxes, weights=weights)


def _check_teacher(options: TrainOptions) -> None:
    """Check that PSOL has a teacher, and other methods have none."""
    psol = parse_method(options.method).head == "psol"
    if psol and options.teacher is None:
        hint = "Pass the folder of a run: --method psol --teacher runs/birds."
        raise InputError("missing-teacher", "Method psol requires --teacher.", hint)
    if options.teacher is not None and not psol:
        raise InputError("options-conflict", f"--teacher requires --method psol, got {options.method}.")
