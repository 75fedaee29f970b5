"""Several objects per image: precision and recall of the largest region, of all regions, and of split regions.

    python benchmarks/instances.py MODEL DATA

MODEL is a name or a run, DATA a folder with splits val and test. A box is correct if its IoU with a ground-truth box is
at least 0.5; each ground-truth box counts once. Threshold and minimum score of each row are those with the best F1 on
val; results are of test, computed once. The class is given, as in GT-known Loc. The second table shows the largest
region alone, at the model's threshold, by the number of ground-truth boxes of an image.
"""

import argparse
from collections.abc import Callable
from itertools import product

import numpy as np
from refinement import HeatmapSample, heatmap_samples

import weakspot as ws
from weakspot.evaluation.targets import SIDE
from weakspot.inference.localization import min_activation
from weakspot.metrics import InstanceF1
from weakspot.ops import instances_from_heatmap, nms, scale_boxes

THRESHOLDS = tuple(np.arange(35, 81, 5) / 100)
SCORES = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7)
Instances = tuple[np.ndarray, np.ndarray]
Rule = Callable[[HeatmapSample, float, float], Instances]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    options = parser.parse_args()
    localizer, dataset = ws.Localizer(options.model), ws.data.read_dataset(options.data)
    val, test = (heatmap_samples(localizer, dataset, split) for split in ("val", "test"))
    print("| boxes | threshold | minimum score | val F1 | precision | recall | F1 |\n|---|---|---|---|---|---|---|")
    for name, (rule, scores) in RULES.items():
        grid = {(t, s): instance_metric(rule, val, t, s) for t, s in product(THRESHOLDS, scores)}
        (threshold, min_score), best = max(grid.items(), key=lambda item: float(item[1].compute()))
        details = instance_metric(rule, test, threshold, min_score).details()
        cells = " | ".join(f"{details[name][0]:.1f}" for name in ("precision", "recall", "F1"))
        print(f"| {name} | {threshold:.2f} | {min_score:g} | {float(best.compute()):.1f} | {cells} |", flush=True)
    print("\n| ground-truth boxes | test images | largest region correct |\n|---|---|---|")
    for name, counts in {"one": [1], "several": range(2, 1000)}.items():
        samples = [sample for sample in test if len(sample.target.boxes) in counts]
        metric = instance_metric(regions(min_area=1.0), samples, localizer.threshold, 0.0)
        print(f"| {name} | {len(samples)} | {metric.details()['precision'][0]:.1f} % |", flush=True)


def instance_metric(rule: Rule, samples: list[HeatmapSample], threshold: float, min_score: float) -> InstanceF1:
    """Compute precision and recall of a rule's boxes."""
    metric = InstanceF1()
    for sample in samples:
        boxes, _ = rule(sample, threshold, min_score)
        scaled = scale_boxes(boxes, from_size=sample.heatmap.shape, to_size=(SIDE, SIDE))
        metric.update([scaled], [sample.target.boxes])
    return metric


def regions(*, min_area: float = 0.01, split: bool = False) -> Rule:
    def rule(sample: HeatmapSample, threshold: float, min_score: float) -> Instances:
        activation = min_activation(sample.score, min_score)
        return instances_from_heatmap(
            sample.heatmap, threshold, min_area=min_area, split=split, min_activation=activation
        )

    return rule


def suppressed(rule: Rule) -> Rule:
    """Apply non-maximum suppression at an IoU of 1/3 to the boxes of a rule."""

    def suppressed_rule(sample: HeatmapSample, threshold: float, min_score: float) -> Instances:
        boxes, activations = rule(sample, threshold, min_score)
        kept = nms(boxes, activations, 1 / 3)
        return boxes[kept], activations[kept]

    return suppressed_rule


RULES: dict[str, tuple[Rule, tuple[float, ...]]] = {
    "largest": (regions(min_area=1.0), (0.0,)),
    "all": (regions(), (0.0,)),
    "all, with a minimum score": (regions(), SCORES),
    "all, suppressed": (suppressed(regions()), (0.0,)),
    "split": (regions(split=True), (0.0,)),
    "split, suppressed": (suppressed(regions(split=True)), (0.0,)),
}

if __name__ == "__main__":
    main()
