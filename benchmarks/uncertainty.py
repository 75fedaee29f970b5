"""How well does uncertainty find wrong boxes? Every cue, their mean, and a regression, against the IoU.

    python benchmarks/uncertainty.py MODEL DATA [--mirrored] [--summary] [--most N]

MODEL is a name or a run, DATA a folder with splits val and test. Each image is localized for its own class; boxes are
cut at the model's threshold, and wrong if their IoU is below 0.5. "rank" is Spearman's correlation of uncertainty and
IoU, at best -1; "lift" is the fraction of wrong boxes among the most uncertain third of the images, divided by a
third, which is the expectation of a random order: 1 is useless, 3 is the maximum. With 95 % intervals by bootstrap over
images. "AUROC" is the probability that a wrong box is more uncertain than a right one. The regression is fitted to val;
its results on val are from five-fold cross-validation. --mirrored adds a second forward pass. --summary prints one row
for test.
"""

import argparse
import time
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import softmax
from scipy.stats import rankdata, spearmanr

import weakspot as ws
from weakspot.data import read_as_annotated
from weakspot.evaluation.class_mapping import class_indices
from weakspot.evaluation.samples import EvaluationSample, find_samples
from weakspot.inference.backends import ClassifierOutput
from weakspot.metrics import box_iou
from weakspot.ops import box_from_heatmap, heatmap_from_class_map, scale_boxes
from weakspot.ops.uncertainty import (
    Cues,
    TypicalArea,
    fit_calibration,
    normalized_cues,
    reference_method,
    uncertainty_cues,
    uncertainty_score,
)
from weakspot.ops.uncertainty.cues import map_difference

Arrays = dict[str, np.ndarray]
BOOTSTRAP_SAMPLES = 300
CUES = ("box_instability", "competing_area", "inseparability", "disagreement", "background", "unusual_area")
UNCERTAINTY = "**the mean of the cues** (`--uncertainty`)"
WITHOUT_AREA = "the mean of all but the area"
TITLES = {
    "box_instability": "the box changes with the threshold",
    "competing_area": "other regions compete with the largest",
    "inseparability": "blurring moves the box",
    "disagreement": "another method's box disagrees",
    "background": "the foreground head predicts background in the box",
    "unusual_area": "the area of the box is unusual for its class",
    "regression": "a regression on the cues, fitted to `val`",
}
PROBABILITY = "the class's probability"
MIRRORED = "the mirrored image's heatmap differs (second pass)"


@dataclass(frozen=True)
class Output:
    """Outputs of the model for one image, and its ground-truth boxes in pixels of the heatmap."""

    heatmap: np.ndarray
    reference_map: np.ndarray
    foreground: np.ndarray | None
    mirrored: np.ndarray | None
    probabilities: np.ndarray
    class_index: int
    boxes: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--mirrored", action="store_true")
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("--most", type=int, help="maximum number of images of a split, evenly spaced")
    options = parser.parse_args()
    localizer, dataset = ws.Localizer(options.model), ws.data.read_dataset(options.data)
    index_of = class_indices(dataset, localizer.class_names)
    results = {}
    for split in ("test",) if options.summary else ("val", "test"):
        samples = find_samples(dataset, split, index_of)
        samples = samples[:: max(1, len(samples) // (options.most or len(samples)))][: options.most]
        outputs = [predict(localizer, sample, mirrored=options.mirrored) for sample in samples]
        results[split] = uncertainties(outputs, localizer.threshold, localizer.config.info.typical_areas)
    if options.summary:
        print_summary(options.data.rstrip("/").rsplit("/", 1)[-1], *results["test"][:2])
    else:
        print_table(results)


def predict(localizer: ws.Localizer, sample: EvaluationSample, *, mirrored: bool) -> Output:
    """Localize one image for its own class."""
    image = read_as_annotated(sample.image.path, sample.image.size, max_pixels=localizer.max_pixels)
    pixels, preprocessing = localizer.resize(image), localizer.preprocessing
    size = {"height": preprocessing.height, "width": preprocessing.width}
    classes, methods = np.array([sample.class_indices[:1]]), [localizer.method, reference_method(localizer.method)]
    output, reference = localizer.class_maps_of([pixels], classes, methods)
    boxes = sample.annotations[0].boxes
    return Output(
        heatmap_of(output, size),
        reference.maps[0, 0],
        None if output.foreground is None else output.foreground[0, 0],
        mirrored_heatmap(localizer, pixels, classes, size) if mirrored else None,
        softmax(output.logits[0].astype(float)),
        sample.class_indices[0],
        scale_boxes(boxes, from_size=(image.height, image.width), to_size=tuple(size.values())),
    )


def heatmap_of(output: ClassifierOutput, size: dict[str, int]) -> np.ndarray:
    return heatmap_from_class_map(output.maps[0, 0], **size)


def mirrored_heatmap(
    localizer: ws.Localizer, pixels: np.ndarray, classes: np.ndarray, size: dict[str, int]
) -> np.ndarray:
    """Return the heatmap of the mirrored image, mirrored back."""
    (output,) = localizer.class_maps_of([np.ascontiguousarray(pixels[:, ::-1])], classes, [localizer.method])
    return heatmap_of(output, size)[:, ::-1]


def uncertainties(
    outputs: list[Output], threshold: float, areas: tuple[TypicalArea, ...]
) -> tuple[Arrays, np.ndarray, float]:
    """Return all uncertainty measures by name, the IoUs, and the CPU milliseconds of the cues per image."""
    start = time.process_time()
    cues = [
        uncertainty_cues(
            one.heatmap,
            threshold,
            reference_map=one.reference_map,
            foreground=one.foreground,
            typical_area=areas[one.class_index] if areas else None,
        )
        for one in outputs
    ]
    scores = np.array([uncertainty_score(one) for one in cues])
    without_area = [None if one is None else replace(one, unusual_area=None) for one in cues]
    milliseconds = 1000 * (time.process_time() - start) / len(outputs)
    boxes = [box_from_heatmap(one.heatmap, threshold) for one in outputs]
    ious = np.array([box_iou(box[None], one.boxes).max() for box, one in zip(boxes, outputs, strict=True)])
    others = [other_measures(one, box, threshold) for one, box in zip(outputs, boxes, strict=True)]
    columns = {name: np.array([one[name] for one in others]) for name in others[0]}
    others_mean = {WITHOUT_AREA: np.array([uncertainty_score(one) for one in without_area])} if areas else {}
    return {UNCERTAINTY: scores, **others_mean, **cue_columns(cues), **columns}, ious, milliseconds


def cue_columns(cues: list[Cues | None]) -> Arrays:
    """Return a column for each available cue, normalized; all are 1 for an empty heatmap."""
    normalized = [None if one is None else normalized_cues(one) for one in cues]
    names = next(one for one in normalized if one is not None)
    return {name: np.array([1.0 if one is None else one[name] for one in normalized]) for name in names}


def other_measures(output: Output, box: np.ndarray, threshold: float) -> dict[str, float]:
    """Return measures that are not part of the uncertainty."""
    height, width = output.heatmap.shape
    x1, y1, x2, y2 = box.astype(int)
    inside, area = output.heatmap >= threshold, float((box[2:] - box[:2]).prod())
    probability = float(output.probabilities[output.class_index])
    runner_up = float(np.delete(output.probabilities, output.class_index).max())
    gray = np.clip(output.heatmap.astype(float), 1e-9, 1 - 1e-9)
    is_split = 0 < inside.mean() < 1
    contrast = float(output.heatmap[inside].mean() - output.heatmap[~inside].mean()) if is_split else 0.0
    measures = {
        PROBABILITY: -probability,
        "its margin over the next class": runner_up - probability,
        "the box is small": -area,
        "the box is large": area,
        "sides at the image's border": float(np.mean([x1 == 0, y1 == 0, x2 == width, y2 == height])),
        "entropy of the heatmap": float(-(gray * np.log2(gray) + (1 - gray) * np.log2(1 - gray)).mean()),
        "contrast of inside and outside": -contrast,
        "the box is not filled": 1 - float(inside[y1:y2, x1:x2].mean()),
    }
    if output.mirrored is not None:
        measures[MIRRORED] = map_difference(output.heatmap, output.mirrored)
    return measures


def print_table(splits: dict[str, tuple[Arrays, np.ndarray, float]]) -> None:
    """Print a row per measure with rank and lift on both splits."""
    columns = {split: dict(arrays) for split, (arrays, _, _) in splits.items()}
    ious = {split: values for split, (_, values, _) in splits.items()}
    for split, probabilities in regression(columns, ious["val"] < 0.5).items():
        columns[split]["regression"] = probabilities
    print("wrong:", ", ".join(f"{(values < 0.5).sum()} of {len(values)} in {split}" for split, values in ious.items()))
    print(f"cues: {np.mean([milliseconds for _, _, milliseconds in splits.values()]):.1f} ms CPU per image")
    print("| uncertainty | rank, val | lift, val | rank, test | lift, test |\n|---|---|---|---|---|")
    print("| a random order | 0 | 1 | 0 | 1 |")
    for name in columns["test"]:
        cells = [cell for split in ("val", "test") for cell in rank_and_lift(columns[split][name], ious[split])]
        print(f"| {TITLES.get(name, name)} | {' | '.join(cells)} |", flush=True)
    error_rate = np.mean(ious["val"] < 0.5)
    for split, values in ious.items():
        if "regression" in columns[split]:
            brier = np.mean((columns[split]["regression"] - (values < 0.5)) ** 2)
            baseline = np.mean((error_rate - (values < 0.5)) ** 2)
            print(f"Brier score of the regression on {split}: {brier:.3f}; of the error rate of val: {baseline:.3f}")


def print_summary(data: str, columns: Arrays, ious: np.ndarray) -> None:
    """Print one row: rank and lift of the uncertainty, the maximum lift, and the lift of the probability."""
    wrong = ious < 0.5
    print("| data | wrong boxes | rank | lift | maximum lift | AUROC | without the area | the class's probability |")
    print("|---|---|---|---|---|---|---|---|")
    cells = " | ".join(rank_and_lift(columns[UNCERTAINTY], ious))
    maximum = lift(wrong.astype(float), wrong)
    names = (UNCERTAINTY, WITHOUT_AREA if WITHOUT_AREA in columns else UNCERTAINTY, PROBABILITY)
    areas = " | ".join(f"{auroc(columns[name], wrong):.2f}" for name in names)
    print(f"| {data} | {wrong.sum()} of {len(wrong)} | {cells} | {maximum:.2f} | {areas} |")


def auroc(uncertainty: np.ndarray, wrong: np.ndarray) -> float:
    """Return the probability that a wrong box is more uncertain than a right one; 0.5 is a random order."""
    if wrong.all() or not wrong.any():
        return float("nan")
    ranks = rankdata(uncertainty)
    return float((ranks[wrong].mean() - (wrong.sum() + 1) / 2) / (~wrong).sum())


def regression(columns: dict[str, Arrays], wrong: np.ndarray) -> Arrays:
    """Return error probabilities by a regression on the cues; nothing if val has too few boxes of either kind."""
    tables = {split: np.stack([one[name] for name in CUES if name in one], axis=1) for split, one in columns.items()}
    if min(wrong.sum(), (~wrong).sum()) < 10:
        return {}
    folds = np.random.default_rng(0).permutation(len(wrong)) % 5
    val = np.empty(len(wrong))
    for fold in range(5):
        held_out = folds == fold
        calibration = fit_calibration(tables["val"][~held_out], wrong[~held_out])
        val[held_out] = calibration.probability(tables["val"][held_out])
    return {"val": val, "test": fit_calibration(tables["val"], wrong).probability(tables["test"])}


def rank_and_lift(uncertainty: np.ndarray, ious: np.ndarray) -> tuple[str, str]:
    """Return rank correlation and lift with their intervals."""
    random = np.random.default_rng(0)
    draws = [random.integers(0, len(ious), len(ious)) for _ in range(BOOTSTRAP_SAMPLES)]
    ranks = [rank_correlation(uncertainty[draw], ious[draw]) for draw in draws]
    lifts = [lift(uncertainty[draw], ious[draw] < 0.5) for draw in draws]
    rank = with_interval(rank_correlation(uncertainty, ious), ranks)
    return rank, with_interval(lift(uncertainty, ious < 0.5), lifts)


def rank_correlation(uncertainty: np.ndarray, ious: np.ndarray) -> float:
    if np.ptp(uncertainty) == 0 or np.ptp(ious) == 0:
        return float("nan")
    return float(spearmanr(uncertainty, ious).statistic)


def lift(uncertainty: np.ndarray, wrong: np.ndarray) -> float:
    """Return the lift of the most uncertain third; ties at its edge count by their fraction of wrong boxes."""
    third = len(uncertainty) / 3
    edge = np.sort(uncertainty)[::-1][min(int(third), len(uncertainty) - 1)]
    above, equal = uncertainty > edge, uncertainty == edge
    count = wrong[above].sum() + wrong[equal].mean() * (third - above.sum())
    return float(3 * count / wrong.sum()) if wrong.any() else float("nan")


def with_interval(value: float, sampled: list[float]) -> str:
    low, high = np.nanpercentile(sampled, (2.5, 97.5)) if np.isfinite(sampled).any() else (np.nan, np.nan)
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
