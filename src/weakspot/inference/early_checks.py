"""Find mistakes in the model and the options of a command before torch is imported, which may take a minute."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from weakspot.config import MAP_METHODS, PRETRAINED
from weakspot.data.decoding import read_sizes
from weakspot.errors import check_fraction, check_positive, no_such_method
from weakspot.inference.class_names import find_class, read_class_names
from weakspot.inference.folder_classes import choose_classes
from weakspot.inference.load import region_options
from weakspot.inference.quality import find_quality
from weakspot.inference.tile_options import check_options
from weakspot.io.folders import is_file
from weakspot.models.run_files import check_model_files
from weakspot.models.run_files import read_class_names as names_of_run
from weakspot.ops.checks import check_threshold


def check_model(model: str, options: object) -> None:
    """Check a model's files, and those options of a command that configure a Localizer.

    Args:
        model: Run folder, file of ``weakspot export``, or a timm or torchvision name.
        options: Record of the command's options; fields that it lacks are not checked.

    Raises:
        InputError: ``unknown-method``, ``unknown-quality``, ``unknown-class``, ``out-of-range`` and others, as when the
            model is loaded.
        ModelError: As :func:`weakspot.models.run_files.check_model_files`.
    """
    values = {name: getattr(options, name, None) for name in (*_CHECKS, "weights", "boxes", "min_area", "class_names")}
    check_model_files(model, PRETRAINED if values["weights"] is None else values["weights"])
    for name, check in _CHECKS.items():
        if values[name] is not None:
            check(values[name])
    check_options(options)
    if values["boxes"] is not None and values["min_area"] is not None:
        region_options(values["boxes"], values["min_area"])
    _check_classes(model, values["class_names"], getattr(options, "classes", None) or ())


def check_methods(names: Iterable[str]) -> None:
    """Raise InputError (``unknown-method``) unless all of these are names of methods."""
    for name in names:
        if name not in MAP_METHODS:
            raise no_such_method(name, MAP_METHODS)


def check_images(paths: Sequence[Path]) -> None:
    """Raise the error of the first image if none of the paths is a file."""
    if paths and not any(map(is_file, paths)):
        read_sizes(paths[0])


def known_class_names(model: str, class_names: Path | None) -> tuple[str, ...]:
    """Return the class names of the user's file, else those of a run; empty if only loading the model tells them."""
    return names_of_run(model) if class_names is None else read_class_names(class_names)


def _check_classes(model: str, class_names: Path | None, classes: Sequence[str]) -> None:
    """Check the classes to localize, if the names of the model's classes are known."""
    names = known_class_names(model, class_names)
    for label in choose_classes(classes, names).classes or () if names else ():
        find_class(label, names)


# By option: the check of its value.
_CHECKS: Mapping[str, Callable[[Any], object]] = {
    "method": lambda name: check_methods([name]),
    "quality": find_quality,
    "threshold": check_threshold,
    "channels": partial(check_positive, name="channels"),
    "top_k": partial(check_positive, name="top_k"),
    "batch_size": partial(check_positive, name="batch_size"),
    "min_score": partial(check_fraction, name="min_score"),
}
