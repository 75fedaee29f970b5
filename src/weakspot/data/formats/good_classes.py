"""Classes of images without a defect: ``good``, ``ok``, ``normal``."""

from collections.abc import Iterable
from dataclasses import replace

from weakspot.data.annotation_kinds import is_located
from weakspot.data.dataset import Dataset, Sample

GOOD = frozenset({"good", "ok", "normal"})
# Classes of images with a defect of any kind.
BAD = frozenset(
    {"bad", "defect", "defects", "defective", "anomaly", "anomalies", "anomalous", "abnormal", "ng", "nok", "ko"}
    | {
        "not_ok",
        "not ok",
        "not-ok",
        "notok",
        "not_good",
        "not good",
        "faulty",
        "broken",
        "damaged",
        "reject",
        "rejected",
    }
)
# The class of images with a defect, if a layout does not name the defect.
DEFECT = "defect"


def is_good(label: str) -> bool:
    """Return whether a class is that of images without a defect, by its name."""
    return label.lower() in GOOD


def good_first(labels: Iterable[str]) -> tuple[str, ...]:
    """Sort classes, those of images without a defect first.

    Example:
        >>> good_first({"crack", "good", "bent"})
        ('good', 'bent', 'crack')
    """
    return tuple(sorted(set(labels), key=lambda label: (not is_good(label), label)))


def find_background(samples: Iterable[Sample]) -> str:
    """Return the class of images without an object, if its name is that of a good class and the others prove it.

    They do if all are called ``bad``, ``ng``, ``defect`` or the like, or if all of them have boxes or masks, but it has
    none. Else ``ok`` could be a class like any other, such as a gesture, and nothing is returned.

    Example:
        >>> from pathlib import Path
        >>> from weakspot.data.dataset import ObjectAnnotation
        >>> def images(*labels):
        ...     return [Sample(label, Path(label), "", (ObjectAnnotation(label),)) for label in labels]
        >>> find_background(images("OK", "NG")), find_background(images("ok", "fist"))
        ('OK', '')
    """
    items = [item for sample in samples for item in sample.objects]
    labels = {item.label for item in items}
    others = {label for label in labels if not is_good(label)}
    if len(labels - others) != 1 or not others:
        return ""
    name = next(iter(labels - others))
    located = {item.label for item in items if is_located(item)}
    is_proven = located == others or all(label.lower() in BAD for label in others)
    return name if is_proven and name not in located else ""


def with_good_background(dataset: Dataset) -> Dataset:
    """Return a data set whose only good class is that of images without an object.

    This is for a purpose that needs such a class, and needs no proof. A data set with a class ``background``, with
    several good classes or with none stays as it is, as does one whose class of images without an object is known.

    Example:
        >>> from pathlib import Path
        >>> with_good_background(Dataset(Path("parts"), "class folders", ("good", "pit"), ())).background
        'good'
    """
    good = [name for name in dataset.class_names if is_good(name)]
    has_other = dataset.background or "background" in map(str.casefold, dataset.class_names)
    return dataset if has_other or len(good) != 1 else replace(dataset, background=good[0])
