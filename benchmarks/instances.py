"""Several objects: precision and recall of the largest region, of all, and of all split between their peaks.

    python benchmarks/instances.py MODEL DATA

MODEL is a name or a run, DATA a folder with splits val and test. A box is right that overlaps a true one by half; each
true box counts once. For each row the threshold, and the minimum score where there is one, are those of the best F1 on
val; the figures of test are reported once. The class is given, as in GT-known Loc. The second table has the largest
region alone, cut where the model cuts, by how many true boxes an image has.
"""

import argparse
from collections.abc import Callable
from itertools import product

import numpy as np
from refining import Seen, seen

import weakspot as ws
from weakspot.evaluation.targets import SIDE
from weakspot.inference.localization import min_activation
from weakspot.metrics import InstanceF1
from weakspot.ops import instances_from_heatmap, nms, scale_boxes

THRESHOLDS = tuple(np.arange(35, 81, 5) / 100)
SCORES = (0.0, 0.2, 0.4, 0.5, 0.6, 0.7)
Found = tuple[np.ndarray, np.ndarray]
Rule = Callable[[Seen, float, float], Found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    options = parser.parse_args()
    localizer, dataset = ws.Localizer(options.model), ws.data.read_dataset(options.data)
    val, test = (seen(localizer, dataset, split) for split in ("val", "test"))
    print("| boxes | threshold | minimum score | val F1 | precision | recall | F1 |\n|---|---|---|---|---|---|---|")
    for name, (rule, scores) in RULES.items():
        grid = {(at, least): counted(rule, val, at, least) for at, least in product(THRESHOLDS, scores)}
        (at, least), best = max(grid.items(), key=lambda one: float(one[1].compute()))
        details = {one: values[0] for one, values in counted(rule, test, at, least).details().items()}
        figures = " | ".join(f"{details[one]:.1f}" for one in ("precision", "recall", "F1"))
        print(f"| {name} | {at:.2f} | {least:g} | {float(best.compute()):.1f} | {figures} |", flush=True)
    print("\n| true boxes | test images | largest region right |\n|---|---|---|")
    for name, alike in {"one": [1], "several": range(2, 1000)}.items():
        images = [one for one in test if len(one.target.boxes) in alike]
        right = counted(regions(min_area=1.0), images, localizer.threshold, 0.0).details()["precision"][0]
        print(f"| {name} | {len(images)} | {right:.1f} % |", flush=True)


def counted(rule: Rule, images: list[Seen], threshold: float, min_score: float) -> InstanceF1:
    """Precision and recall of a rule's boxes over some images."""
    metric = InstanceF1()
    for one in images:
        boxes, _ = rule(one, threshold, min_score)
        metric.update([scale_boxes(boxes, from_size=one.heatmap.shape, to_size=(SIDE, SIDE))], [one.target.boxes])
    return metric


def regions(*, min_area: float = 0.01, split: bool = False) -> Rule:
    def found(one: Seen, threshold: float, min_score: float) -> Found:
        heat = min_activation(one.score, min_score)
        return instances_from_heatmap(one.heatmap, threshold, min_area=min_area, split=split, min_activation=heat)

    return found


def suppressed(rule: Rule) -> Rule:
    """What is left of a rule's boxes when those that overlap a hotter one by more than a third are dropped."""

    def found(one: Seen, threshold: float, min_score: float) -> Found:
        boxes, heats = rule(one, threshold, min_score)
        kept = nms(boxes, heats, 1 / 3)
        return boxes[kept], heats[kept]

    return found


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
