"""Several objects of different classes in an image: how often the box of a class lies on its object.

    python benchmarks/mosaics.py RUN DATA [--split test] [--count 80]

Images of different classes are put side by side: two, or four in a square, each resized to 300 x 300. The classes of
their objects are asked for one at a time ("alone") or together. A box is on the right object if more than half of it
lies in the part of the mosaic that shows its class, and correct if its IoU with a ground-truth box is at least 0.5. A
mosaic of one is the image itself, at its own size.
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import weakspot as ws
from weakspot.data import Sample, read_image
from weakspot.ops import scale_boxes
from weakspot.ops.iou import box_iou

SIDE = 300


@dataclass(frozen=True, eq=False)
class Part:
    """A part of a mosaic: its class, its place and its ground-truth boxes, xyxy in pixels of the mosaic."""

    label: str
    place: NDArray[np.float64]
    boxes: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Mosaic:
    """An image that is put together from others."""

    image: Image.Image
    parts: tuple[Part, ...]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--split", default="test")
    parser.add_argument("--count", type=int, default=80, help="mosaics of two and of four images, each")
    options = parser.parse_args()
    localizer, samples = ws.Localizer(options.model), labelled(options.data, options.split)
    print("| images | classes | boxes | objects | on the right object | IoU >= 0.5 |\n|---|---|---|---|---|---|")
    for number in (1, 2, 4):
        mosaics = list(singles(samples) if number == 1 else draw_mosaics(samples, number, options.count))
        for together in (False, True)[: 1 if number == 1 else 2]:
            for boxes in ("largest", "best"):
                results = np.array(list(score(localizer.with_options(boxes=boxes), mosaics, together=together)))
                right, correct = 100 * results.mean(axis=0)
                name = "together" if together else "alone"
                print(f"| {number} | {name} | {boxes} | {len(results)} | {right:.1f} % | {correct:.1f} % |", flush=True)


def labelled(data: str, split: str) -> list[Sample]:
    """Return the samples of a split with boxes of one class."""
    samples = ws.data.read_dataset(data).samples
    one_class = [sample for sample in samples if sample.split == split and len(sample.annotations) == 1]
    return [sample for sample in one_class if len(sample.annotations[0].boxes)]


def singles(samples: list[Sample]) -> Iterator[Mosaic]:
    """Yield each image by itself."""
    for sample in samples:
        image = read_image(sample.path)
        whole = np.array([0, 0, image.width, image.height], float)
        yield Mosaic(image, (Part(sample.annotations[0].label, whole, sample.annotations[0].boxes),))


def draw_mosaics(samples: list[Sample], number: int, count: int) -> Iterator[Mosaic]:
    """Put images of different classes side by side, at random."""
    random = np.random.default_rng(0)
    labels = sorted({sample.annotations[0].label for sample in samples})
    by_label = {label: [s for s in samples if s.annotations[0].label == label] for label in labels}
    for _ in range(count):
        chosen = [by_label[label] for label in random.choice(labels, number, replace=False)]
        yield mosaic_of([group[random.integers(len(group))] for group in chosen])


def mosaic_of(samples: list[Sample]) -> Mosaic:
    image = Image.new("RGB", (2 * SIDE, SIDE * len(samples) // 2))
    parts = []
    for i, sample in enumerate(samples):
        original, corner = read_image(sample.path), np.array([i % 2, i // 2] * 2) * SIDE
        image.paste(original.resize((SIDE, SIDE), Image.Resampling.BICUBIC), tuple(corner[:2].tolist()))
        annotation, size = sample.annotations[0], (original.height, original.width)
        boxes = scale_boxes(annotation.boxes, from_size=size, to_size=(SIDE, SIDE)) + corner
        parts.append(Part(annotation.label, corner + np.array([0, 0, SIDE, SIDE], float), boxes))
    return Mosaic(image, tuple(parts))


def score(localizer: ws.Localizer, mosaics: list[Mosaic], *, together: bool) -> Iterator[tuple[bool, bool]]:
    """Yield for each object whether its box is on it, and whether the box is correct."""
    for mosaic in mosaics:
        labels = [part.label for part in mosaic.parts]
        groups = [labels] if together else [[label] for label in labels]
        found = [localization for group in groups for localization in localizer(mosaic.image, classes=group)]
        for localization, part in zip(found, mosaic.parts, strict=True):
            overlap = np.clip(localization.box, np.tile(part.place[:2], 2), np.tile(part.place[2:], 2))
            is_right = area(overlap) > 0.5 * area(localization.box)
            yield is_right, box_iou(localization.box[None], part.boxes).max() >= 0.5


def area(box: NDArray[np.float64]) -> float:
    return float((box[2] - box[0]) * (box[3] - box[1]))


if __name__ == "__main__":
    main()
