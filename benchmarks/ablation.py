"""What each step is worth, those that were kept and those that were not: one row a step, val first, test once.

    python benchmarks/ablation.py MODEL DATA

MODEL is a name or a run, DATA a folder with splits val and test. GT-known Loc of the largest region in the 224 square,
at the threshold that is best on val; "mean" is over overlaps of 0.3, 0.5 and 0.7, each at its best threshold on val;
"gain" is on val, against the row that is kept, with its 95 % interval by bootstrap over images, both at their own best
thresholds. The first rows say what is read, those below them what is done with it, in place of the step that is kept;
a foreground head is taught by val, or by train where there is that; the last rows are whole qualities. Steps that are
kept are measured on test, too, once; whole qualities there by weakspot compare.
"""

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu
from torch import Tensor

import weakspot as ws
from weakspot.cams import Method, find_method, self_correlation, unit_features
from weakspot.cams.normalization import min_max
from weakspot.cams.self_correlation import resample
from weakspot.data import Preprocessing
from weakspot.evaluation.class_mapping import class_indices
from weakspot.evaluation.samples import EvaluationSample, find_samples
from weakspot.evaluation.targets import SIDE, make_target
from weakspot.inference.quality import find_quality
from weakspot.metrics import box_iou
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.models import SplitClassifier as ModelCut
from weakspot.models import fit_foreground, forward_with_hooks, normalize_batch, resize_image, split_model
from weakspot.models.affinity import concat_features, correlation_grid, feature_affinity
from weakspot.models.class_maps import compute_class_maps
from weakspot.models.foreground_head import ForegroundHead
from weakspot.ops import component_tree, heatmap_from_class_map, scale_boxes
from weakspot.training.thresholds import best_class_thresholds, best_threshold

CUTS = NATIVE_THRESHOLDS
RIGHT = 0.5
LEVELS = (0.3, 0.5, 0.7)


@dataclass(frozen=True)
class Batch:
    """What one forward pass gave: class maps (B, 1, h, w), and the levels of the backbone."""

    maps: Tensor
    levels: tuple[Tensor, ...]


Read = dict[str, list[tuple[EvaluationSample, Batch]]]
Step = Callable[[Batch], Tensor]
Cut = Callable[[np.ndarray], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    options = parser.parse_args()
    dataset = ws.data.read_dataset(options.data)
    print("| step | val (mean over overlaps) | gain, 95 % | test | CPU ms |\n|---|---|---|---|---|")
    batches, seconds = batches_of(reading(options.model, *KEPT[1:4]), dataset, ("train", "val", "test"))
    kept = worth(spread, batches["val"])
    for name, quality, stride, side, flip in READINGS:
        step = spread if quality == "fast" else published
        if name == KEPT[0]:
            row(name, step, batches, kept, seconds=seconds, test=True)
        else:
            others, spent = batches_of(reading(options.model, quality, stride, side), dataset, ("val",), flip=flip)
            row(name, step, others, kept, seconds=spent)
    for name, step in STEPS.items():
        row(name, step, batches, kept, seconds=seconds)
    for name, cut in RULES.items():
        row(name, spread, batches, kept, cut=cut, seconds=seconds)
    for name, teacher in TEACHERS.items():
        head = taught(teacher, batches["train" if "train" in batches else "val"])
        taken = teacher is twice
        row(name, with_head(head), batches, kept, seconds=seconds, test=taken)
        if "train" in batches:  # classes of a set that is trained on have some images each
            by_class = f"{name}; a threshold for each class"
            row(by_class, with_head(head), batches, kept, by_class=True, seconds=seconds, test=taken)
    for quality in ("balanced", "best"):
        name = f"quality {quality}, {find_quality(quality).passes - 1} passes"
        whole_quality(name, ws.Localizer(options.model, quality=quality), dataset, kept)


READINGS = (
    # name, quality, output stride, side, flipped as well
    ("as published: stride 32, 224 px", "plain", 32, 224, False),
    ("stride 16", "plain", 16, 224, False),
    ("stride 16, 288 px", "plain", 16, 288, False),
    ("self-correlation: stride 32, 224 px", "fast", 32, 224, False),
    ("self-correlation: stride 16, 224 px", "fast", 16, 224, False),
    ("self-correlation: stride 16, 288 px", "fast", 16, 288, False),
    ("self-correlation: stride 16, 384 px", "fast", 16, 384, False),
    ("self-correlation and the mirrored image: two passes", "fast", 16, 288, True),
)
KEPT = READINGS[5]


def reading(model: str, quality: str, stride: int, side: int) -> ws.Localizer:
    return ws.Localizer(model, quality=quality, input_size=side, output_stride=stride)


def batches_of(
    localizer: ws.Localizer, dataset: ws.data.DataSet, splits: Sequence[str], *, flip: bool = False
) -> tuple[Read, float]:
    """Run the model once on each image; return samples with their batch of one by split, and CPU seconds per image."""
    index_of, found, begun, images = class_indices(dataset, localizer.class_names), {}, time.process_time(), 0
    frame, method = localizer.preprocessing, find_method(localizer.method)
    cut = split_model(
        localizer.model, torch.randn(1, 3, frame.height, frame.width), layers=localizer.layers, propagate=True
    )
    for split in [one for one in splits if one in dataset.splits]:
        found[split] = []
        for sample in find_samples(dataset, split, index_of):
            photo = resize_image(ws.data.read_image(sample.image.path), frame)
            passes = [photo, photo.flip(-1)] if flip else [photo]
            maps, levels = zip(
                *(one_pass(cut, method, one, frame, sample.class_indices[0]) for one in passes), strict=True
            )
            if flip:
                both = spread(Batch(maps[0], levels[0])) + spread(Batch(maps[1], levels[1])).flip(-1)
                found[split].append((sample, Batch(both, ())))
            else:
                found[split].append((sample, Batch(maps[0], tuple(level.half() for level in levels[0]))))
            images += 1
    return found, (time.process_time() - begun) / images


def one_pass(
    cut: ModelCut, method: Method, photo: Tensor, frame: Preprocessing, index: int
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The class map as published, and the levels."""
    images = normalize_batch([photo], frame)
    levels = forward_with_hooks(cut.model, (), images, intermediates=cut.intermediates).intermediates
    return compute_class_maps(
        replace(cut, intermediates=()), images, method, classes=torch.tensor([[index]])
    ).maps, levels


def published(batch: Batch) -> Tensor:
    return batch.maps


def spread(batch: Batch) -> Tensor:
    return feature_affinity(wide(batch), None).propagate(batch.maps) if batch.intermediates else batch.maps


def wide(batch: Batch) -> tuple[Tensor, ...]:
    return tuple(level.float() for level in batch.intermediates)


def along(*which: int, power: float = 1.5, finer: int = 1) -> Step:
    """Self-correlation along some of the levels."""

    def step(batch: Batch) -> Tensor:
        levels = [wide(batch)[i] for i in which]
        h, w = correlation_grid(wide(batch))
        size = (finer * h, finer * w)
        return self_correlation(resample(batch.maps, size), unit_features(levels, size), power=power)

    return step


def nearby(sigma: float) -> Step:
    """Only places near by have a say."""

    def step(batch: Batch) -> Tensor:
        alike, seeds = affinity(batch)
        h, w = correlation_grid(wide(batch))
        y, x = torch.meshgrid((torch.arange(h) + 0.5) / h, (torch.arange(w) + 0.5) / w, indexing="ij")
        far = torch.cdist(*2 * (torch.stack([y.flatten(), x.flatten()], 1),)) ** 2
        alike = alike * torch.exp(-far / (2 * sigma**2))
        return (seeds @ alike / alike.sum(1, keepdim=True)).view(1, 1, h, w)

    return step


def against_the_border(weight: float) -> Step:
    """What looks like the image's border is background."""

    def step(batch: Batch) -> Tensor:
        alike, seeds = affinity(batch)
        h, w = correlation_grid(wide(batch))
        border = torch.ones(h, w)
        border[1:-1, 1:-1] = 0
        outside = border.view(1, 1, -1) * (1 - seeds)
        alike = alike / alike.sum(1, keepdim=True)
        return ((seeds - weight * outside / outside.mean()) @ alike).view(1, 1, h, w)

    return step


def difference_of_means(batch: Batch) -> Tensor:
    """A linear classifier of places: foreground's mean feature against background's."""
    units = unit_features(wide(batch), correlation_grid(wide(batch))).flatten(2)
    seeds = min_max(resample(batch.maps, correlation_grid(wide(batch)))).flatten(2)
    direction = units @ (seeds - seeds.mean()).mT
    return (direction.mT @ units).view(1, 1, *correlation_grid(wide(batch)))


def affinity(batch: Batch) -> tuple[Tensor, Tensor]:
    size = correlation_grid(wide(batch))
    units = unit_features(wide(batch), size).flatten(2)
    return torch.relu(units.mT @ units) ** 1.5, min_max(resample(batch.maps, size)).flatten(2)


def blurred(batch: Batch) -> Tensor:
    return torch.from_numpy(gaussian_filter(spread(batch).numpy(), (0, 0, 1, 1), mode="nearest"))


def times_the_map(batch: Batch) -> Tensor:
    found = spread(batch)
    return min_max(found) * min_max(resample(batch.maps, tuple(found.shape[-2:])))


def twice(batch: Batch) -> Tensor:
    return feature_affinity(wide(batch), None).propagate_twice(batch.maps)


STEPS: dict[str, Step] = {
    "along the first level alone": along(0),
    "along the second level alone": along(1),
    "along the third level alone": along(2),
    "along the last level alone": along(-1),
    "without the first and last level": along(1, 2, 3),
    "cosines to the power 1": along(0, 1, 2, 3, -1, power=1.0),
    "cosines to the power 2": along(0, 1, 2, 3, -1, power=2.0),
    "on a grid twice as fine": along(0, 1, 2, 3, -1, finer=2),
    "spread twice": twice,
    "only places near by (sigma 0.3 of the image)": nearby(0.3),
    "less what looks like the border": against_the_border(0.25),
    "a linear classifier of places instead": difference_of_means,
    "the spread map, blurred": blurred,
    "the spread map times the class map": times_the_map,
}


def stable(heatmap: np.ndarray) -> float:
    """The cut about which the box changes least."""
    boxes = component_tree(heatmap, CUTS).largest_boxes()
    scores = [box_iou(boxes[i : i + 1], boxes[i - 100 : i + 101 : 5]).mean() for i in range(200, 800)]
    return float(CUTS[200 + int(np.argmax(scores))])


RULES: dict[str, Cut] = {
    "a threshold for each image: Otsu": lambda heatmap: float(threshold_otsu(heatmap)),
    "a threshold for each image: the most stable box": stable,
}


def taught(teacher: Step, lessons: list[tuple[EvaluationSample, Batch]]) -> ForegroundHead:
    """Fit a foreground head to maps of a split, whose boxes are not looked at."""
    features = torch.cat([concat_features(wide(batch), correlation_grid(wide(batch))) for _, batch in lessons])
    maps = torch.cat([min_max(teacher(batch))[:, 0] for _, batch in lessons])
    head = fit_foreground(features, maps, seed=0)
    assert head is not None
    return head


def with_head(head: ForegroundHead) -> Step:
    return lambda batch: feature_affinity(wide(batch), head).propagate(batch.maps)


TEACHERS: dict[str, Step] = {
    "foreground head, taught by maps spread twice": twice,
    "foreground head, taught by maps spread once": spread,
}


def whole_quality(name: str, localizer: ws.Localizer, dataset: ws.data.DataSet, kept: np.ndarray) -> None:
    """Print what a quality is worth as commands have it: a model that has not learnt learns from the photos of val."""
    if not localizer.is_adapted:
        localizer.adapt(example.path for example in dataset.of_split("val"))
    found, begun = [], time.process_time()
    for sample in find_samples(dataset, "val", class_indices(dataset, localizer.class_names)):
        photo = localizer.resize(ws.data.read_image(sample.image.path))
        (maps,) = localizer.class_maps_of([photo], np.array([[sample.class_indices[0]]]), [localizer.method])
        found.append((sample, Batch(torch.from_numpy(maps.maps), ())))
    row(name, published, {"val": found}, kept, seconds=(time.process_time() - begun) / len(found))


def row(
    name: str,
    step: Step,
    batches: Read,
    kept: np.ndarray,
    *,
    cut: Cut | None = None,
    by_class: bool = False,
    test: bool = False,
    seconds: float,
) -> None:
    """Print what a step is worth."""
    begun = time.process_time()
    splits = ("val", "test") if test else ("val",)
    found = {split: worth(step, batches[split], cut) for split in splits}
    spent = seconds + (time.process_time() - begun) / sum(map(len, found.values()))
    right = {split: one >= RIGHT for split, one in found.items()}
    at = {split: np.full(len(one), nearest(best_threshold(right["val"]), one)) for split, one in right.items()}
    if by_class:
        classes = {split: np.array([sample.class_indices[0] for sample, _ in batches[split]]) for split in splits}
        levels = best_class_thresholds(right["val"], classes["val"], max(map(max, classes.values())) + 1)
        at = {split: np.array([nearest(levels[c], right["val"]) for c in classes[split]]) for split in splits}
    hits = {split: one[np.arange(len(one)), at[split]] for split, one in right.items()}
    mean = np.mean([(found["val"] >= level).mean(axis=0).max() for level in LEVELS])
    low, high = gain_interval(hits["val"] if by_class else right["val"], kept >= RIGHT)
    percent = {split: f"{100 * one.mean():.1f}" for split, one in hits.items()}
    figures = f"{percent['val']} ({100 * mean:.1f}) | {low:+.1f} to {high:+.1f} | {percent.get('test', '')}"
    print(f"| {name} | {figures} | {1000 * spent:.0f} |", flush=True)


def nearest(threshold: float, found: np.ndarray) -> int:
    """The place of a threshold among those that were tried: all of them, or one of an own rule."""
    return int(np.abs(CUTS - threshold).argmin()) if found.shape[1] > 1 else 0


def gain_interval(right: np.ndarray, kept: np.ndarray, samples: int = 1000) -> tuple[float, float]:
    """The middle 95 % of the gain in percent over resamples of the same images, each at its best threshold."""
    random = np.random.default_rng(0)
    gains = []
    for _ in range(samples):
        some = random.integers(0, len(right), len(right))
        gains.append(right[some].mean(axis=0).max() - kept[some].mean(axis=0).max())
    low, high = np.percentile(gains, (2.5, 97.5))
    return 100 * float(low), 100 * float(high)


def worth(step: Step, samples: list[tuple[EvaluationSample, Batch]], cut: Cut | None = None) -> np.ndarray:
    """For each image the best overlap at every threshold, shape (N, T)."""
    return np.array(list(best_overlaps(step, samples, cut)))


def best_overlaps(step: Step, read_: list[tuple[EvaluationSample, Batch]], cut: Cut | None) -> Iterator[np.ndarray]:
    """For each image the best overlap of the largest region's box, at every threshold or at the rule's."""
    for sample, batch in read_:
        height, width = sample.image.size
        boxes = make_target(sample.annotations[0], height=height, width=width).boxes
        with torch.no_grad():
            class_map = step(batch)[0, 0].double().numpy()
        heatmap = heatmap_from_class_map(class_map, height=SIDE, width=SIDE)
        cuts = CUTS if cut is None else np.array([min(max(cut(heatmap), 0.005), 1.0)])
        found = component_tree(heatmap, cuts).largest_boxes()
        yield box_iou(scale_boxes(found, from_size=(SIDE, SIDE), to_size=(SIDE, SIDE)), boxes).max(axis=1)


if __name__ == "__main__":
    main()
