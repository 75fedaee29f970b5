"""Which labels a run knows: boxes of other classes cannot teach it. Does not import torch."""

from collections import Counter
from collections.abc import Collection, Iterable
from pathlib import Path

from weakspot.data import Dataset, Sample
from weakspot.data.annotation_kinds import is_marked
from weakspot.errors import InputError, suggest
from weakspot.models.run_files import read_background, read_class_names

_NAMED = 5  # classes that a message names


def check_classes(run: Path, dataset: Dataset) -> None:
    """Refuse boxes, masks and points of classes that a run lacks; the label of images without an object is none.

    Labels alone are not checked, as they teach nothing. A run that cannot be read is refused when it is loaded.

    Raises:
        InputError: ``unknown-class``.
    """
    names = read_class_names(str(run))
    unknown = count_unknown(dataset.samples, names, {read_background(str(run)), dataset.background})
    if names and unknown:
        problem = f"{describe_unknown(unknown)} of no class of {run}."
        similar = [hint for label in unknown if (hint := suggest(label, names, ""))]
        raise InputError("unknown-class", problem, similar[0] if similar else f"Its classes: {_listed(names)}.")


def count_unknown(samples: Iterable[Sample], names: Collection[str], backgrounds: Collection[str]) -> Counter[str]:
    """Count the objects with a box, mask or point of each label that is neither a class nor a background label.

    Example:
        >>> from weakspot.data import ObjectAnnotation
        >>> objects = (ObjectAnnotation("appel", (1, 2, 3, 4)), ObjectAnnotation("Background", (1, 2, 3, 4)))
        >>> count_unknown([Sample("a", Path("a.jpg"), objects=objects)], ["apple"], ["background"])
        Counter({'appel': 1})
    """
    known = {*names}
    folded = {name.casefold() for name in backgrounds}
    return Counter(
        item.label
        for sample in samples
        for item in sample.objects
        if is_marked(item) and item.label not in known and item.label.casefold() not in folded
    )


def describe_unknown(unknown: Counter[str]) -> str:
    """Say how many objects of which labels there are, up to the verb.

    Example:
        >>> describe_unknown(Counter(appel=2, paer=1))
        '3 boxes, masks or points (appel, paer) are'
    """
    count = unknown.total()
    what = "1 box, mask or point" if count == 1 else f"{count} boxes, masks or points"
    return f"{what} ({_listed([*unknown])}) {'is' if count == 1 else 'are'}"


def _listed(names: Collection[str]) -> str:
    return ", ".join([*names][:_NAMED]) + (", ..." if len(names) > _NAMED else "")
