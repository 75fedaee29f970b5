"""CPU time to write and read label files of 10,000 boxes: python benchmarks/labels.py [--boxes 10000]."""

import argparse
import time
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from weakspot.data import Dataset, ObjectAnnotation, Sample
from weakspot.data.image_index import known_images
from weakspot.data.rle import encode_rle
from weakspot.labels import FORMATS, WriteOptions

PER_IMAGE, HEIGHT, WIDTH, CLASSES, DISTINCT = 5, 375, 500, 20, 200


def make_labels(boxes: int) -> Dataset:
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
        objects.append(ObjectAnnotation(names[random.integers(CLASSES)], box, score=0.5, mask=encode_rle(ellipse)))
    repeated = [objects[number % DISTINCT] for number in range(boxes)]
    images = (repeated[start : start + PER_IMAGE] for start in range(0, boxes, PER_IMAGE))
    paths = (Path(f"{number // 100}/{number}.jpg") for number in count())
    samples = (
        Sample(str(path), path, "", tuple(one), (HEIGHT, WIDTH)) for path, one in zip(paths, images, strict=False)
    )
    return Dataset(Path(), "labels", names, tuple(samples))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=10_000)
    labels = make_labels(parser.parse_args().boxes)
    images = known_images({sample.image_id: (HEIGHT, WIDTH) for sample in labels.samples})
    print(f"{len(labels.samples)} images of {WIDTH} x {HEIGHT}\n")
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
