"""What each step is worth, those that were kept and those that were not: one row a step, val first, test once.

    python benchmarks/ablation.py MODEL DATA

MODEL is a name or a run, DATA a folder with splits val and test. GT-known Loc of the largest region in the 224 square,
at the threshold that is best on val; "mean" is over overlaps of 0.3, 0.5 and 0.7, each at its best threshold on val.
The first rows say what is read, those below them what is done with it, in place of the step that is kept.
"""

import argparse
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from skimage.filters import threshold_otsu
from torch import Tensor

import weakspot as ws
from weakspot.cams import Method, find_method, self_correlation, unit_features
from weakspot.cams.normalising import min_max
from weakspot.cams.self_correlation import on_grid
from weakspot.data import Preprocessing
from weakspot.evaluation.cases import Case, find_cases
from weakspot.evaluation.class_indices import class_indices
from weakspot.evaluation.targets import SIDE, target
from weakspot.metrics import overlaps
from weakspot.models import Cut as ModelCut
from weakspot.models import cut_model, fit_foreground, normalised, read, squash
from weakspot.models.class_maps import class_maps
from weakspot.models.foreground import ForegroundHead
from weakspot.models.surfaces import correlation_grid, read_surfaces, stacked
from weakspot.ops import component_tree, heatmap_from_class_map, scale_boxes

CUTS = np.arange(1, 201) / 200
LEVELS = (0.3, 0.5, 0.7)


@dataclass(frozen=True)
class Batch:
    """What one forward pass gave: class maps (B, 1, h, w), and the levels of the backbone."""

    maps: Tensor
    levels: tuple[Tensor, ...]


Read = dict[str, list[tuple[Case, Batch]]]
Step = Callable[[Batch], Tensor]
Cut = Callable[[np.ndarray], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("data")
    options = parser.parse_args()
    dataset = ws.data.read_dataset(options.data)
    print("| step | val GT-known | val mean | test GT-known | ms an image |\n|---|---|---|---|---|")
    for name, quality, stride, side, flip in READINGS:
        localizer = ws.Localizer(options.model, quality=quality, input_size=side, output_stride=stride)
        batches, seconds = batches_of(localizer, dataset, flip=flip)
        step = spread if quality == "fast" else published
        row(name, step, batches, seconds=seconds)
        if name == KEPT:
            kept = batches, seconds
    batches, seconds = kept
    for name, step in STEPS.items():
        row(name, step, batches, seconds=seconds)
    for name, cut in RULES.items():
        row(name, spread, batches, cut=cut, seconds=seconds)
    for name, teacher in TEACHERS.items():
        begun = time.perf_counter()
        head = taught(teacher, batches["train" if "train" in batches else "val"])
        spent = time.perf_counter() - begun
        row(f"{name}, fitted in {spent:.0f} s", with_head(head), batches, seconds=seconds)


READINGS = (
    # name, quality, output stride, side, flipped as well
    ("as published: stride 32, 224 px", "plain", 32, 224, False),
    ("stride 16", "plain", 16, 224, False),
    ("stride 16, 288 px", "plain", 16, 288, False),
    ("self-correlation: stride 32, 224 px", "fast", 32, 224, False),
    ("self-correlation: stride 16, 224 px", "fast", 16, 224, False),
    ("self-correlation: stride 16, 288 px (kept: fast)", "fast", 16, 288, False),
    ("self-correlation: stride 16, 384 px", "fast", 16, 384, False),
    ("self-correlation and the mirrored image: two passes", "fast", 16, 288, True),
)
KEPT = READINGS[5][0]


def batches_of(localizer: ws.Localizer, dataset: ws.data.DataSet, *, flip: bool) -> tuple[Read, float]:
    """Read every image of the splits once: by split the cases, each with its batch of one; and seconds an image."""
    index_of, found, begun, images = class_indices(dataset, localizer.class_names), {}, time.perf_counter(), 0
    frame, method = localizer.preprocessing, find_method(localizer.method)
    cut = cut_model(localizer.model, torch.randn(1, 3, frame.height, frame.width), layers=localizer.layers, spread=True)
    for split in [one for one in ("train", "val", "test") if one in dataset.splits]:
        found[split] = []
        for case in find_cases(dataset, split, index_of):
            photo = squash(ws.data.read_image(case.example.path), frame)
            passes = [photo, photo.flip(-1)] if flip else [photo]
            maps, levels = zip(*(one_pass(cut, method, one, frame, case.classes[0]) for one in passes), strict=True)
            if flip:
                both = spread(Batch(maps[0], levels[0])) + spread(Batch(maps[1], levels[1])).flip(-1)
                found[split].append((case, Batch(both, ())))
            else:
                found[split].append((case, Batch(maps[0], tuple(level.half() for level in levels[0]))))
            images += 1
    return found, (time.perf_counter() - begun) / images


def one_pass(
    cut: ModelCut, method: Method, photo: Tensor, frame: Preprocessing, index: int
) -> tuple[Tensor, tuple[Tensor, ...]]:
    """The class map as published, and the levels."""
    images = normalised([photo], frame, like=torch.empty(0))
    levels = read(cut.model, (), images, levels=cut.levels).levels
    return class_maps(replace(cut, levels=()), images, method, classes=torch.tensor([[index]])).maps, levels


def published(batch: Batch) -> Tensor:
    return batch.maps


def spread(batch: Batch) -> Tensor:
    return read_surfaces(wide(batch), None).spread(batch.maps) if batch.levels else batch.maps


def wide(batch: Batch) -> tuple[Tensor, ...]:
    return tuple(level.float() for level in batch.levels)


def along(*which: int, power: float = 1.5, finer: int = 1) -> Step:
    """Self-correlation along some of the levels."""

    def step(batch: Batch) -> Tensor:
        levels = [wide(batch)[i] for i in which]
        h, w = correlation_grid(wide(batch))
        size = (finer * h, finer * w)
        return self_correlation(on_grid(batch.maps, size), unit_features(levels, size), power=power)

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
    seeds = min_max(on_grid(batch.maps, correlation_grid(wide(batch)))).flatten(2)
    direction = units @ (seeds - seeds.mean()).mT
    return (direction.mT @ units).view(1, 1, *correlation_grid(wide(batch)))


def affinity(batch: Batch) -> tuple[Tensor, Tensor]:
    size = correlation_grid(wide(batch))
    units = unit_features(wide(batch), size).flatten(2)
    return torch.relu(units.mT @ units) ** 1.5, min_max(on_grid(batch.maps, size)).flatten(2)


def blurred(batch: Batch) -> Tensor:
    return torch.from_numpy(gaussian_filter(spread(batch).numpy(), (0, 0, 1, 1), mode="nearest"))


def times_the_map(batch: Batch) -> Tensor:
    found = spread(batch)
    return min_max(found) * min_max(on_grid(batch.maps, tuple(found.shape[-2:])))


def twice(batch: Batch) -> Tensor:
    return read_surfaces(wide(batch), None).cover(batch.maps)


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
    scores = [overlaps(boxes[i : i + 1], boxes[i - 20 : i + 21]).mean() for i in range(40, 160)]
    return float(CUTS[40 + int(np.argmax(scores))])


RULES: dict[str, Cut] = {
    "a threshold for each image: Otsu": lambda heatmap: float(threshold_otsu(heatmap)),
    "a threshold for each image: the most stable box": stable,
}


def taught(teacher: Step, lessons: list[tuple[Case, Batch]]) -> ForegroundHead:
    """Fit a foreground head to maps of a split, whose boxes are not looked at."""
    features = torch.cat([stacked(wide(batch), correlation_grid(wide(batch))) for _, batch in lessons])
    maps = torch.cat([min_max(teacher(batch))[:, 0] for _, batch in lessons])
    head = fit_foreground(features, maps, seed=0)
    assert head is not None
    return head


def with_head(head: ForegroundHead) -> Step:
    return lambda batch: read_surfaces(wide(batch), head).spread(batch.maps)


TEACHERS: dict[str, Step] = {
    "foreground head, taught by maps spread twice (kept)": twice,
    "foreground head, taught by maps spread once": spread,
}


def row(name: str, step: Step, batches: Read, *, cut: Cut | None = None, seconds: float) -> None:
    """Print what a step is worth."""
    begun = time.perf_counter()
    val, test = (np.array(list(best_overlaps(step, batches[split], cut))) for split in ("val", "test"))
    spent = seconds + (time.perf_counter() - begun) / (len(val) + len(test))
    at = (val >= 0.5).mean(axis=0).argmax()
    mean = np.mean([(val >= level).mean(axis=0).max() for level in LEVELS])
    gt = [100 * (found[:, at] >= 0.5).mean() for found in (val, test)]
    print(f"| {name} | {gt[0]:.1f} | {100 * mean:.1f} | {gt[1]:.1f} | {1000 * spent:.0f} |", flush=True)


def best_overlaps(step: Step, read_: list[tuple[Case, Batch]], cut: Cut | None) -> Iterator[np.ndarray]:
    """For each image the best overlap of the largest region's box, at every threshold or at the rule's."""
    for case, batch in read_:
        height, width = case.example.size
        boxes = target(case.truths[0], height=height, width=width).boxes
        with torch.no_grad():
            class_map = step(batch)[0, 0].double().numpy()
        heatmap = heatmap_from_class_map(class_map, height=SIDE, width=SIDE)
        cuts = CUTS if cut is None else np.array([min(max(cut(heatmap), 0.005), 1.0)])
        found = component_tree(heatmap, cuts).largest_boxes()
        yield overlaps(scale_boxes(found, from_size=(SIDE, SIDE), to_size=(SIDE, SIDE)), boxes).max(axis=1)


if __name__ == "__main__":
    main()
