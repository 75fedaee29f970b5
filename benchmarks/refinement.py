"""Does refinement help? Boxes and masks of a model's heatmaps without refinement and with each method.

    python benchmarks/refinement.py MODEL DATA [DATA ...]

MODEL is a name or a run, DATA a folder with splits val and test. GT-known Loc uses the largest region; mask IoU, if the
set has masks, uses everything above the threshold; both at the threshold that is best on val for that refinement, and
computed on test. "gain" is the 95 % interval of the gain by bootstrap over the test images. Refinements use the
threshold that is best on val without refinement. Milliseconds are CPU time of the refinement per image. --baselines
adds the baselines that do not depend on the image.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

import weakspot as ws
from weakspot.data import read_as_annotated
from weakspot.evaluation.class_mapping import class_indices
from weakspot.evaluation.map_scores import Regions, Scores, baselines, regions_of_heatmap, score_regions
from weakspot.evaluation.samples import find_samples
from weakspot.evaluation.targets import SIDE, Target, make_target
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.ops import heatmap_from_class_map, normalize, resize
from weakspot.ops.refinement import REFINEMENTS, refine


@dataclass(frozen=True, eq=False)
class HeatmapSample:
    """A heatmap, its image at the same size, its ground truth, and the probability of its class."""

    heatmap: np.ndarray
    image: np.ndarray
    target: Target
    score: float


@dataclass(frozen=True, eq=False)
class SplitScores:
    """Correctness of the box and IoU of the mask, (images, thresholds) each, and CPU time per image."""

    correct: np.ndarray
    mask_iou: np.ndarray
    milliseconds: float

    def best(self) -> tuple[int, int]:
        """Return the index of the best threshold for boxes and for masks; of ties the middle one."""
        return _middle_best(self.correct), _middle_best(self.mask_iou)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data", nargs="+")
    parser.add_argument(
        "--splits", nargs=2, default=("val", "test"), help="split to select thresholds on, split to report"
    )
    parser.add_argument("--baselines", action="store_true")
    options = parser.parse_args()
    localizer = ws.Localizer(options.model)
    header = ["data", "refinement", "GT-known Loc", "gain", "mask IoU", "gain", "ms"]
    print("| " + " | ".join(header) + " |\n|" + "---|" * len(header), flush=True)
    for data in options.data:
        name = data.rstrip("/").rsplit("/", 1)[-1]
        val, test = (heatmap_samples(localizer, ws.data.read_dataset(data), split) for split in options.splits)
        print_rows(name, val, test, baselines() if options.baselines else {})


def print_rows(name: str, val: list[HeatmapSample], test: list[HeatmapSample], fixed_maps: dict[str, Regions]) -> None:
    plain = score_split(val, None, 0.0), score_split(test, None, 0.0)
    threshold = float(NATIVE_THRESHOLDS[plain[0].best()[0]])
    print_row(name, "none", plain, plain)
    for refinement in REFINEMENTS:
        refined = score_split(val, refinement, threshold), score_split(test, refinement, threshold)
        print_row(name, refinement, refined, plain)
    for baseline, regions in fixed_maps.items():
        val_scores, test_scores = (
            SplitScores(*_columns([score_regions(regions, sample.target) for sample in samples]), 0.0)
            for samples in (val, test)
        )
        print_row(name, baseline, (val_scores, test_scores), plain)


def heatmap_samples(localizer: ws.Localizer, dataset: ws.data.Dataset, split: str) -> list[HeatmapSample]:
    """Compute the heatmap of every annotated class in every image of a split."""
    frame, samples = localizer.preprocessing, []
    for sample in find_samples(dataset, split, class_indices(dataset, localizer.class_names)):
        decoded = read_as_annotated(sample.image.path, sample.image.size)
        pixels = localizer.resize(decoded)
        (output,) = localizer.class_maps_of([pixels], np.array([sample.class_indices]), [localizer.method])
        image = localizer.torch_backend.resize(pixels, height=frame.height, width=frame.width)
        scores = softmax(output.logits[0])[list(sample.class_indices)].tolist()
        for annotation, class_map, score in zip(sample.annotations, output.maps[0], scores, strict=True):
            heatmap = heatmap_from_class_map(class_map, height=frame.height, width=frame.width)
            target = make_target(annotation, height=decoded.height, width=decoded.width)
            samples.append(HeatmapSample(heatmap, image, target, score))
    return samples


def score_split(samples: list[HeatmapSample], refinement: str | None, threshold: float) -> SplitScores:
    """Score the heatmaps of a split, with or without refinement."""
    scores, seconds = [], 0.0
    for sample in samples:
        heatmap, start = sample.heatmap, time.process_time()
        if refinement is not None:
            heatmap = refine(refinement, sample.image, heatmap, threshold)
        seconds += time.process_time() - start
        regions = regions_of_heatmap(heatmap, normalize(resize(heatmap, height=SIDE, width=SIDE)))
        scores.append(score_regions(regions, sample.target))
    return SplitScores(*_columns(scores), 1000 * seconds / len(samples))


def print_row(
    name: str, refinement: str, scores: tuple[SplitScores, SplitScores], plain: tuple[SplitScores, SplitScores]
) -> None:
    """Print the metrics of a refinement on test and their gain, each at its best threshold on val."""
    (val, test), (plain_val, plain_test) = scores, plain
    cells = []
    for values, plain_values, i, plain_i in zip(
        (test.correct, test.mask_iou),
        (plain_test.correct, plain_test.mask_iou),
        val.best(),
        plain_val.best(),
        strict=True,
    ):
        if not len(values):
            cells += ["-", ""]
            continue
        low, high = gain_interval(values[:, i], plain_values[:, plain_i])
        cells += [f"{100 * values[:, i].mean():.1f}", "" if test is plain_test else f"{low:+.1f} to {high:+.1f}"]
    milliseconds = f"{test.milliseconds:.0f}" if refinement in REFINEMENTS else ""
    print(f"| {name} | {refinement} | {' | '.join(cells)} | {milliseconds} |", flush=True)


def gain_interval(values: np.ndarray, plain_values: np.ndarray, samples: int = 1000) -> tuple[float, float]:
    """Return the 95 % interval of the gain in percent by bootstrap over the images."""
    gains = values.astype(float) - plain_values
    indices = np.random.default_rng(0).integers(0, len(gains), (samples, len(gains)))
    low, high = np.percentile(100 * gains[indices].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def _columns(scores: list[Scores]) -> tuple[np.ndarray, np.ndarray]:
    correct = np.array([score.native >= 0.5 for score in scores if score.native is not None])
    return correct, np.array([score.mask for score in scores if score.mask is not None])


def _middle_best(values: np.ndarray) -> int:
    """Return the index of the best threshold, of ties the middle one; 0 without images."""
    if not len(values):
        return 0
    means = values.mean(axis=0)
    best = np.flatnonzero(means == means.max())
    return int(best[len(best) // 2])


if __name__ == "__main__":
    main()
