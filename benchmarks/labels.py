"""How much processor time label files of 10,000 boxes take: python benchmarks/labels.py [--boxes 10000]."""

import argparse
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from weakspot.labels import FORMATS, LabeledImage, LabeledObject, LabelSet, WriteOptions, known_images
from weakspot.labels.rle import encode_rle

PER_IMAGE, HEIGHT, WIDTH, CLASSES, DIFFERENT = 5, 375, 500, 20, 200


def labels_of(boxes: int) -> LabelSet:
    """Images of 5 boxes each, every one with a mask: the ellipse in it. There are 200 different ones."""
    random = np.random.default_rng(0)
    names = tuple(f"class {number}" for number in range(CLASSES))
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    objects = []
    for _ in range(DIFFERENT):
        across, down = random.uniform(40, 200, 2).round(2)
        x, y = (random.uniform(0, [WIDTH - across, HEIGHT - down])).round(2)
        ellipse = ((columns - x) / across - 0.5) ** 2 + ((rows - y) / down - 0.5) ** 2 <= 0.25
        box = (float(x), float(y), float(x + across), float(y + down))
        objects.append(LabeledObject(names[random.integers(CLASSES)], box, 0.5, encode_rle(ellipse)))
    repeated = [objects[number % DIFFERENT] for number in range(boxes)]
    images = (repeated[start : start + PER_IMAGE] for start in range(0, boxes, PER_IMAGE))
    return LabelSet(
        names, tuple(LabeledImage(f"{i // 100}/{i}.jpg", WIDTH, HEIGHT, tuple(one)) for i, one in enumerate(images))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--boxes", type=int, default=10_000)
    labels = labels_of(parser.parse_args().boxes)
    photos = known_images({image.path: (HEIGHT, WIDTH) for image in labels.images})
    print(f"{len(labels.images)} images of {WIDTH} x {HEIGHT}\n")
    print("| format | write, CPU s | read, CPU s | MB |\n|---|---|---|---|")
    cases = [(name, WriteOptions()) for name in FORMATS]
    cases += [(name, WriteOptions(polygons=True)) for name in ("coco", "yolo", "labelstudio")]
    for name, options in cases:
        with TemporaryDirectory() as folder:
            start = time.process_time()
            FORMATS[name].write(labels, Path(folder), options)
            written = time.process_time()
            FORMATS[name].read(Path(folder), photos)
            end = time.process_time()
            size = sum(file.stat().st_size for file in Path(folder).rglob("*") if file.is_file()) / 1e6
        title = f"{name} (polygons)" if options.polygons else name
        print(f"| {title} | {written - start:.2f} | {end - written:.2f} | {size:.1f} |", flush=True)


if __name__ == "__main__":
    main()
