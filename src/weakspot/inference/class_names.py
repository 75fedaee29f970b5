"""Names of classes: those a user gives, and finding a class by name."""

from collections.abc import Sequence
from operator import index
from pathlib import Path

from weakspot.errors import InputError, no_such_class, suggest
from weakspot.io.folders import read_name_file


def choose_class_names(names: Path | Sequence[str] | None, default: Sequence[str], classes: int) -> tuple[str, ...]:
    """Choose the names of a model's classes.

    Args:
        names: Names from the user, or a text file with one name per line; None uses the default.
        default: Names that come with the model; empty numbers the classes.
        classes: Number of classes.

    Raises:
        InputError: As for :func:`name_classes`, or if the file cannot be read.
    """
    if isinstance(names, Path):
        names = read_name_file(names)
    return name_classes(default if names is None else names, classes)


def name_classes(names: Sequence[str], classes: int) -> tuple[str, ...]:
    """Check the names of classes, or number the classes when there are none.

    Raises:
        InputError: If there is not one name for each class.

    Example:
        >>> name_classes([], 3)
        ('0', '1', '2')
    """
    if isinstance(names, str):
        raise InputError(f"class_names is the word {names!r}.", "Give a list with one name for each logit.")
    if len(names) not in (0, classes):
        raise InputError(f"{len(names)} class names were given for {classes} classes.", "Give one for each logit.")
    return tuple(str(name) for name in names) or tuple(str(number) for number in range(classes))


def find_class(wanted: int | str, names: Sequence[str]) -> int:
    """Find the index of a class that is given by index, or by name in any case.

    Raises:
        InputError: If there is no such class, or several have that name.

    Example:
        >>> find_class("Dog", ["cat", "dog"]), find_class(0, ["cat", "dog"]), find_class("1", ["cat", "dog"])
        (1, 0, 1)
    """
    if isinstance(wanted, str):
        if names.count(wanted) == 1:  # ImageNet has a dog called Cardigan and a garment called cardigan
            return names.index(wanted)
        called_so = [i for i, name in enumerate(names) if name.lower() == wanted.lower()]
        if len(called_so) == 1:
            return called_so[0]
        if called_so:
            raise InputError(f"{len(called_so)} classes are called {wanted!r}.", f"Give an index of {called_so}.")
        if not wanted.isdecimal() or len(wanted) > 18:  # Python reads no number of thousands of digits
            raise InputError(f"The model has no class {wanted!r}.", suggest(wanted, names, "Give its index."))
    try:
        number = int(wanted) if isinstance(wanted, str) else index(wanted)
    except TypeError as error:
        raise InputError(f"{wanted!r} is neither the index nor the name of a class.", "Give one of them.") from error
    if not 0 <= number < len(names):
        raise no_such_class(number, len(names))
    return number
