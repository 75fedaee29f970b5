"""What a data set says of each image: its classes alone, boxes or masks of all or some of its objects, or no object."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Literal

from weakspot.data.dataset import ObjectAnnotation, Sample
from weakspot.terminal import counted

Kind = Literal["all", "some", "label", "empty"]


def is_located(item: ObjectAnnotation) -> bool:
    """Return whether an object has a box or a mask."""
    return item.box is not None or item.mask is not None or bool(item.mask_files)


def is_marked(item: ObjectAnnotation) -> bool:
    """Return whether an object has a box, a mask or a point."""
    return is_located(item) or item.point is not None


def annotation_kind(sample: Sample, background: str = "") -> Kind:
    """Return what is said of an image.

    ``all``: where all its objects are, so that the rest is background. ``some``: where some are, or a point of one;
    others are in it as well. ``label``: its classes alone, so that any part may be background. ``empty``: it holds no
    object, or only the class ``background``.

    Example:
        >>> from pathlib import Path
        >>> cat, dog = ObjectAnnotation("cat", (1, 2, 3, 4)), ObjectAnnotation("dog")
        >>> [annotation_kind(Sample("a", Path("a.jpg"), "", items)) for items in ((cat,), (cat, dog), (dog,), ())]
        ['all', 'some', 'label', 'empty']
    """
    objects = [item for item in sample.objects if not background or item.label != background]
    located = [is_located(item) for item in objects]
    marked = any(map(is_marked, objects))
    if not located:
        return "empty"
    if not marked:
        return "label"
    return "all" if all(located) else "some"


def describe_annotations(samples: Iterable[Sample], background: str = "") -> str:
    """Return how many images a data set says what of; empty if no image has a box, mask or point.

    Images of the class ``background`` have no object, so boxes of it do not count.

    Example:
        >>> from pathlib import Path
        >>> cat, dog = ObjectAnnotation("cat", (1, 2, 3, 4)), ObjectAnnotation("dog")
        >>> describe_annotations(Sample("a", Path("a.jpg"), "", items) for items in ((cat, cat), (cat, dog), (dog,)))
        '3 boxes of 1 class, 1 image with other objects that have no box, 1 image by label alone'
    """
    images = list(samples)
    items = [item for sample in images for item in sample.objects if not background or item.label != background]
    boxes = [item for item in items if item.box is not None]
    masks = [item for item in items if item.box is None and is_located(item)]
    points = [item for item in items if is_marked(item) and not is_located(item)]
    if not boxes and not masks and not points:
        return ""
    kinds = Counter(annotation_kind(sample, background) for sample in images)
    parts = [
        (len(boxes), f"{counted(len(boxes), 'box')} of {_classes(boxes)}"),
        (len(masks), f"{counted(len(masks), 'mask')} of {_classes(masks)}"),
        (len(points), f"{counted(len(points), 'point')} of {_classes(points)}"),
        (kinds["some"], f"{counted(kinds['some'], 'image')} with other objects that have no box"),
        (kinds["label"], f"{counted(kinds['label'], 'image')} by label alone"),
        (kinds["empty"], f"{counted(kinds['empty'], 'image')} without an object"),
    ]
    return ", ".join(text for count, text in parts if count)


def _classes(items: Sequence[ObjectAnnotation]) -> str:
    return counted(len({item.label for item in items}), "class")
