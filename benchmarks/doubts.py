"""How well does doubt find the boxes that are wrong? Every cue, their mean, and a regression, against the true overlap.

    python benchmarks/doubts.py MODEL DATA [--mirrored] [--summary] [--most N]

MODEL is a name or a run, DATA a folder with splits val and test. Each image is localized for its own class; boxes are
cut at the model's threshold, and wrong below an overlap (IoU) of 0.5. "rank" is Spearman's correlation of doubt with
the overlap, -1 the best; "found" is the share of wrong boxes that the most doubtful third of the images holds, over a
third, which is what a random order finds: 1 is worth nothing, 3 is the most. With 95 % intervals by bootstrap over
images. The regression is fitted to val; its figures on val are of five folds, each fitted to the others. --mirrored
adds a second pass. --summary prints one row, of test.
"""

import argparse
import time
from dataclasses import dataclass

import numpy as np
from scipy.special import softmax
from scipy.stats import spearmanr

import weakspot as ws
from weakspot.data import read_as_annotated
from weakspot.evaluation.class_mapping import class_indices
from weakspot.evaluation.samples import EvaluationSample, find_samples
from weakspot.inference.backends import base
from weakspot.metrics import box_iou
from weakspot.ops import box_from_heatmap, heatmap_from_class_map, scale_boxes
from weakspot.ops.uncertainty import (
    Cues,
    fit_calibration,
    normalized_cues,
    reference_method,
    uncertainty_cues,
    uncertainty_score,
)
from weakspot.ops.uncertainty.cues import map_difference

Arrays = dict[str, np.ndarray]
SAMPLES = 300


@dataclass(frozen=True)
class Seen:
    """What one image gave: its heatmap, what else the pass told, and its true boxes in the heatmap's pixels."""

    heatmap: np.ndarray
    witness: np.ndarray | None
    foreground: np.ndarray | None
    mirrored: np.ndarray | None
    scores: np.ndarray
    index: int
    boxes: np.ndarray


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    parser.add_argument("--mirrored", action="store_true")
    parser.add_argument("--summary", action="store_true")
    parser.add_argument("--most", type=int, help="so many images of a split, from all over it")
    options = parser.parse_args()
    localizer, dataset = ws.Localizer(options.model), ws.data.read_dataset(options.data)
    index_of = class_indices(dataset, localizer.class_names)
    seen = {}
    for split in ("test",) if options.summary else ("val", "test"):
        samples = find_samples(dataset, split, index_of)
        samples = samples[:: max(1, len(samples) // (options.most or len(samples)))][: options.most]
        seen[split] = [look(localizer, sample, mirrored=options.mirrored) for sample in samples]
    figures = {split: measured(found, localizer.threshold) for split, found in seen.items()}
    if options.summary:
        summarise(options.data.rstrip("/").rsplit("/", 1)[-1], *figures["test"][:2])
    else:
        report(figures)


def look(localizer: ws.Localizer, sample: EvaluationSample, *, mirrored: bool) -> Seen:
    """Localize one image for its own class."""
    image = read_as_annotated(sample.image.path, sample.image.size, max_pixels=localizer.max_pixels)
    photo, frame = localizer.resize(image), localizer.preprocessing
    size = {"height": frame.height, "width": frame.width}
    classes, methods = np.array([sample.class_indices[:1]]), [localizer.method, reference_method(localizer.method)]
    found, witness = localizer.class_maps_of([photo], classes, methods)
    return Seen(
        heatmap_of(found, size),
        witness.maps[0, 0],
        None if found.foreground is None else found.foreground[0, 0],
        mirror_of(localizer, photo, classes, size) if mirrored else None,
        softmax(found.logits[0].astype(float)),
        sample.class_indices[0],
        scale_boxes(
            sample.annotations[0].boxes, from_size=(image.height, image.width), to_size=(frame.height, frame.width)
        ),
    )


def heatmap_of(found: base.ClassifierOutput, size: dict[str, int]) -> np.ndarray:
    return heatmap_from_class_map(found.maps[0, 0], **size)


def mirror_of(localizer: ws.Localizer, photo: np.ndarray, classes: np.ndarray, size: dict[str, int]) -> np.ndarray:
    """The mirrored image's heatmap, mirrored back."""
    (found,) = localizer.class_maps_of([np.ascontiguousarray(photo[:, ::-1])], classes, [localizer.method])
    return heatmap_of(found, size)[:, ::-1]


def measured(images: list[Seen], threshold: float) -> tuple[Arrays, np.ndarray, float]:
    """Every doubt by its name, the true overlaps, and the CPU milliseconds that the cues of an image cost."""
    begun = time.process_time()
    cues = [
        uncertainty_cues(one.heatmap, threshold, reference_map=one.witness, foreground=one.foreground) for one in images
    ]
    fixed = np.array([uncertainty_score(one) for one in cues])
    spent = 1000 * (time.process_time() - begun) / len(images)
    boxes = [box_from_heatmap(one.heatmap, threshold) for one in images]
    true = np.array([box_iou(box[None], one.boxes).max() for box, one in zip(boxes, images, strict=True)])
    others = [others_of(one, box, threshold) for one, box in zip(images, boxes, strict=True)]
    columns = {name: np.array([one[name] for one in others]) for name in others[0]}
    return {DOUBT: fixed, **table_of(cues), **columns}, true, spent


def table_of(cues: list[Cues | None]) -> Arrays:
    """A column for each cue that is known, its share; all of them 1 for an empty heatmap."""
    shares = [None if one is None else normalized_cues(one) for one in cues]
    names = next(one for one in shares if one is not None)
    return {name: np.array([1.0 if one is None else one[name] for one in shares]) for name in names}


CUES = ("box_instability", "competing_area", "inseparability", "disagreement", "background")
DOUBT = "**the mean of five cues** (`--uncertainty`)"
TITLES = {
    "box_instability": "the box changes with the threshold",
    "competing_area": "other regions rival the largest",
    "inseparability": "blurring moves the box",
    "disagreement": "another method's box disagrees",
    "background": "the foreground head sees background in the box",
    "regression": "a regression on the cues, fitted to `val`",
}
PROBABILITY = "the class's probability"
MIRRORED = "the mirrored image's heatmap differs (second pass)"


def others_of(one: Seen, box: np.ndarray, threshold: float) -> dict[str, float]:
    """What doubt is not made of."""
    height, width = one.heatmap.shape
    x1, y1, x2, y2 = box.astype(int)
    inside, area = one.heatmap >= threshold, float((box[2:] - box[:2]).prod())
    likely, others = float(one.scores[one.index]), np.delete(one.scores, one.index)
    grey = np.clip(one.heatmap.astype(float), 1e-9, 1 - 1e-9)
    contrast = float(one.heatmap[inside].mean() - one.heatmap[~inside].mean()) if 0 < inside.mean() < 1 else 0.0
    known = {
        PROBABILITY: -likely,
        "its margin over the next class": float(others.max()) - likely,
        "the box is small": -area,
        "the box is large": area,
        "sides at the image's border": float(np.mean([x1 == 0, y1 == 0, x2 == width, y2 == height])),
        "entropy of the heatmap": float(-(grey * np.log2(grey) + (1 - grey) * np.log2(1 - grey)).mean()),
        "contrast of inside and outside": -contrast,
        "the box is not filled": 1 - float(inside[y1:y2, x1:x2].mean()),
    }
    return known if one.mirrored is None else known | {MIRRORED: map_difference(one.heatmap, one.mirrored)}


def report(splits: dict[str, tuple[Arrays, np.ndarray, float]]) -> None:
    columns = {split: dict(arrays) for split, (arrays, _, _) in splits.items()}
    true = {split: overlap for split, (_, overlap, _) in splits.items()}
    for split, fitted in regression(columns, true["val"] < 0.5).items():
        columns[split]["regression"] = fitted
    print("wrong:", ", ".join(f"{(one < 0.5).sum()} of {len(one)} in {split}" for split, one in true.items()))
    print(f"cues: {np.mean([spent for _, _, spent in splits.values()]):.1f} ms CPU an image")
    print("| doubt | rank, val | found, val | rank, test | found, test |\n|---|---|---|---|---|")
    print("| a random order | 0 | 1 | 0 | 1 |")
    for name in columns["test"]:
        figures = [figure for split in ("val", "test") for figure in figures_of(columns[split][name], true[split])]
        print(f"| {TITLES.get(name, name)} | {' | '.join(figures)} |", flush=True)
    for split, one in true.items():
        if "regression" in columns[split]:
            brier = np.mean((columns[split]["regression"] - (one < 0.5)) ** 2)
            base = np.mean((np.mean(true["val"] < 0.5) - (one < 0.5)) ** 2)
            print(f"Brier score of the regression on {split}: {brier:.3f}; of val's share of wrong boxes: {base:.3f}")


def summarise(data: str, columns: Arrays, true: np.ndarray) -> None:
    """Print a row on one set: what doubt finds, the most that could be found, and what the probability finds."""
    wrong = true < 0.5
    print("| data | wrong boxes | rank | found | the most that can be found | the class's probability finds |")
    print("|---|---|---|---|---|---|")
    figures = " | ".join(figures_of(columns[DOUBT], true))
    most, probability = found(wrong.astype(float), wrong), found(columns[PROBABILITY], wrong)
    print(f"| {data} | {wrong.sum()} of {len(wrong)} | {figures} | {most:.2f} | {probability:.2f} |")


def regression(columns: dict[str, Arrays], wrong: np.ndarray) -> Arrays:
    """Probabilities by a regression over the cues; nothing where val has too few boxes of either kind."""
    tables = {split: np.stack([one[name] for name in CUES if name in one], axis=1) for split, one in columns.items()}
    if min(wrong.sum(), (~wrong).sum()) < 10:
        return {}
    folds = np.random.default_rng(0).permutation(len(wrong)) % 5
    val = np.empty(len(wrong))
    for fold in range(5):
        held = folds == fold
        val[held] = fit_calibration(tables["val"][~held], wrong[~held]).probability(tables["val"][held])
    return {"val": val, "test": fit_calibration(tables["val"], wrong).probability(tables["test"])}


def figures_of(doubt: np.ndarray, true: np.ndarray) -> tuple[str, str]:
    """Rank correlation, and how many wrong boxes the most doubtful third holds; both with their intervals."""
    random = np.random.default_rng(0)
    draws = [random.integers(0, len(true), len(true)) for _ in range(SAMPLES)]
    ranks = [rank(doubt[some], true[some]) for some in draws]
    lifts = [found(doubt[some], true[some] < 0.5) for some in draws]
    return with_interval(rank(doubt, true), ranks), with_interval(found(doubt, true < 0.5), lifts)


def rank(doubt: np.ndarray, true: np.ndarray) -> float:
    return float("nan") if np.ptp(doubt) == 0 or np.ptp(true) == 0 else float(spearmanr(doubt, true).statistic)


def found(doubt: np.ndarray, wrong: np.ndarray) -> float:
    """Equal doubts are in no order: each image on the edge of the third counts for its share of it."""
    third, edge = len(doubt) / 3, np.sort(doubt)[::-1][min(int(len(doubt) / 3), len(doubt) - 1)]
    above, equal = doubt > edge, doubt == edge
    caught = wrong[above].sum() + wrong[equal].mean() * (third - above.sum())
    return float(3 * caught / wrong.sum()) if wrong.any() else float("nan")


def with_interval(value: float, sampled: list[float]) -> str:
    low, high = np.nanpercentile(sampled, (2.5, 97.5)) if np.isfinite(sampled).any() else (np.nan, np.nan)
    return f"{value:.2f} ({low:.2f} to {high:.2f})"


if __name__ == "__main__":
    main()
