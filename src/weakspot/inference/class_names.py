"""Names of classes: from the user, from the model, and the class of a name."""

from collections.abc import Sequence
from operator import index
from pathlib import Path

from weakspot.errors import InputError, no_such_class, suggest
from weakspot.io.folders import read_name_file


def choose_class_names(names: Path | Sequence[str] | None, default: Sequence[str], classes: int) -> tuple[str, ...]:
    """Choose the names of a model's classes: the user's (a text file has one per line), else the model's, else numbers.

    Example:
        >>> choose_class_names(None, [], 3)
        ('0', '1', '2')
    """
    if isinstance(names, Path):
        names = read_name_file(names)
    if isinstance(names, str):
        problem = f"class_names must be a sequence of strings, got the string {names!r}."
        raise InputError("class-names-invalid", problem)
    names = default if names is None else names
    if len(names) not in (0, classes):
        raise InputError("class-names-invalid", f"class_names must have {classes} names, got {len(names)}.")
    return tuple(str(name) for name in names) or tuple(str(number) for number in range(classes))


def find_class(label: int | str, names: Sequence[str]) -> int:
    """Return the index of a class that is given by index, or by name in any case.

    Raises InputError ``unknown-class``, or ``ambiguous-class`` if several classes have the name.

    Example:
        >>> find_class("Dog", ["cat", "dog"]), find_class(0, ["cat", "dog"]), find_class("1", ["cat", "dog"])
        (1, 0, 1)
    """
    if isinstance(label, str):
        if names.count(label) == 1:  # ImageNet has a dog named Cardigan and a garment named cardigan
            return names.index(label)
        matches = [i for i, name in enumerate(names) if name.lower() == label.lower()]
        if len(matches) == 1:
            return matches[0]
        if matches:
            problem = f"{label!r} is the name of {len(matches)} classes."
            raise InputError("ambiguous-class", problem, f"Use one of the indices {matches}.")
        if not label.isdecimal() or len(label) > 18:  # int() rejects numbers of thousands of digits
            hint = suggest(label, names, "Use its index.")
            raise InputError("unknown-class", f"The model has no class named {label!r}.", hint)
    try:
        number = int(label) if isinstance(label, str) else index(label)
    except TypeError as error:
        problem = f"classes must contain indices or names, got {label!r}."
        raise InputError("unknown-class", problem) from error
    if not 0 <= number < len(names):
        raise no_such_class(number, len(names))
    return number
