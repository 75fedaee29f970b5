"""What a few boxes teach a run that was trained on labels: GT-known Loc on images that no box was drawn in.

    python benchmarks/boxes_teach.py RUN DATA [--boxes 1 2 5 10] [--draws 5] [--split test]

A person is simulated by the true boxes of a few training images of each class: drawn at random; those whose boxes are
most uncertain; typical ones; or as many as weakspot review offers first, which are typical, random and uncertain
ones, of which the uncertain ones choose no thresholds. The thresholds of the run are first chosen without any box, by
edges of the validation images ("labels alone"). Then the boxes choose thresholds only (weakspot threshold), teach a
head as well (weakspot teach), or teach a head that sees no class map ("boxes alone": few-shot, without labels). "By
val" are the same maps at thresholds that all boxes of the validation split choose, which a person with a few boxes
does not have; "oracle" is the best one threshold of the scored images. Mean over the draws, and 1.96 standard errors
of it.
"""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

import weakspot as ws
from weakspot.data import ObjectAnnotation, Sample
from weakspot.data.review_rows import Sampling
from weakspot.inference.localizer import Localizer
from weakspot.labels.typical_images import typical_images
from weakspot.metrics.best_iou import NATIVE_THRESHOLDS
from weakspot.models.checkpoint import read_metadata
from weakspot.models.class_directions import find_contrasts
from weakspot.models.model_info import ModelInfo
from weakspot.models.object_head import ObjectHead
from weakspot.serving.review.items import ClassPrediction, ReviewItem
from weakspot.serving.review.rounds import begin_round
from weakspot.training.lesson import Lesson, held_out_probabilities, learn, right_boxes
from weakspot.training.refit import smooth_scores
from weakspot.training.teach import edges_choose, with_edge_thresholds
from weakspot.training.teaching_content import Drawn
from weakspot.training.teaching_pairs import TeachingPairs, read_pairs
from weakspot.training.thresholds import best_class_thresholds, thresholds_without_boxes

FEW_SHOT = 2  # images of each class up to which boxes alone are measured
COLUMNS = (
    "labels alone",
    "boxes alone",
    "thresholds only",
    "taught",
    "labels, by val",
    "taught, by val",
    "taught, oracle",
)


@dataclass(frozen=True, eq=False)
class Bench:
    """A run that has seen labels alone, and the pairs that may teach it and on which it is scored."""

    info: ModelInfo
    localizer: Localizer
    validation: list[Sample]
    items: list[ReviewItem]  # the images for training, as a review has them
    training: TeachingPairs
    val: TeachingPairs
    tested: TeachingPairs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--boxes", type=int, nargs="+", default=[1, 2, 5, 10, 10_000], help="images of each class")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--split", default="test")
    parser.add_argument("--order", choices=["random", "uncertain", "typical", "review"], default="random")
    options = parser.parse_args()
    torch.set_num_threads(1)
    bench = prepare(options.run, options.data, options.split, options.order)
    images = f"{len(bench.tested.boxes)} images of the split {options.split}"
    print(f"**{options.data.name}**, {images}, {options.order} order of the boxes:\n")
    print(f"| images with boxes of each class | {' | '.join(COLUMNS)} |\n{'|---' * (len(COLUMNS) + 1)}|")
    for count in options.boxes:
        few_shot = count <= FEW_SHOT and options.order == "random"
        rows = []
        for seed, chosen in enumerate(draws(bench, count, options.draws, options.order)):
            rows.append(measure(bench, chosen, seed, few_shot=few_shot))
        name = f"{'all' if len(chosen) == len(bench.training.boxes) else count} ({len(chosen)} images)"
        print(f"| {name} | {' | '.join(map(describe, np.transpose(rows)))} |", flush=True)


def prepare(run: Path, data: Path, split: str, order: str) -> Bench:
    """Read the pairs; those for training come in random order, or by uncertainty."""
    dataset, info = ws.data.read_dataset(data), read_metadata(run).info
    localizer = Localizer(run, uncertainty=True, backend="torch")
    head = localizer.torch_backend.classifier.foreground
    assert head is not None
    head.objects = None
    localizer.set_foreground_head(head)  # removes the thresholds of the classes
    validation = [sample for sample in dataset.samples if sample.split == "val"]
    by_edges = thresholds_without_boxes(localizer, validation)
    info = replace(info, threshold=by_edges.value, class_thresholds=by_edges.per_class)
    training = [sample for sample in dataset.samples if sample.split == "train" and is_simple(sample)]
    val = [sample for sample in validation if is_simple(sample)]
    tested = [sample for sample in dataset.samples if sample.split == split and is_simple(sample)]
    found = [localizer(sample.path, classes=[sample.annotations[0].label]) for sample in training]
    if order == "uncertain":
        ranks = np.argsort([-(one.uncertainty or 0) for one in found], kind="stable")
        training, found = [training[i] for i in ranks], [found[i] for i in ranks]
    pairs = (read_pairs(localizer, [drawn(s, info) for s in samples]) for samples in (training, val, tested))
    without_uncertainty = Localizer(run, backend="torch")  # faster
    return Bench(
        info, without_uncertainty, validation, [item_of(*pair) for pair in zip(training, found, strict=True)], *pairs
    )


def item_of(sample: Sample, found: ws.Localization) -> ReviewItem:
    """Return an image with its prediction, as a review has it."""
    label = sample.annotations[0].label
    prediction = ClassPrediction(label, tuple(ObjectAnnotation(label, tuple(box)) for box in found.boxes.tolist()))
    name, size = sample.image_id, (found.height, found.width)
    logits = () if found.logits is None else tuple(found.logits.tolist())
    return ReviewItem(name, name, sample.path, size, (prediction,), found.uncertainty, logits)


def is_simple(sample: Sample) -> bool:
    """Return whether an image has one class, with boxes."""
    return len(sample.annotations) == 1 and len(sample.annotations[0].boxes) > 0


def drawn(sample: Sample, info: ModelInfo) -> Drawn:
    """Return the class of an image with its boxes, without masks."""
    objects = tuple(replace(item, mask=None, mask_files=()) for item in sample.objects)
    return Drawn(sample, info.class_names.index(objects[0].label), objects)


def draws(bench: Bench, count: int, number: int, order: str) -> Iterator[NDArray[np.intp]]:
    """Yield numbers of pairs, so many of each class: at random; of nine tenths of all, the first or typical ones.

    In the order of a review, they are so many times the number of classes.
    """
    pairs, logits = bench.training, np.array([item.logits for item in bench.items])
    for seed in range(number):
        shuffled = np.random.default_rng(seed).permutation(len(pairs.boxes))
        if order != "random":
            shuffled = np.sort(shuffled[: round(0.9 * len(shuffled))])
        if order == "review":
            yield offered(bench, shuffled, count * len(np.unique(pairs.classes)))
            continue
        of_class = [shuffled[pairs.classes[shuffled] == index] for index in range(pairs.num_classes)]
        if order == "typical":
            of_class = [numbers[typical_images(logits[numbers], count)] for numbers in of_class]
        of_class = [numbers[:count] for numbers in of_class]
        yield np.concatenate(of_class)
        if len(np.concatenate(of_class)) == len(pairs.boxes):
            return  # another draw would be the same


def offered(bench: Bench, numbers: NDArray[np.intp], count: int) -> NDArray[np.intp]:
    """Return the pairs that a review offers first, and remember which of them it offers for their uncertainty."""
    items = [bench.items[i] for i in numbers]
    _, review = begin_round(items, {})
    number_of = {item.name: i for i, item in zip(numbers, items, strict=True)}
    chosen: list[int] = []
    bench.training.by_uncertainty[:] = False
    for offer in review.offers(count):
        how = review.offer_of(offer.image)
        review.add(offer.image, Sampling("", len(chosen), how, right=True))
        chosen.append(number_of[offer.image])
        bench.training.by_uncertainty[chosen[-1]] = how == "uncertain"
    return np.array(chosen)


def select(pairs: TeachingPairs, chosen: NDArray[np.intp]) -> TeachingPairs:
    return replace(
        pairs,
        features=pairs.features[chosen],
        maps=pairs.maps[chosen],
        propagated=pairs.propagated[chosen],
        evidence=pairs.evidence[chosen],
        targets=[pairs.targets[i] for i in chosen],
        boxes=[pairs.boxes[i] for i in chosen],
        classes=pairs.classes[chosen],
        images=np.unique(pairs.images[chosen], return_inverse=True)[1],
        by_uncertainty=pairs.by_uncertainty[chosen],
    )


def measure(bench: Bench, chosen: NDArray[np.intp], seed: int, *, few_shot: bool) -> list[float]:
    """Return the score of each of ``COLUMNS``, in percent; NaN for one that is not measured."""
    pairs, tested, info = select(bench.training, chosen), bench.tested, bench.info
    own = tested.propagated.numpy()
    labels = scores_at(tested, own, thresholds_of(info))
    by_edges = edges_choose(pairs, bench.validation)
    lesson = learn(pairs, info, by_edges=by_edges, seed=seed, on_progress=lambda *_: None)
    if by_edges:
        lesson = with_edge_thresholds(lesson, bench.localizer, bench.validation, pairs, seed)
    only = labels
    if lesson.labels.improves:
        only = scores_at(tested, own, lesson.labels.class_thresholds or (lesson.labels.threshold,))
    taught, oracle = only if lesson.is_better else labels, labels
    labels_by_val = taught_by_val = scores_at(tested, own, by_val(bench, bench.val.propagated.numpy()))
    if lesson.head is not None:
        maps, val_maps = (combine(lesson, item) for item in (tested, bench.val))
        right = np.stack([right_boxes(tested, maps[i], i) for i in range(len(maps))])
        taught = at(right, tested.classes, lesson.chosen.class_thresholds or (lesson.chosen.threshold,))
        taught_by_val = at(right, tested.classes, by_val(bench, val_maps))
        oracle = right.mean(axis=0).max()
    alone = boxes_alone(pairs, tested, info, seed) if few_shot else np.nan
    return [100 * score for score in (labels, alone, only, taught, labels_by_val, taught_by_val, oracle)]


def combine(lesson: Lesson, pairs: TeachingPairs) -> NDArray[np.float32]:
    """Return the final maps of a taught run, (N, h, w)."""
    assert lesson.head is not None
    own = pairs.maps[:, 0].float().numpy()  # on the grid of the head
    maps: NDArray[np.float32] = (1 - lesson.share) * own + lesson.share * probabilities(lesson.head, pairs)
    return maps


def by_val(bench: Bench, maps: NDArray[np.floating]) -> tuple[float, ...]:
    """Return the thresholds, one or one of each class, that the boxes of the validation split choose."""
    right = np.stack([right_boxes(bench.val, maps[i], i) for i in range(len(maps))])
    return best_class_thresholds(right, bench.val.classes, len(bench.info.class_names))


def boxes_alone(pairs: TeachingPairs, tested: TeachingPairs, info: ModelInfo, seed: int) -> float:
    """Return the score of a head that sees no class map; the region of most probability gives the box."""
    pairs, tested = (replace(item, maps=torch.zeros_like(item.maps)) for item in (pairs, tested))
    contrasts = find_contrasts(pairs.features, pairs.targets, torch.from_numpy(pairs.classes))
    held_out = held_out_probabilities(pairs, contrasts, 6, seed=seed, on_progress=lambda *_: None)
    pairs = replace(pairs, evidence=held_out)
    right = np.stack([right_boxes(pairs, held_out[i].numpy(), i) for i in range(len(held_out))])
    thresholds = best_class_thresholds(smooth_scores(right), pairs.classes, len(info.class_names))
    head = pairs.fit(np.arange(len(pairs.boxes)), contrasts, seed=seed, on_step=lambda *_: None)
    maps = probabilities(head, tested)
    tested = replace(tested, evidence=torch.from_numpy(maps))
    return scores_at(tested, maps, thresholds)


def probabilities(head: ObjectHead, pairs: TeachingPairs) -> NDArray[np.float32]:
    """Return the probability of an object at each position, (N, h, w)."""
    found = []
    for part in np.array_split(np.arange(len(pairs.boxes)), -(-len(pairs.boxes) // 16)):
        classes = torch.from_numpy(pairs.classes[part, None])
        found.append(head(pairs.features[part].float(), pairs.maps[part].float()[:, None], classes)[:, 0])
    return torch.sigmoid(torch.cat(found)).numpy()


def thresholds_of(info: ModelInfo) -> tuple[float, ...]:
    return info.class_thresholds or (float(info.threshold or 0),)


def scores_at(pairs: TeachingPairs, maps: NDArray[np.floating], thresholds: tuple[float, ...]) -> float:
    """Return the share of right boxes of maps at one threshold, or that of each class."""
    return at(np.stack([right_boxes(pairs, maps[i], i) for i in range(len(maps))]), pairs.classes, thresholds)


def at(right: NDArray[np.float64], classes: NDArray[np.intp], thresholds: tuple[float, ...]) -> float:
    of_image = np.array(thresholds * (1 + int(classes.max())) if len(thresholds) == 1 else thresholds)[classes]
    columns = np.searchsorted(NATIVE_THRESHOLDS, of_image - 1e-9).clip(0, right.shape[1] - 1)
    return float(right[np.arange(len(right)), columns].mean())


def describe(scores: Sequence[float]) -> str:
    if np.isnan(scores).any():
        return ""
    error = 1.96 * np.std(scores, ddof=1) / len(scores) ** 0.5 if len(scores) > 1 else 0
    return f"{np.mean(scores):.1f} ±{error:.1f}"


if __name__ == "__main__":
    main()
