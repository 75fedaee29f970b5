"""F1 of the boxes of single objects, or of the parts of a defect: precision and recall at an IoU of 0.3 or more.

    python benchmarks/instance_f1.py RUN DATA [--ground-truth FILE] [--split test] [--iou 0.3]

The class of an image is known, and images without an object are left out: benchmarks/small_objects.py measures their
false alarms. As with --boxes all, each region of the heatmap above the threshold is a box. Threshold and minimum area
are the best of val; a box is matched to at most one true box, the pairs with the highest IoU first. Beside them are the
best of the split itself (oracle), and the box of the whole image.
"""

import argparse
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import weakspot as ws
from weakspot.inference.localizer import Localizer
from weakspot.ops import component_tree
from weakspot.ops.iou import box_iou

THRESHOLDS = np.arange(1, 20) / 20
MIN_AREAS = (0.0002, 0.0005, 0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.03, 0.05)  # fractions of the image
Boxes = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--ground-truth", type=Path, help="another file of boxes, such as annotations-parts.csv")
    parser.add_argument("--split", default="test")
    parser.add_argument("--iou", type=float, default=0.3)
    options = parser.parse_args()
    torch.set_num_threads(1)
    grid = list(product(THRESHOLDS, MIN_AREAS))
    counts = {split: np.array(list(count(options, split, grid))) for split in dict.fromkeys(["val", options.split])}
    totals = {split: of_split.sum(axis=0) for split, of_split in counts.items()}  # (settings, 3)
    best = int(f1(totals["val"][1:]).argmax())
    scores = f1(totals[options.split])
    threshold, area = grid[best]
    images, boxes = len(counts[options.split]), int(totals[options.split][0, 2])
    print(
        f"**{options.data.name}**, {boxes} boxes in {images} images of the split {options.split}, IoU {options.iou}:\n"
    )
    print("| run | threshold, minimum area | F1 | oracle | whole image |\n|---|---|---|---|---|")
    figures = (scores[1 + best], scores[1:].max(), scores[0])
    print(f"| {options.run.name} | {threshold:.2f}, {area:g} | {' | '.join(f'{100 * one:.1f}' for one in figures)} |")


def count(
    options: argparse.Namespace, split: str, grid: list[tuple[float, float]]
) -> Iterator[list[tuple[int, int, int]]]:
    """Yield for each image the matches, found and true boxes: of a box of the whole image, and at each setting."""
    dataset = ws.data.read_dataset(options.data, ground_truth=options.ground_truth)
    localizer = Localizer(options.run, backend="torch")
    for sample in dataset.samples:
        true = np.array([item.box for item in sample.objects if item.box is not None], np.float64).reshape(-1, 4)
        if sample.split != split or not len(true):
            continue
        found = localizer(sample.path, classes=[sample.objects[0].label])
        height, width = found.heatmap.shape
        tree = component_tree(found.heatmap, THRESHOLDS)
        scale = np.array([found.width / width, found.height / height] * 2)
        settings = [np.array([[0, 0, width, height]])]
        settings += [tree.boxes_at(float(threshold), min_area=area) for threshold, area in grid]
        yield [(matches(boxes * scale, true, options.iou), len(boxes), len(true)) for boxes in settings]


def matches(found: Boxes, true: Boxes, least: float) -> int:
    """Match boxes, the highest IoU first, each at most once; return the number of pairs of at least this IoU."""
    overlaps = box_iou(found, true)
    number = 0
    while overlaps.size and overlaps.max() >= least:
        i, j = np.unravel_index(overlaps.argmax(), overlaps.shape)
        overlaps[i], overlaps[:, j] = 0, 0
        number += 1
    return number


def f1(counts: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the F1 of each row of matches, found and true boxes."""
    matched, found, true = counts.T
    scores: NDArray[np.float64] = 2 * matched / np.maximum(found + true, 1)
    return scores


if __name__ == "__main__":
    main()
