"""How good are thresholds that were chosen without boxes? GT-known Loc on test at the thresholds of five rules.

    python benchmarks/thresholds.py [DATA ...] [--scenes] [--methods cam acol] [--quality fast] [--most N]

--scenes adds sets of synthetic scenes: with one object, without and with a badge as the only discriminative part, and
with small or several objects. A run is trained on the labels of each data set. Its thresholds are chosen on the
validation split: by Otsu's method on the heatmaps; by the edges of the images, the default of weakspot train without
boxes; and by the boxes. Compared are 0.7 for all, and the best for the boxes of the test split themselves. The last
column is the difference of the second and the first, with a 95 % interval by bootstrap over images.
"""

import argparse
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

import weakspot as ws
from weakspot.data.synthetic import SceneSettings, write_scenes
from weakspot.data.synthetic.drawing import background, paint_distractor, paint_object, place
from weakspot.data.synthetic.textures import CLASS_NAMES
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.training.thresholds import (
    best_class_thresholds,
    otsu_threshold,
    score_samples,
    thresholds_without_boxes,
)

COUNTS = {"train": 200, "val": 100, "test": 100}
HEADER = ("data", "method", "Otsu", "edges of the images", "0.7", "validation boxes", "oracle", "edges - Otsu")
# Longest side of the objects as a fraction of the image's, and their number.
OBJECTS = {
    "one small object": ((0.1, 0.22), (1, 1)),
    "several small objects": ((0.1, 0.22), (3, 6)),
    "several objects": ((0.2, 0.35), (2, 4)),
    "one large object": ((0.6, 0.95), (1, 1)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, nargs="*")
    parser.add_argument("--scenes", action="store_true")
    parser.add_argument("--methods", nargs="+", default=["cam"])
    parser.add_argument("--quality", default="fast")
    parser.add_argument("--most", type=int, default=200, help="maximum number of images of a split, evenly spaced")
    options = parser.parse_args()
    print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
    with TemporaryDirectory() as folder:
        datasets = [*(scenes(Path(folder)) if options.scenes else []), *options.data]
        for data, method in product(datasets, options.methods):
            output = Path(folder, f"run-{data.name}-{method}")
            print(row(data, method, output, quality=options.quality, most=options.most), flush=True)


def scenes(folder: Path) -> list[Path]:
    """Write all sets of scenes."""
    settings = {"scenes": SceneSettings(), "scenes with a badge": SceneSettings(discriminative_part=True)}
    written = [write_scenes(folder / name, COUNTS, config) for name, config in settings.items()]
    return [*written, *(write_objects(folder / name, *setting) for name, setting in OBJECTS.items())]


def write_objects(folder: Path, extent: tuple[float, float], count: tuple[int, int], size: int = 224) -> Path:
    """Write scenes with one or several objects of a class, which do not overlap, in class folders with a CSV."""
    random, rows, splits = np.random.default_rng(0), ["image_id,class,xmin,ymin,xmax,ymax"], ["image_id,split"]
    for split, index in ((split, index) for split, number in COUNTS.items() for index in range(number)):
        label, image = CLASS_NAMES[index % 4], background(size, random)
        name = f"{label}/{split}-{index:03}"
        for _ in range(2):
            paint_distractor(image, place(size * random.uniform(0.1, 0.35), size, random), random)
        taken, wanted = np.zeros((size, size), bool), random.integers(count[0], count[1] + 1)
        for _ in range(100):  # enough attempts to place all
            placed = place(size * random.uniform(*extent), size, random)
            window = taken[placed.rows, placed.columns]
            if wanted and not window.any():
                paint_object(image, placed, label, False, random)
                window[:] = True
                x = np.flatnonzero(placed.mask.any(axis=0)) + placed.columns.start
                y = np.flatnonzero(placed.mask.any(axis=1)) + placed.rows.start
                rows.append(f"{name},{label},{x[0]},{y[0]},{x[-1] + 1},{y[-1] + 1}")
                wanted -= 1
        path = folder / "images" / f"{name}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
        splits.append(f"{name},{split}")
    (folder / "annotations.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    (folder / "splits.csv").write_text("\n".join(splits) + "\n", encoding="utf-8")
    return folder


def row(data: Path, method: str, output: Path, *, quality: str, most: int) -> str:
    """Train a run, and return its row of the table."""
    epochs = 8 if method == "acol" else None
    localizer = ws.Localizer(
        ws.train(
            data, method=method, freeze="backbone", epochs=epochs, quality=quality, learn_from="labels", output=output
        ),
        backend="torch",
    )
    if localizer.is_adapted:  # removes the thresholds of its classes
        localizer.set_foreground_head(localizer.torch_backend.classifier.foreground)
    dataset = ws.data.read_dataset(data)
    val, test = (boxed(dataset.of_split(split), most) for split in ("val", "test"))
    _, val_scores, val_classes = score_samples(localizer, dataset, val)
    _, scores, classes = score_samples(localizer, dataset, test)
    otsu = otsu_threshold(localizer(one.path, classes=[one.annotations[0].label]).heatmap for one in val)
    edges = thresholds_without_boxes(localizer, val)
    per_class = best_class_thresholds(val_scores, val_classes, len(localizer.class_names))
    best = scores.sum(axis=0).argmax()
    rules = {"otsu": (otsu,), "edges": edges.per_class or (edges.value,), "0.7": (0.7,), "boxes": per_class}
    right = {name: at_thresholds(scores, classes, values) for name, values in rules.items()}
    cells = [f"{100 * right[name].mean():.1f} ({describe(values)})" for name, values in rules.items()]
    oracle = f"{100 * scores[:, best].mean():.1f} ({NATIVE_THRESHOLDS[best]:.2f})"
    difference = with_interval(100 * (right["edges"] - right["otsu"]))
    return f"| {data.name} | {method} | {' | '.join(cells)} | {oracle} | {difference} |"


def boxed(samples: tuple[ws.data.Sample, ...], most: int) -> list[ws.data.Sample]:
    """Return at most a number of samples with boxes, evenly spaced."""
    found = [sample for sample in samples if any(len(one.boxes) for one in sample.annotations)]
    return found[:: max(1, -(-len(found) // most))]


def at_thresholds(scores: np.ndarray, classes: np.ndarray, thresholds: tuple[float, ...]) -> np.ndarray:
    """Return whether each box is right at the threshold of its class, or at the only one."""
    values = np.array(thresholds)[classes if len(thresholds) > 1 else 0 * classes]
    columns = np.searchsorted(NATIVE_THRESHOLDS, values - 1e-9).clip(0, scores.shape[1] - 1)
    return scores[np.arange(len(scores)), columns]


def describe(thresholds: tuple[float, ...]) -> str:
    """Return the only threshold, or the lowest and highest of the classes."""
    low, high = (f"{value:.2f}" for value in (min(thresholds), max(thresholds)))
    return low if low == high else f"{low} to {high}"


def with_interval(differences: np.ndarray) -> str:
    """Return the mean with its 95 % interval."""
    random = np.random.default_rng(0)
    means = [random.choice(differences, len(differences)).mean() for _ in range(1000)]
    low, high = np.percentile(means, (2.5, 97.5))
    return f"{differences.mean():+.1f} ({low:+.1f} to {high:+.1f})"


if __name__ == "__main__":
    main()
