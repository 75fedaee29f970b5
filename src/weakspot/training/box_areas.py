"""Typical box areas of the classes of a run, from the boxes of its data set."""

from collections.abc import Iterable, Sequence

import numpy as np

from weakspot.data import Sample
from weakspot.data.decoding import read_sizes
from weakspot.errors import InputError
from weakspot.ops.uncertainty import TypicalArea, estimate_typical_areas


def typical_areas(samples: Iterable[Sample], class_names: Sequence[str]) -> tuple[TypicalArea, ...]:
    """Estimate the typical area of the boxes of each class.

    Args:
        samples: Images of the data set, with or without boxes; empty and unknown boxes are ignored, and so are images
            that cannot be read.
        class_names: Names of the classes; boxes of others are ignored.

    Returns:
        One for each class; empty with fewer than five boxes.
    """
    index_of = {name: index for index, name in enumerate(class_names)}
    areas, classes = [], []
    for sample in samples:
        boxes = [(item.label, item.box) for item in sample.objects if item.box is not None and item.label in index_of]
        if not boxes:
            continue
        try:
            height, width = sample.size or read_sizes(sample.path)[0]
        except InputError:  # the image cannot be read
            continue
        for label, (x1, y1, x2, y2) in boxes:
            if x1 < x2 and y1 < y2:
                areas.append((x2 - x1) * (y2 - y1) / (height * width))
                classes.append(index_of[label])
    return estimate_typical_areas(np.array(areas), np.array(classes, np.intp), len(class_names))
