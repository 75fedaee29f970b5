"""What a few boxes teach a run that was trained on labels: GT-known Loc on images that no box was drawn in.

    python benchmarks/boxes_teach.py RUN DATA [--boxes 1 2 5 10] [--seeds 3] [--split test]

A person is simulated by the true boxes of a few training images of each class, drawn at random. The thresholds of the
run are first chosen without any box, by edges of the validation images ("labels alone"). Then the boxes choose the
thresholds only (weakspot threshold), or teach a head as well (weakspot teach). Mean over the draws, and their range.
"""

import argparse
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

import weakspot as ws
from weakspot.data import Dataset, Sample, read_as_annotated
from weakspot.models.checkpoint import read_metadata, rewrite_metadata
from weakspot.ops.iou import box_iou
from weakspot.training.refit import refit_thresholds
from weakspot.training.teach import teach
from weakspot.training.thresholds import thresholds_without_boxes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--boxes", type=int, nargs="+", default=[1, 2, 5, 10], help="images with boxes of each class")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--split", default="test")
    options = parser.parse_args()
    dataset = ws.data.read_dataset(options.data)
    boxed = [sample for sample in dataset.samples if len(sample.annotations) == 1 and len(sample.annotations[0].boxes)]
    tested = [sample for sample in boxed if sample.split == options.split]
    training = [sample for sample in boxed if sample.split == "train"]
    print(f"| images with boxes of each class | thresholds only | thresholds and head |\n{'|---' * 3}|")
    with TemporaryDirectory() as folder:
        base = labels_alone(options.run, dataset, Path(folder) / "labels")
        print(f"| 0: labels alone | {gt_known(base, tested):.1f} | |", flush=True)
        for count in options.boxes:
            scores = [measure(base, dataset, draw(training, count, seed), tested) for seed in range(options.seeds)]
            print(f"| {count} | {' | '.join(map(describe, zip(*scores, strict=True)))} |", flush=True)


def labels_alone(run: Path, dataset: Dataset, target: Path) -> Path:
    """Copy a run, with thresholds that no box has chosen."""
    shutil.copytree(run, target)
    localizer = ws.Localizer(target, backend="torch")
    localizer.set_foreground_head(localizer.torch_backend.classifier.foreground)  # removes the per-class thresholds
    validation = [sample for sample in dataset.samples if sample.split == "val"]
    found = thresholds_without_boxes(localizer, validation)
    metadata = read_metadata(target)
    info = replace(metadata.info, threshold=found.value, class_thresholds=found.per_class, calibration=())
    rewrite_metadata(target, replace(metadata, info=info, threshold_from=found.source))
    return target


def draw(training: Sequence[Sample], count: int, seed: int) -> list[Sample]:
    """Draw images of each class at random."""
    random, chosen = np.random.default_rng(seed), []
    for label in sorted({sample.annotations[0].label for sample in training}):
        of_class = [sample for sample in training if sample.annotations[0].label == label]
        chosen += [of_class[i] for i in random.permutation(len(of_class))[:count]]
    return chosen


def measure(base: Path, dataset: Dataset, drawn: Sequence[Sample], tested: Sequence[Sample]) -> tuple[float, float]:
    """Return the score with thresholds that the boxes chose, and with the head that they taught."""
    with TemporaryDirectory() as folder:
        refitted, taught = (Path(shutil.copytree(base, Path(folder) / name)) for name in ("refitted", "taught"))
        refit_thresholds(refitted, replace(dataset, samples=tuple(drawn)))
        teach(taught, drawn)
        return gt_known(refitted, tested), gt_known(taught, tested)


def gt_known(run: Path, samples: Sequence[Sample]) -> float:
    """Return the share of boxes with an IoU of at least 0.5 with a true one, in percent."""
    localizer = ws.Localizer(run, backend="torch")
    right = []
    for sample in samples:
        image = read_as_annotated(sample.path, sample.size)
        found = localizer(image, classes=[sample.annotations[0].label])
        right.append(box_iou(found.box[None], sample.annotations[0].boxes).max() >= 0.5)
    return float(100 * np.mean(right))


def describe(scores: Sequence[float]) -> str:
    return f"{np.mean(scores):.1f} ({min(scores):.1f} to {max(scores):.1f})"


if __name__ == "__main__":
    main()
