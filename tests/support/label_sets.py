"""Label sets that tests write and read."""

from pathlib import Path

import numpy as np
from hypothesis import strategies as st

from weakspot.data import Dataset, ObjectAnnotation, Sample
from weakspot.data.image_index import known_images
from weakspot.data.rle import encode_rle

CLASSES = ("dog", 'a "cat", or <two>', "été 猫")

# What a file can be called, and a class.
LETTERS = (
    st.text("abÄ猫 ,\"<&'%#;.-_", min_size=1, max_size=8).map(str.strip).filter(lambda text: text and text[0] != ".")
)
NAMES = LETTERS.filter(lambda text: ";" not in text)


def labeled(name, width, height, objects=(), split="", uncertainty=None):
    """An image as it is in label files."""
    return Sample(name, Path(name), split, tuple(objects), (height, width), uncertainty=uncertainty)


def label_set(classes, samples):
    return Dataset(Path(), "labels", tuple(classes), tuple(samples))


def sides(size, whole):
    """Two sides of a box within a length, at least a pixel or a hundredth apart."""
    unit = 1 if whole else 100
    pairs = st.lists(st.integers(0, size * unit), min_size=2, max_size=2, unique=True).map(sorted)
    return pairs.map(lambda pair: [side / unit for side in pair])


@st.composite
def objects(draw, labels, height, width, whole, scores):
    x1, x2 = draw(sides(width, whole))
    y1, y2 = draw(sides(height, whole))
    score = draw(st.none() | st.integers(0, 10**6).map(lambda n: n / 10**6)) if scores else None
    return ObjectAnnotation(draw(st.sampled_from(labels)), (x1, y1, x2, y2), score=score)


@st.composite
def label_sets(draw, whole=False, scores=True, splits=("train", "val", "")):
    """Images with objects; every class is in one of them, so that formats without a list of classes know it."""
    classes = tuple(sorted(draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))))
    names = draw(st.lists(LETTERS, min_size=1, max_size=4, unique_by=str.casefold))
    images = []
    for position, name in enumerate(names):
        height, width = draw(st.integers(2, 3000)), draw(st.integers(2, 3000))
        wanted = draw(st.lists(objects(classes, height, width, whole, scores), max_size=3))
        if position == 0:
            wanted += [ObjectAnnotation(label, (0.0, 0.0, 1.0, 1.0)) for label in classes]
        images.append(labeled(f"folder/{name}.jpg", width, height, tuple(wanted), draw(st.sampled_from(splits))))
    return label_set(classes, tuple(images))


def images_of(labels):
    return known_images({sample.image_id: sample.size for sample in labels.samples})


def by_path(labels):
    return {sample.image_id: sample for sample in labels.samples}


def disc(height, width, x, y, radius):
    rows, columns = np.mgrid[:height, :width]
    return (rows - y) ** 2 + (columns - x) ** 2 <= radius**2


def with_masks():
    """One image with a ring and a disc in two parts, and one without objects."""
    ring = disc(60, 90, 25, 30, 20) & ~disc(60, 90, 25, 30, 9)
    parts = disc(60, 90, 65, 15, 8) | disc(60, 90, 70, 45, 10)
    objects_ = (
        ObjectAnnotation("dog", (5.0, 10.0, 46.0, 51.0), score=0.9, mask=encode_rle(ring)),
        ObjectAnnotation(CLASSES[1], (57.0, 7.0, 81.0, 56.0), score=0.5, mask=encode_rle(parts)),
    )
    image = labeled("a.jpg", 90, 60, objects_)
    return label_set(CLASSES, (image, labeled("b.jpg", 10, 10)))


def near(first, second):
    """Whether masks differ only in pixels beside the outline of the first."""
    from scipy.ndimage import binary_dilation, binary_erosion

    eight = np.ones((3, 3), bool)
    band = binary_dilation(first, eight) & ~binary_erosion(first, eight)
    return not ((first != second) & ~band).any()
