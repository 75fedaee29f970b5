"""What is asked for: a new run, one by a configuration, or an interrupted one that goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

from weakspot.errors import InputError, suggest
from weakspot.io.run_files import CONFIG, STATE
from weakspot.models.checkpoint import MODEL_FILE
from weakspot.models.networks import parse_method
from weakspot.training.options import TrainOptions
from weakspot.training.run_folder import read_config

# What may differ when a run goes on: it changes no weight.
_FREE = ("output", "device", "workers", "save_every", "logger")


@dataclass(frozen=True)
class TrainRequest:
    """What to train on, how, and in which folder of an interrupted run."""

    data: Path
    options: TrainOptions
    folder: Path | None = None


def resolve_request(
    data: str | Path | None, options: TrainOptions, *, config: str | Path | None, resume: str | Path | None
) -> TrainRequest:
    """Find out what is asked for.

    Args:
        data: The data set; None takes that of the configuration.
        options: What was chosen; all else is as the configuration, or the interrupted run, has it.
        config: A ``config.toml``.
        resume: The folder of an interrupted run.

    Raises:
        InputError: If nothing is named, a configuration cannot be read, or a run cannot go on as is asked for.
    """
    if config is not None and resume is not None:
        raise InputError("--config and --resume were both given.", "A run goes on as its own config.toml says.")
    if resume is not None:
        return _going_on(data, options, Path(resume))
    if config is not None:
        named, known = read_config(Path(config))
        return TrainRequest(named if data is None else Path(data), _merged(known, options))
    if data is None:
        raise InputError("No data set was named.", "Give its folder: weakspot train photos/")
    return TrainRequest(Path(data), _checked(options))


def with_changes(options: TrainOptions, changes: Mapping[str, Any]) -> TrainOptions:
    """Take changes by name.

    Raises:
        InputError: If there is no such option.
    """
    known = [field.name for field in fields(options)]
    for name in changes:
        if name not in known:
            raise InputError(f"train has no option {name!r}.", suggest(name, known, f"It has {', '.join(known)}."))
    paths = {
        name: Path(changes[name]) for name in ("teacher", "labels", "images", "output") if changes.get(name) is not None
    }
    named: dict[str, Any] = {"weights": str(changes["weights"] or "none")} if "weights" in changes else {}
    loggers = changes.get("logger")
    if loggers is not None:
        named["logger"] = tuple(loggers) if isinstance(loggers, list | tuple) else (loggers,)
    return replace(options, **{**changes, **paths, **named})


def _going_on(data: str | Path | None, options: TrainOptions, folder: Path) -> TrainRequest:
    if not (folder / CONFIG).is_file():
        raise InputError(f"{folder} holds no run.", "Give the folder that the interrupted run named.")
    if (folder / MODEL_FILE).exists():
        raise InputError(f"The run in {folder} is finished.", "Localize with it, or train anew without --resume.")
    if (folder / STATE).exists() and not is_zipfile(folder / STATE):
        raise InputError(f"{folder / STATE} is damaged.", "Restore it, or train anew without --resume.")
    named, known = read_config(folder / CONFIG)
    known, merged = _located(known), _merged(known, options)
    differing = [one for one in _names() if one not in _FREE and getattr(merged, one) != getattr(known, one)]
    if data is not None and Path(data).absolute() != named.absolute():
        differing.insert(0, "data")
    if differing:
        name = differing[0]
        told = named if name == "data" else getattr(known, name)
        problem = f"The run in {folder} has {name} = {str(told)!r}, and now it is another."
        raise InputError(problem, "Leave it out to go on, or train anew without --resume.")
    return TrainRequest(named, merged, folder)


def _merged(known: TrainOptions, options: TrainOptions) -> TrainOptions:
    """What was chosen over what is known: options that are not at their defaults were chosen."""
    default = TrainOptions()
    chosen = {name: getattr(options, name) for name in _names() if getattr(options, name) != getattr(default, name)}
    return _checked(replace(known, **chosen))


def _names() -> list[str]:
    return [field.name for field in fields(TrainOptions)]


def _checked(options: TrainOptions) -> TrainOptions:
    """Refuse numbers that are out of range, and say where files are."""
    least = {"epochs": 1, "batch_size": 1, "devices": 1, "nodes": 1, "accumulate_grad_batches": 1, "patience": 1}
    least |= {
        "workers": 0,
        "seed": 0,
        "lr": 0,
        "weight_decay": 0,
        "save_every": 0,
        "max_unreadable": 0,
        "input_size": 8,
    }
    for name, bound in least.items():
        value = getattr(options, name)
        if value is not None and not value >= bound:
            raise InputError(f"{name} = {value} is below {bound}.", f"Give {bound} or more.")
    choices = {"freeze": ("auto", "backbone", "none"), "class_weights": ("balanced", "none")}
    for name, allowed in choices.items():
        if getattr(options, name) not in allowed:
            raise InputError(
                f"{name} = {getattr(options, name)!r} is none of its values.", f"Take {' or '.join(allowed)}."
            )
    _refuse_without_teacher(options)
    return _located(options)


def _located(options: TrainOptions) -> TrainOptions:
    """Name files from the root on: a run may go on in another folder, and ``latest`` be another run by then."""
    teacher = options.teacher and options.teacher.resolve()
    labels, images = (path and path.absolute() for path in (options.labels, options.images))
    return replace(options, teacher=teacher, labels=labels, images=images)


def _refuse_without_teacher(options: TrainOptions) -> None:
    """PSOL is taught by a run, and nothing else is."""
    psol = parse_method(options.method).head == "psol"
    if psol and options.teacher is None:
        raise InputError(
            "psol learns the boxes of another run.", "Name its folder: --method psol --teacher runs/birds."
        )
    if options.teacher is not None and not psol:
        raise InputError(
            f"--teacher names a run that teaches boxes, and {options.method} learns none.", "Add --method psol."
        )
