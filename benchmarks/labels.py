"""CPU time to write and read label files of 10,000 boxes: python benchmarks/labels.py [--boxes 10000]."""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from weakspot.labels import FORMATS, LabeledImage, LabeledObject, LabelSet, WriteOptions, known_images
from weakspot.labels.rle import encode_rle

PER_IMAGE, HEIGHT, WIDTH, CLASSES, DISTINCT = 5, 375, 500, 20, 200


def make_labels(boxes: int) -> LabelSet:
    """Return images of 5 objects each, every object with a mask: the ellipse in its box. 200 objects are distinct."""
    random = np.random.default_rng(0)
    names = tuple(f"class {number}" for number in range(CLASSES))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    objects = []
    for _ in range(DISTINCT):
        width, height = random.uniform(40, 200, 2).round(2)
        x, y = (random.uniform(0, [WIDTH - width, HEIGHT - height])).round(2)
        ellipse = ((columns - x) / width - 0.5) ** 2 + ((rows - y) / height - 0.5) ** 2 <= 0.25
        box = (float(x), float(y), float(x + width), float(y + height))
        objects.append(LabeledObject(names[random.integers(CLASSES)], box, 0.5, encode_rle(ellipse)))
    repeated = [objects[number % DISTINCT] for number in range(boxes)]
    images = (repeated[start : start + PER_IMAGE] for start in range(0, boxes, PER_IMAGE))
    return LabelSet(
        names, tuple(LabeledImage(f"{i // 100}/{i}.jpg", WIDTH, HEIGHT, tuple(one)) for i, one in enumerate(images))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=10_000)
    labels = make_labels(parser.parse_args().boxes)
    images = known_images({image.path: (HEIGHT, WIDTH) for image in labels.images})
    print(f"{len(labels.images)} images of {WIDTH} x {HEIGHT}\n")
    print("| format | write, CPU s | read, CPU s | MB |\n|---|---|---|---|")
    variants = [(name, WriteOptions()) for name in FORMATS]
    variants += [(name, WriteOptions(polygons=True)) for name in ("coco", "yolo", "labelstudio")]
    for name, options in variants:
        with TemporaryDirectory() as folder:
            start = time.process_time()
            FORMATS[name].write(labels, Path(folder), options)
            middle = time.process_time()
            FORMATS[name].read(Path(folder), images)
            end = time.process_time()
            size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 1e6
        title = f"{name} (polygons)" if options.polygons else name
        print(f"| {title} | {middle - start:.2f} | {end - middle:.2f} | {size:.1f} |", flush=True)


if __name__ == "__main__":
    main()
