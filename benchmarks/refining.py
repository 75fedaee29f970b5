"""Where does a refinement help? Boxes and masks of a model's heatmaps, as they are and with each refinement.

    python benchmarks/refining.py MODEL DATA [DATA ...]

MODEL is a name or a run, DATA a folder with splits val and test. GT-known Loc is of the largest region; mask IoU, where
the set has masks, is of all that is above the threshold; both at the threshold that is best on val for that refinement,
and the figures are of test. "gain" is its middle 95 % by bootstrap over the images of test. Refinements are given the
threshold that is best on val without any. Milliseconds are CPU time of one image's refinement. With --baselines the
last rows are those, which look at no image.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax

import weakspot as ws
from weakspot.data import read_as_annotated
from weakspot.evaluation.class_mapping import class_indices
from weakspot.evaluation.map_scores import Regions, baselines, regions_of_heatmap, score_regions
from weakspot.evaluation.samples import find_samples
from weakspot.evaluation.targets import SIDE, Target, make_target
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.ops import heatmap_from_class_map, normalize, resize
from weakspot.ops.refinement import REFINEMENTS, refine


@dataclass(frozen=True, eq=False)
class Seen:
    """A heatmap, its image at the same size, where the object is, and the probability of its class."""

    heatmap: np.ndarray
    image: np.ndarray
    target: Target
    score: float


@dataclass(frozen=True, eq=False)
class Worth:
    """For each image whether the box is right, and the overlap of the mask, at every threshold; and the price."""

    right: np.ndarray
    masks: np.ndarray
    milliseconds: float

    def best(self) -> tuple[int, int]:
        """The middle one of the best thresholds for boxes and for masks, as indices."""
        return _middle(self.right), _middle(self.masks)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data", nargs="+")
    parser.add_argument("--splits", nargs=2, default=("val", "test"), help="to choose thresholds on, and to report")
    parser.add_argument("--baselines", action="store_true")
    options = parser.parse_args()
    localizer = ws.Localizer(options.model)
    header = ["data", "refinement", "GT-known Loc", "gain", "mask IoU", "gain", "ms"]
    print("| " + " | ".join(header) + " |\n|" + "---|" * len(header), flush=True)
    for data in options.data:
        name = data.rstrip("/").rsplit("/", 1)[-1]
        val, test = (seen(localizer, ws.data.read_dataset(data), split) for split in options.splits)
        table(name, val, test, baselines() if options.baselines else {})


def table(name: str, val: list[Seen], test: list[Seen], others: dict[str, Regions]) -> None:
    chosen = worth(val, None, 0.0)
    level = float(NATIVE_THRESHOLDS[chosen.best()[0]])
    plain = worth(test, None, 0.0)
    row(name, "none", chosen, plain, plain, chosen)
    for refinement in REFINEMENTS:
        row(name, refinement, worth(val, refinement, level), worth(test, refinement, level), plain, chosen)
    for baseline, found in others.items():
        fixed = [Worth(*_columns([score_regions(found, one.target) for one in some]), 0.0) for some in (val, test)]
        row(name, baseline, *fixed, plain, chosen)


def seen(localizer: ws.Localizer, dataset: ws.data.DataSet, split: str) -> list[Seen]:
    """Read the heatmap of every true class in every image of a split once."""
    frame, found = localizer.preprocessing, []
    for sample in find_samples(dataset, split, class_indices(dataset, localizer.class_names)):
        photo = read_as_annotated(sample.image.path, sample.image.size)
        pixels = localizer.resize(photo)
        (maps,) = localizer.class_maps_of([pixels], np.array([sample.class_indices]), [localizer.method])
        image = localizer.predictor.backend.resize(pixels, height=frame.height, width=frame.width)
        scores = softmax(maps.logits[0])[list(sample.class_indices)].tolist()
        for truth, class_map, score_ in zip(sample.annotations, maps.maps[0], scores, strict=True):
            heatmap = heatmap_from_class_map(class_map, height=frame.height, width=frame.width)
            found.append(Seen(heatmap, image, make_target(truth, height=photo.height, width=photo.width), score_))
    return found


def worth(images: list[Seen], refinement: str | None, level: float) -> Worth:
    """Score the heatmaps of a split, as they are or refined."""
    scores, spent = [], 0.0
    for one in images:
        begun = time.process_time()
        heatmap = one.heatmap if refinement is None else refine(refinement, one.image, one.heatmap, level)
        spent += time.process_time() - begun
        scores.append(
            score_regions(regions_of_heatmap(heatmap, normalize(resize(heatmap, height=SIDE, width=SIDE))), one.target)
        )
    return Worth(*_columns(scores), 1000 * spent / len(images))


def row(name: str, refinement: str, val: Worth, test: Worth, plain: Worth, chosen: Worth) -> None:
    """Print what a refinement is worth on test, and what it gains there, thresholds being those of val."""
    cells = []
    for values, plain_values, place, plain_place in zip(
        (test.right, test.masks), (plain.right, plain.masks), val.best(), chosen.best(), strict=True
    ):
        if not len(values):
            cells += ["-", ""]
            continue
        own, others = values[:, place], plain_values[:, plain_place]
        low, high = gain_interval(own, others)
        cells += [f"{100 * own.mean():.1f}", "" if test is plain else f"{low:+.1f} to {high:+.1f}"]
    spent = f"{test.milliseconds:.0f}" if refinement in REFINEMENTS else ""
    print(f"| {name} | {refinement} | {' | '.join(cells)} | {spent} |", flush=True)


def gain_interval(own: np.ndarray, others: np.ndarray, samples: int = 1000) -> tuple[float, float]:
    """The middle 95 % of the gain in percent over resamples of the same images."""
    gains = own.astype(float) - others
    drawn = np.random.default_rng(0).integers(0, len(gains), (samples, len(gains)))
    low, high = np.percentile(100 * gains[drawn].mean(axis=1), (2.5, 97.5))
    return float(low), float(high)


def _columns(scores: list) -> tuple[np.ndarray, np.ndarray]:
    right = np.array([one.native >= 0.5 for one in scores if one.native is not None])
    return right, np.array([one.mask for one in scores if one.mask is not None])


def _middle(values: np.ndarray) -> int:
    """The middle one of the best thresholds; the first where nothing was measured."""
    if not len(values):
        return 0
    means = values.mean(axis=0)
    best = np.flatnonzero(means == means.max())
    return int(best[len(best) // 2])


if __name__ == "__main__":
    main()
