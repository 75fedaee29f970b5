"""Names of classes: from the user, from the model, and the class of a name."""

from collections.abc import Iterable, Mapping, Sequence
from operator import index
from pathlib import Path
from typing import Any

from weakspot.errors import InputError, no_such_class, suggest
from weakspot.io.folders import read_name_file

ClassNames = Path | Sequence[str] | Mapping[int, str] | Mapping[str, int]


def choose_class_names(names: ClassNames | None, default: Sequence[str], classes: int) -> tuple[str, ...]:
    """Choose the names of a model's classes: the user's (a text file has one per line), else the model's, else numbers.

    Example:
        >>> choose_class_names(None, [], 3)
        ('0', '1', '2')
        >>> choose_class_names({1: "dog", 0: "cat"}, [], 2)
        ('cat', 'dog')
    """
    chosen = tuple(default) if names is None else read_class_names(names)
    if len(chosen) not in (0, classes):
        names_of = f"{classes} name" if classes == 1 else f"{classes} names"
        raise InputError("class-names-invalid", f"class_names must have {names_of}, got {len(chosen)}.")
    return chosen or tuple(str(number) for number in range(classes))


def read_class_names(names: ClassNames) -> tuple[str, ...]:
    """Return the user's names in the order of the logits."""
    if isinstance(names, Path):
        return tuple(read_name_file(names) or ())
    if isinstance(names, Mapping):
        return _in_order(names)
    if isinstance(names, str | bytes | set | frozenset) or not isinstance(names, Iterable):
        problem = f"class_names must be a sequence of strings, got the {type(names).__name__} {names!r}."
        raise InputError("class-names-invalid", problem)
    return tuple(str(name) for name in names)


def _in_order(names: Mapping[Any, Any]) -> tuple[str, ...]:
    """Return the names of a mapping from index to name (indices may be text, as in JSON), or from name to index.

    Example:
        >>> _in_order({"0": "cat", "1": "dog"}), _in_order({"cat": 0, "dog": 1})
        (('cat', 'dog'), ('cat', 'dog'))
    """
    from_name = all(isinstance(key, str) and not isinstance(value, str) for key, value in names.items())
    pairs = [(value, key) for key, value in names.items()] if from_name else names.items()
    by_index = {str(index): str(name) for index, name in pairs}
    missing = next((number for number in range(len(names)) if str(number) not in by_index), None)
    if missing is not None:
        problem = f"class_names must have the indices 0 to {len(names) - 1}, got {', '.join(by_index)}."
        raise InputError("class-names-invalid", problem)
    return tuple(by_index[str(number)] for number in range(len(names)))


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
