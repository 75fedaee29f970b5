"""The contribution of each step, of those that are used and those that are not: one row per step, tested once.

    python benchmarks/ablation.py MODEL DATA

MODEL is a name or a run, DATA a folder with splits val and test. GT-known Loc of the largest region in the 224 square,
at the threshold that is best on val; "mean" is over IoU thresholds of 0.3, 0.5 and 0.7, each at its best threshold on
val; "gain" is on val, relative to the step in use, with its 95 % interval by bootstrap over images, both at their own
best thresholds. The first rows vary the input of the step, the rows below replace the step in use; a foreground head is
fitted to val, or to train if it exists; the last rows are whole quality presets. Steps in use are also measured on
test, once; quality presets are measured there by weakspot compare.
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
from weakspot.metrics import box_iou
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.models import SplitClassifier as ModelCut
from weakspot.models import fit_foreground, forward_with_hooks, normalize_batch, resize_image, split_model
from weakspot.models.affinity import concat_features, correlation_grid, feature_affinity
from weakspot.models.class_maps import compute_class_maps
from weakspot.models.foreground_head import ForegroundHead
from weakspot.ops import component_tree, heatmap_from_class_map
from weakspot.training.thresholds import best_class_thresholds, best_threshold

THRESHOLDS = NATIVE_THRESHOLDS
IOU_THRESHOLD = 0.5
V2_THRESHOLDS = (0.3, 0.5, 0.7)


@dataclass(frozen=True)
class Batch:
    """Output of one forward pass: class maps (B, 1, h, w), and intermediate features of the backbone."""

    maps: Tensor
    intermediates: tuple[Tensor, ...]


Sample = tuple[EvaluationSample, Batch]
Splits = dict[str, list[Sample]]
Step = Callable[[Batch], Tensor]
ThresholdRule = Callable[[np.ndarray], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    options = parser.parse_args()
    dataset = ws.data.read_dataset(options.data)
    print("| step | val (mean over overlaps) | gain, 95 % | test | CPU ms |\n|---|---|---|---|---|")
    batches, seconds = batches_of(make_localizer(options.model, *IN_USE[1:4]), dataset, ("train", "val", "test"))
    baseline = ious(propagated, batches["val"])
    for name, quality, stride, side, flip in INPUTS:
        step = propagated if quality == "fast" else published
        if name == IN_USE[0]:
            print_row(name, step, batches, baseline, seconds=seconds, test=True)
        else:
            others, seconds_ = batches_of(
                make_localizer(options.model, quality, stride, side), dataset, ("val",), flip=flip
            )
            print_row(name, step, others, baseline, seconds=seconds_)
    for name, step in STEPS.items():
        print_row(name, step, batches, baseline, seconds=seconds)
    for name, rule in RULES.items():
        print_row(name, propagated, batches, baseline, rule=rule, seconds=seconds)
    for name, teacher in TEACHERS.items():
        head = fit_head(teacher, batches["train" if "train" in batches else "val"])
        in_use = teacher is propagated_twice
        print_row(name, with_head(head), batches, baseline, seconds=seconds, test=in_use)
        if "train" in batches:  # its classes have several images each
            title = f"{name}; a threshold for each class"
            print_row(title, with_head(head), batches, baseline, by_class=True, seconds=seconds, test=in_use)


INPUTS = (
    # name, quality, output stride, side, whether the flipped image is added
    ("as published: stride 32, 224 px", "plain", 32, 224, False),
    ("stride 16", "plain", 16, 224, False),
    ("stride 16, 288 px", "plain", 16, 288, False),
    ("self-correlation: stride 32, 224 px", "fast", 32, 224, False),
    ("self-correlation: stride 16, 224 px", "fast", 16, 224, False),
    ("self-correlation: stride 16, 288 px", "fast", 16, 288, False),
    ("self-correlation: stride 16, 384 px", "fast", 16, 384, False),
    ("self-correlation and the mirrored image: two passes", "fast", 16, 288, True),
)
IN_USE = INPUTS[5]


def make_localizer(model: str, quality: str, stride: int, side: int) -> ws.Localizer:
    return ws.Localizer(model, quality=quality, input_size=side, output_stride=stride)


def batches_of(
    localizer: ws.Localizer, dataset: ws.data.Dataset, splits: Sequence[str], *, flip: bool = False
) -> tuple[Splits, float]:
    """Run the model once on each image; return samples with their batch of one by split, and CPU seconds per image."""
    index_of, batches, start, images = class_indices(dataset, localizer.class_names), {}, time.process_time(), 0
    frame, method = localizer.preprocessing, find_method(localizer.method)
    cut = split_model(
        localizer.model, torch.randn(1, 3, frame.height, frame.width), layers=localizer.layers, propagate=True
    )
    for split in [one for one in splits if one in dataset.splits]:
        batches[split] = []
        for sample in find_samples(dataset, split, index_of):
            image = resize_image(ws.data.read_image(sample.image.path), frame)
            passes = [image, image.flip(-1)] if flip else [image]
            maps, intermediates = zip(
                *(one_pass(cut, method, one, frame, sample.class_indices[0]) for one in passes), strict=True
            )
            if flip:
                both = propagated(Batch(maps[0], intermediates[0])) + propagated(Batch(maps[1], intermediates[1])).flip(
                    -1
                )
                batches[split].append((sample, Batch(both, ())))
            else:
                batches[split].append((sample, Batch(maps[0], tuple(features.half() for features in intermediates[0]))))
            images += 1
    return batches, (time.process_time() - start) / images


def one_pass(
    cut: ModelCut, method: Method, image: Tensor, frame: Preprocessing, index: int
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """Return the class map as published, and the intermediate features."""
    images = normalize_batch([image], frame)
    intermediates = forward_with_hooks(cut.model, (), images, intermediates=cut.intermediates).intermediates
    return compute_class_maps(
        replace(cut, intermediates=()), images, method, classes=torch.tensor([[index]])
    ).maps, intermediates


def published(batch: Batch) -> Tensor:
    return batch.maps


def propagated(batch: Batch) -> Tensor:
    return feature_affinity(features_of(batch), None).propagate(batch.maps) if batch.intermediates else batch.maps


def features_of(batch: Batch) -> tuple[Tensor, ...]:
    return tuple(features.float() for features in batch.intermediates)


def along(*indices: int, power: float = 1.5, finer: int = 1) -> Step:
    """Self-correlation of some of the intermediate features."""

    def step(batch: Batch) -> Tensor:
        features = [features_of(batch)[i] for i in indices]
        h, w = correlation_grid(features_of(batch))
        size = (finer * h, finer * w)
        return self_correlation(resample(batch.maps, size), unit_features(features, size), power=power)

    return step


def nearby(sigma: float) -> Step:
    """Weight positions by a Gaussian of their distance."""

    def step(batch: Batch) -> Tensor:
        similarity, seeds = affinity(batch)
        h, w = correlation_grid(features_of(batch))
        y, x = torch.meshgrid((torch.arange(h) + 0.5) / h, (torch.arange(w) + 0.5) / w, indexing="ij")
        distance = torch.cdist(*2 * (torch.stack([y.flatten(), x.flatten()], 1),)) ** 2
        similarity = similarity * torch.exp(-distance / (2 * sigma**2))
        return (seeds @ similarity / similarity.sum(1, keepdim=True)).view(1, 1, h, w)

    return step


def against_the_border(weight: float) -> Step:
    """Subtract the similarity to the border of the image."""

    def step(batch: Batch) -> Tensor:
        similarity, seeds = affinity(batch)
        h, w = correlation_grid(features_of(batch))
        border = torch.ones(h, w)
        border[1:-1, 1:-1] = 0
        outside = border.view(1, 1, -1) * (1 - seeds)
        similarity = similarity / similarity.sum(1, keepdim=True)
        return ((seeds - weight * outside / outside.mean()) @ similarity).view(1, 1, h, w)

    return step


def difference_of_means(batch: Batch) -> Tensor:
    """A linear classifier of positions: mean foreground feature minus mean background feature."""
    units = unit_features(features_of(batch), correlation_grid(features_of(batch))).flatten(2)
    seeds = min_max(resample(batch.maps, correlation_grid(features_of(batch)))).flatten(2)
    direction = units @ (seeds - seeds.mean()).mT
    return (direction.mT @ units).view(1, 1, *correlation_grid(features_of(batch)))


def affinity(batch: Batch) -> tuple[Tensor, Tensor]:
    size = correlation_grid(features_of(batch))
    units = unit_features(features_of(batch), size).flatten(2)
    return torch.relu(units.mT @ units) ** 1.5, min_max(resample(batch.maps, size)).flatten(2)


def blurred(batch: Batch) -> Tensor:
    return torch.from_numpy(gaussian_filter(propagated(batch).numpy(), (0, 0, 1, 1), mode="nearest"))


def times_the_map(batch: Batch) -> Tensor:
    maps = propagated(batch)
    return min_max(maps) * min_max(resample(batch.maps, tuple(maps.shape[-2:])))


def propagated_twice(batch: Batch) -> Tensor:
    return feature_affinity(features_of(batch), None).propagate_twice(batch.maps)


STEPS: dict[str, Step] = {
    "first intermediate features alone": along(0),
    "second intermediate features alone": along(1),
    "third intermediate features alone": along(2),
    "last features alone": along(-1),
    "without the first and last features": along(1, 2, 3),
    "cosines to the power 1": along(0, 1, 2, 3, -1, power=1.0),
    "cosines to the power 2": along(0, 1, 2, 3, -1, power=2.0),
    "on a grid twice as fine": along(0, 1, 2, 3, -1, finer=2),
    "propagated twice": propagated_twice,
    "nearby positions only (sigma 0.3 of the image)": nearby(0.3),
    "minus the similarity to the border": against_the_border(0.25),
    "a linear classifier of positions instead": difference_of_means,
    "the propagated map, blurred": blurred,
    "the propagated map times the class map": times_the_map,
}


def most_stable(heatmap: np.ndarray) -> float:
    """Return the threshold around which the box changes least."""
    boxes = component_tree(heatmap, THRESHOLDS).largest_boxes()
    scores = [box_iou(boxes[i : i + 1], boxes[i - 100 : i + 101 : 5]).mean() for i in range(200, 800)]
    return float(THRESHOLDS[200 + int(np.argmax(scores))])


RULES: dict[str, ThresholdRule] = {
    "a threshold for each image: Otsu": lambda heatmap: float(threshold_otsu(heatmap)),
    "a threshold for each image: the most stable box": most_stable,
}


def fit_head(teacher: Step, samples: list[Sample]) -> ForegroundHead:
    """Fit a foreground head to the maps of a split, without its boxes."""
    features = torch.cat(
        [concat_features(features_of(batch), correlation_grid(features_of(batch))) for _, batch in samples]
    )
    maps = torch.cat([min_max(teacher(batch))[:, 0] for _, batch in samples])
    head = fit_foreground(features, maps, seed=0)
    assert head is not None
    return head


def with_head(head: ForegroundHead) -> Step:
    return lambda batch: feature_affinity(features_of(batch), head).propagate(batch.maps)


TEACHERS: dict[str, Step] = {
    "foreground head, fitted to maps propagated twice": propagated_twice,
    "foreground head, fitted to maps propagated once": propagated,
}


def print_quality(name: str, localizer: ws.Localizer, dataset: ws.data.Dataset, baseline: np.ndarray) -> None:
    """Print the row of a quality preset; a model without a foreground head fits one to the images of val."""
    if not localizer.is_adapted:
        localizer.adapt(example.path for example in dataset.of_split("val"))
    outputs, start = [], time.process_time()
    for sample in find_samples(dataset, "val", class_indices(dataset, localizer.class_names)):
        pixels = localizer.resize(ws.data.read_image(sample.image.path))
        (output,) = localizer.class_maps_of([pixels], np.array([[sample.class_indices[0]]]), [localizer.method])
        outputs.append((sample, Batch(torch.from_numpy(output.maps), ())))
    seconds = (time.process_time() - start) / len(outputs)
    print_row(name, published, {"val": outputs}, baseline, seconds=seconds)


def print_row(
    name: str,
    step: Step,
    batches: Splits,
    baseline: np.ndarray,
    *,
    rule: ThresholdRule | None = None,
    by_class: bool = False,
    test: bool = False,
    seconds: float,
) -> None:
    """Print the row of a step."""
    start = time.process_time()
    splits = ("val", "test") if test else ("val",)
    values = {split: ious(step, batches[split], rule) for split in splits}
    seconds += (time.process_time() - start) / sum(map(len, values.values()))
    correct = {split: one >= IOU_THRESHOLD for split, one in values.items()}
    indices = {split: np.full(len(one), nearest(best_threshold(correct["val"]), one)) for split, one in correct.items()}
    if by_class:
        classes = {split: np.array([sample.class_indices[0] for sample, _ in batches[split]]) for split in splits}
        thresholds = best_class_thresholds(correct["val"], classes["val"], max(map(max, classes.values())) + 1)
        indices = {
            split: np.array([nearest(thresholds[c], correct["val"]) for c in classes[split]]) for split in splits
        }
    hits = {split: one[np.arange(len(one)), indices[split]] for split, one in correct.items()}
    mean = np.mean([(values["val"] >= threshold).mean(axis=0).max() for threshold in V2_THRESHOLDS])
    low, high = gain_interval(hits["val"] if by_class else correct["val"], baseline >= IOU_THRESHOLD)
    percent = {split: f"{100 * one.mean():.1f}" for split, one in hits.items()}
    cells = f"{percent['val']} ({100 * mean:.1f}) | {low:+.1f} to {high:+.1f} | {percent.get('test', '')}"
    print(f"| {name} | {cells} | {1000 * seconds:.0f} |", flush=True)


def nearest(threshold: float, values: np.ndarray) -> int:
    """Return the index of the nearest threshold; 0 if a rule gives one threshold per image."""
    return int(np.abs(THRESHOLDS - threshold).argmin()) if values.shape[1] > 1 else 0


def gain_interval(correct: np.ndarray, baseline: np.ndarray, samples: int = 1000) -> tuple[float, float]:
    """Return the 95 % interval of the gain in percent by bootstrap over images, each at its best threshold."""
    random = np.random.default_rng(0)
    gains = []
    for _ in range(samples):
        draw = random.integers(0, len(correct), len(correct))
        gains.append(correct[draw].mean(axis=0).max() - baseline[draw].mean(axis=0).max())
    low, high = np.percentile(gains, (2.5, 97.5))
    return 100 * float(low), 100 * float(high)


def ious(step: Step, samples: list[Sample], rule: ThresholdRule | None = None) -> np.ndarray:
    """Return the best IoU of each image at every threshold, shape (N, T)."""
    return np.array(list(best_ious(step, samples, rule)))


def best_ious(step: Step, samples: list[Sample], rule: ThresholdRule | None) -> Iterator[np.ndarray]:
    """Yield the best IoU of the largest region's box of each image, at every threshold or at that of the rule."""
    for sample, batch in samples:
        height, width = sample.image.size
        boxes = make_target(sample.annotations[0], height=height, width=width).boxes
        with torch.no_grad():
            class_map = step(batch)[0, 0].double().numpy()
        heatmap = heatmap_from_class_map(class_map, height=SIDE, width=SIDE)
        thresholds = THRESHOLDS if rule is None else np.array([min(max(rule(heatmap), 0.005), 1.0)])
        yield box_iou(component_tree(heatmap, thresholds).largest_boxes(), boxes).max(axis=1)


if __name__ == "__main__":
    main()
