"""What each step of the qualities adds, over sets of images: the box of any object, without labels.

    python benchmarks/quality_steps.py DATA [DATA ...] [--split val] [--count 150]

The model is a classifier of ImageNet, and the classes of most sets are not its own: the map is that of the most
probable class, and a box is correct if its IoU with any ground-truth box is at least 0.5. The head is fitted to the
same images without their boxes, as commands do. Thresholds are cross-validated on the images of the set (ten folds,
ten times). The second table shows the gain of each step in each set, and over all sets with equal weight, with 95 %
intervals from a paired bootstrap over images. A data set with fewer than 50 images in the split is used whole.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import weakspot as ws
from weakspot.data import read_as_annotated
from weakspot.inference.backends import ClassSelection
from weakspot.ops import component_tree, evidence_per_pixel, heatmap_from_class_map, scale_boxes
from weakspot.ops.iou import box_iou

MIN_IMAGES = 50
MODEL = "tf_efficientnet_lite0"
THRESHOLDS = np.arange(2, 100, 2) / 100
BASELINE = "centred Gaussian"
STEPS = {BASELINE: BASELINE, "plain": "plain", "fast": "fast", "balanced": "balanced: with a foreground head"}


@dataclass(frozen=True, eq=False)
class Labelled:
    """An image and its ground-truth boxes, shape (n, 4)."""

    image: Image.Image
    boxes: NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="+")
    parser.add_argument("--split", default="val")
    parser.add_argument("--count", type=int, default=150, help="largest number of images of a set")
    options = parser.parse_args()
    correct = {}
    for data in options.data:
        samples = read(data, options.split, options.count)
        for quality in STEPS:
            overlaps = baseline_overlaps(samples) if quality == BASELINE else best_overlaps(samples, quality)
            correct[data.name, quality] = cross_validated(overlaps >= 0.5)
    sets = [data.name for data in options.data]
    print("| quality | " + " | ".join(f"{name} ({len(correct[name, 'plain'])})" for name in sets) + " |")
    print("|---" * (len(sets) + 1) + "|")
    for quality, name in STEPS.items():
        print(f"| {name} | " + " | ".join(f"{100 * correct[data, quality].mean():.1f}" for data in sets) + " |")
    print("\n| quality | over | " + " | ".join(sets) + " | all sets |")
    print("|---" * (len(sets) + 3) + "|")
    for quality, base in (("fast", "plain"), ("balanced", "fast")):
        gains = [resampled_means(100 * (correct[data, quality] - correct[data, base])) for data in sets]
        print(f"| {quality} | {base} | " + " | ".join(map(interval, (*gains, np.mean(gains, axis=0)))) + " |")


def read(data: Path, split: str, count: int) -> list[Labelled]:
    """Read images with boxes of a split, at most ``count`` at random."""
    dataset = ws.data.read_dataset(data)
    with_boxes = [s for s in dataset.samples if any(len(annotation.boxes) for annotation in s.annotations)]
    samples = [sample for sample in with_boxes if sample.split == split]
    samples = samples if len(samples) >= MIN_IMAGES else with_boxes
    chosen = np.random.default_rng(0).permutation(len(samples))[:count]
    return [
        Labelled(
            read_as_annotated(samples[i].path, samples[i].size, max_pixels=10**8),
            np.concatenate([annotation.boxes for annotation in samples[i].annotations]),
        )
        for i in sorted(chosen)
    ]


def best_overlaps(samples: Sequence[Labelled], quality: str) -> NDArray[np.float64]:
    """Return the best IoU of the box with any ground-truth box at each threshold, shape (N, T)."""
    localizer = ws.Localizer(MODEL, quality=quality, backend="torch")
    if localizer.needs_adaptation:
        localizer.adapt(sample.image for sample in samples)
    size, overlaps = localizer.preprocessing, []
    for sample in samples:
        (output,) = localizer.torch_backend.run([localizer.resize(sample.image)], [localizer.method], ClassSelection())
        heatmap = heatmap_from_class_map(output.maps[0, 0], height=size.height, width=size.width)
        evidence = evidence_per_pixel(output.evidence[0, 0], height=size.height, width=size.width)
        boxes = component_tree(heatmap, THRESHOLDS, evidence=evidence).best_boxes()
        scaled = scale_boxes(boxes, from_size=heatmap.shape, to_size=(sample.image.height, sample.image.width))
        overlaps.append(box_iou(scaled, sample.boxes).max(axis=1))
    return np.array(overlaps)


def baseline_overlaps(samples: Sequence[Labelled], side: int = 224) -> NDArray[np.float64]:
    """Return the same for boxes in the middle of each image: those of a Gaussian, which looks at nothing."""
    steps = np.linspace(-1, 1, side)
    gaussian = np.exp(-2 * (steps[:, None] ** 2 + steps**2))
    boxes = component_tree((gaussian - gaussian.min()) / np.ptp(gaussian), THRESHOLDS).largest_boxes()
    sizes = [(sample.image.height, sample.image.width) for sample in samples]
    scaled = [scale_boxes(boxes, from_size=(side, side), to_size=size) for size in sizes]
    return np.array([box_iou(b, s.boxes).max(axis=1) for b, s in zip(scaled, samples, strict=True)])


def cross_validated(correct: NDArray[np.bool_], folds: int = 10, repeats: int = 10) -> NDArray[np.float64]:
    """Return how often each image is correct at the threshold that is best for the other folds, shape (N,)."""
    scores = np.zeros(len(correct))
    for repeat in range(repeats):
        fold = np.random.default_rng(repeat).permutation(len(correct)) % folds
        for k in range(folds):
            means = correct[fold != k].mean(axis=0)
            best = np.flatnonzero(means >= means.max() - 1e-9)
            scores[fold == k] += correct[fold == k][:, best[len(best) // 2]] / repeats
    return scores


def resampled_means(values: NDArray[np.float64], samples: int = 2000) -> NDArray[np.float64]:
    random = np.random.default_rng(0)
    return np.array([values[random.integers(len(values), size=len(values))].mean() for _ in range(samples)])


def interval(means: NDArray[np.float64]) -> str:
    low, high = np.percentile(means, [2.5, 97.5])
    return f"{means.mean():+.1f} ({low:+.1f} to {high:+.1f})"


if __name__ == "__main__":
    main()
