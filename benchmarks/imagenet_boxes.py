"""GT-known localization of CAM on ImageNet photos, at output strides 32 and 16, with no training.

The true class is given, the whole photo is squashed to the input size, one box a photo (largest connected region).
"IoU .5" is the share of photos whose box overlaps a true one by half or more, at the threshold that is best for these
same photos (an oracle threshold, as the field reports it); "mean" is the same, averaged over IoU .3, .5 and .7, each
with its own oracle threshold. The centred box is a baseline that looks at no photo: its side is what is best here.

    python benchmarks/imagenet_boxes.py DATA

DATA holds images/, annotations.csv (image_id, class_index, xmin, ymin, xmax, ymax) and splits.csv (image_id, split).
"""

import argparse
import csv
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import weakspot as ws
from weakspot.data import read_image

THRESHOLDS = np.arange(0.02, 1.0, 0.02)
OVERLAPS = (0.3, 0.5, 0.7)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="all", help="val, test or all")
    parser.add_argument("--method", default="cam")
    parser.add_argument("--input-size", type=int, default=224)
    options = parser.parse_args()
    if not options.data.is_dir():
        raise SystemExit(f"{options.data} does not exist.\nGive the folder of the ImageNet photos with boxes.")
    photos = list(read_photos(options.data, options.split))
    print(f"{len(photos)} photos, split {options.split}, {options.method}, {options.input_size} px\n")
    print("| what | IoU .5 | mean of .3 .5 .7 |\n|---|---|---|")
    print_row("centred box", np.stack([centred_overlaps(*photo) for photo in photos]))
    for stride in (32, 16):
        localizer = ws.Localizer(method=options.method, output_stride=stride, input_size=options.input_size)
        print_row(f"{options.method}, stride {stride}", np.stack([overlaps(localizer, *photo) for photo in photos]))


def read_photos(data: Path, split: str) -> Iterator[tuple[Path, int, NDArray[np.float64]]]:
    """Yield path, class index and true boxes (n, 4) of each photo."""
    with (data / "splits.csv").open() as file:
        chosen = {row["image_id"] for row in csv.DictReader(file) if split in ("all", row["split"])}
    boxes, classes = defaultdict(list), {}
    with (data / "annotations.csv").open() as file:
        for row in csv.DictReader(file):
            if row["image_id"] in chosen:
                boxes[row["image_id"]].append([float(row[side]) for side in ("xmin", "ymin", "xmax", "ymax")])
                classes[row["image_id"]] = int(row["class_index"])
    for image_id in sorted(boxes):
        yield data / "images" / f"{image_id}.jpg", classes[image_id], np.array(boxes[image_id])


def overlaps(localizer: ws.Localizer, path: Path, class_index: int, truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """The greatest overlap with a true box, for the box of each threshold."""
    found = localizer(path, classes=[class_index])
    height, width = found.heatmap.shape
    boxes = np.concatenate([ws.ops.boxes_from_heatmap(found.heatmap, float(t), min_area=1.0) for t in THRESHOLDS])
    boxes = ws.ops.scale_boxes(boxes, from_size=(height, width), to_size=(found.height, found.width))
    return greatest_overlaps(boxes, truth)


def centred_overlaps(path: Path, _class_index: int, truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """The same for centred boxes of every share of the photo."""
    width, height = read_image(path).size
    margin = THRESHOLDS[:, None] / 2 * np.array([width, height])
    return greatest_overlaps(np.concatenate([margin, np.array([width, height]) - margin], axis=1), truth)


def greatest_overlaps(boxes: NDArray[np.float64], truth: NDArray[np.float64]) -> NDArray[np.float64]:
    """Intersection over union of each box (n, 4) with the true box (m, 4) that it overlaps most: (n,)."""
    low = np.maximum(boxes[:, None, :2], truth[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], truth[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=2)
    return (shared / (area(boxes)[:, None] + area(truth) - shared)).max(axis=1)


def area(boxes: NDArray[np.float64]) -> NDArray[np.float64]:
    return (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)


def print_row(name: str, by_photo: NDArray[np.float64]) -> None:
    """Print the accuracies of overlaps (photos, thresholds), each at its best threshold."""
    best = {overlap: 100 * (by_photo >= overlap).mean(axis=0).max() for overlap in OVERLAPS}
    print(f"| {name} | {best[0.5]:.1f} | {np.mean(list(best.values())):.1f} |", flush=True)


if __name__ == "__main__":
    main()
