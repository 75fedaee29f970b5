"""What each step of mil gives on small objects, what a rival gives, and what masks teach on the same features.

    python benchmarks/small_objects_ablation.py RUN DATA [--splits val test] [--seeds 3] [--finer]

RUN is a run of --method mil, from which come the backbone, the size of the images and the logits of images. The heads
are fitted again to the labels of the training images; rows are means over seeds, with standard deviations; one head is
each of the four that are merged. PatchCore, which has one map for all classes, is anomalib's memory of normal
positions, on the same features averaged over 3 x 3 positions; without anomalib, the row is left out. The ceiling is a
head like that of mil, taught by the masks of all training images: in each, positions on the object have the same total
weight, and so have the others. P is the probability of an object, calibrated on val by the logits and the peak of each
row's map. Seconds are CPU time: of fitting, without features, and of the map of an image.
"""

import argparse
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from weakspot.concurrency import batched
from weakspot.data import Sample, read_dataset
from weakspot.evaluation.targets import SIDE, SIZES, Target, make_target
from weakspot.inference.localizer import Localizer
from weakspot.metrics import AUPRO, ImageAUROC, ImagePixelAP, PointingGame, PxAP
from weakspot.models import normalize_batch, position_head
from weakspot.models.affinity import concat_features, correlation_grid, fine_grid
from weakspot.models.position_head import PositionHead, fit_position_head, pool
from weakspot.ops import heatmap_from_class_map
from weakspot.ops.presence import fit_presence, object_log_odds
from weakspot.training.dataset import read_pixels

COLUMNS = (
    "PxAP",
    "PxAP times P",
    "image pixel AP",
    "of small ones",
    "pointing game",
    "of small ones",
    "AUPRO times P",
    "image AUROC of the peak",
    "of P",
    "fit, s",
    "map, s",
)
TOLERANCE = 4  # of the pointing game, as in weakspot evaluate
NEIGHBORS = 25_000, 0.04  # normal positions of which PatchCore's coreset is a share
BACKGROUNDS, BATCH, EPOCHS, RATE, DECAY = 200, 4096, 12, 3e-3, 1e-2  # of the ceiling

Maps = list[NDArray[np.float32]]  # of all classes of each image, shape (C, h, w)
Find = Callable[[Tensor], Tensor]  # features (B, K, h, w) to maps (B, C, h', w')


@dataclass(frozen=True, eq=False)
class Images:
    """Images with the intermediate features of a backbone.

    Attributes:
        intermediates: Feature maps in half precision, the finest first.
        logits: Logits of the classifier, shape (N, C).
        classes: Class of each image, shape (N,).
        targets: Ground truth; None for an image without an object.
        background: Index of the class of these.
    """

    intermediates: tuple[Tensor, ...]
    logits: NDArray[np.float32]
    classes: NDArray[np.intp]
    targets: list[Target | None]
    background: int

    @property
    def has_object(self) -> NDArray[np.bool_]:
        """Whether each image has an object."""
        return self.classes != self.background

    @cached_property
    def on_grid(self) -> Tensor:
        """Features of all images on the grid of mil, in half precision, shape (N, K, h, w)."""
        return torch.cat([self._resampled(i, 1).half() for i in range(len(self.classes))])

    def features(self, index: int, finer: int = 1) -> Tensor:
        """Return the features (1, K, h, w) of an image on the grid of mil, or on a finer one."""
        return self.on_grid[index][None].float() if finer == 1 else self._resampled(index, finer)

    def normal_features(self, finer: int, step: int) -> Tensor:
        """Return the features of every so many images without an object."""
        return torch.cat([self.features(i, finer).half() for i in np.flatnonzero(~self.has_object)[::step]])

    def _resampled(self, index: int, finer: int) -> Tensor:
        maps = [item[index][None].float() for item in self.intermediates]
        height, width = fine_grid(correlation_grid(maps))
        return concat_features(maps, (finer * height, finer * width))


@dataclass(frozen=True, eq=False)
class Row:
    """Maps of val and of a split, one of each seed, and what they cost."""

    name: str
    maps: list[dict[str, Maps]]
    fit_seconds: float
    map_seconds: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--splits", nargs="+", default=["val", "test"])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--bfloat16", action="store_true", help="fit the heads of mil faster, not as the product does")
    parser.add_argument("--finer", action="store_true", help="also a ceiling on a grid twice as fine")
    options = parser.parse_args()
    torch.set_num_threads(1)
    images = read(options.run, options.data, {"train", "val", *options.splits})
    lines: dict[str, list[str]] = {split: [] for split in options.splits}
    for row in all_rows(images, options):
        for split, of_split in lines.items():
            scores = np.array([score(maps, images, split) for maps in row.maps])
            cells = [*map(describe, scores.T), f"{row.fit_seconds:.0f}", f"{row.map_seconds:.2f}"]
            of_split.append(f"| {row.name} | {' | '.join(cells)} |")
            print(split, of_split[-1], file=sys.stderr, flush=True)
    for split, of_split in lines.items():
        count = np.count_nonzero(images[split].has_object)
        print(f"**{options.data.name}**, {count} images with an object of the split {split}:\n")
        print(f"| map | {' | '.join(COLUMNS)} |\n{'|---' * (len(COLUMNS) + 1)}|")
        print("\n".join(of_split) + "\n")


def all_rows(images: dict[str, Images], options: argparse.Namespace) -> Iterator[Row]:
    with patch.object(position_head, "_fit_logits", in_bfloat16 if options.bfloat16 else position_head._fit_logits):
        yield from steps(images, options.seeds)
    yield from rivals(images)
    yield from ceilings(images, options.seeds, options.finer)


def read(run: Path, data: Path, splits: set[str]) -> dict[str, Images]:
    """Read the images of each split, and compute their features and logits with the backbone of a run."""
    localizer, samples = Localizer(run, backend="torch"), read_dataset(data).samples
    return {split: read_split(localizer, [one for one in samples if one.split == split]) for split in sorted(splits)}


@torch.no_grad()
def read_split(localizer: Localizer, samples: Sequence[Sample]) -> Images:
    info, classifier = localizer.config.info, localizer.torch_backend.classifier
    assert info.background_index is not None
    outputs = []
    for batch in batched(samples, 8):
        pixels = [read_pixels(sample, localizer.preprocessing) for sample in batch]
        outputs.append(classifier.run(normalize_batch(pixels, localizer.preprocessing)))
    intermediates = zip(*(output.intermediates for output in outputs), strict=True)
    targets = [target_of(sample, info.class_names[info.background_index]) for sample in samples]
    labels = [sample.annotations[0].label if target else None for sample, target in zip(samples, targets, strict=True)]
    return Images(
        tuple(torch.cat([item.half() for item in items]) for items in intermediates),
        torch.cat([output.logits for output in outputs]).numpy(),
        np.array([info.background_index if label is None else info.class_names.index(label) for label in labels]),
        targets,
        info.background_index,
    )


def target_of(sample: Sample, background: str) -> Target | None:
    """Return the mask of the only object of an image, None if it has none."""
    if not sample.annotations or sample.annotations[0].label == background:
        return None
    (annotation,) = sample.annotations
    assert sample.size is not None
    return make_target(annotation, height=sample.size[0], width=sample.size[1])


def steps(images: dict[str, Images], seeds: int) -> Iterator[Row]:
    """Yield the steps of mil: pooling, the distance, their sum, more heads, and the blur."""
    train = images["train"]
    features, heads = train.on_grid, []
    pools = {"the mean": mean_position, "the best 2 %": best_positions, "half of each": pool}
    for name, pooled in pools.items():
        with patch.object(position_head, "pool", pooled):
            head, seconds = timed(lambda: fit(train, features, 0))
        heads = [head]
        yield row_of(f"logits, pooled by {name}", [logit_maps(unblurred(head, train))], images, seconds)
    yield row_of("distance from normal positions", [distance_maps(heads[0])], images)
    single = [sum_maps(unblurred(apart(heads[0], i), train)) for i in range(position_head._HEADS)]
    yield row_of("logits + distance, one head", single, images, seconds / len(single))
    heads += [fit(train, features, seed) for seed in range(1, seeds)]
    sharp = [sum_maps(unblurred(head, train)) for head in heads]
    yield row_of("logits + distance, four heads", sharp, images, seconds)
    yield row_of("the same, logits blurred: mil", [sum_maps(head) for head in heads], images, seconds)


def fit(images: Images, features: Tensor, seed: int) -> PositionHead:
    """Fit the head of mil to labels."""
    return fit_position_head(features, one_hot(images), images.background, seed=seed)


def in_bfloat16(features: Tensor, targets: Tensor, fit_logits: Callable[..., Any] = position_head._fit_logits) -> Any:
    with torch.autocast("cpu", torch.bfloat16):
        return fit_logits(features, targets)


def one_hot(images: Images) -> Tensor:
    return F.one_hot(torch.from_numpy(images.classes), images.logits.shape[1]).float()


def mean_position(logits: Tensor) -> Tensor:
    return logits.mean(dim=(2, 3))


def best_positions(logits: Tensor) -> Tensor:
    return 2 * pool(logits) - mean_position(logits)


def apart(merged: PositionHead, index: int) -> PositionHead:
    """Return one of the heads that were merged; its bias is the mean of all, which no standardized term depends on."""
    channels, weights = slice(index * position_head.WIDTH, (index + 1) * position_head.WIDTH), merged.state_dict()
    weights |= {name: weights[name][channels] for name in ("hidden.weight", "hidden.bias")}
    weights["output.weight"] = weights["output.weight"][:, channels] * position_head._HEADS
    return loaded(PositionHead(merged.channels, len(weights["output.bias"])), weights)


class UnblurredHead(PositionHead):
    """A head whose logits are not blurred."""

    def terms(self, features: Tensor) -> Tensor:
        """Return both terms, not standardized."""
        logits = self.logits(features)
        ratios = logits - logits.index_select(1, self.background[None])
        return torch.cat([ratios, self.distance(features)], dim=1)


def unblurred(head: PositionHead, images: Images) -> PositionHead:
    """Return a head without the blur, standardized by every fourth image without an object."""
    width, weights = head.hidden.out_channels, head.state_dict()
    plain = loaded(UnblurredHead(head.channels, len(weights["output.bias"]), width), weights)
    position_head._standardize(plain, images.normal_features(1, 4))
    return plain


def loaded(head: PositionHead, weights: dict[str, Tensor]) -> PositionHead:
    head.load_state_dict(weights)
    return head.eval().requires_grad_(False)


def terms_of(head: PositionHead, features: Tensor) -> Tensor:
    """Return both standardized terms, of each class and the distance, none below 0."""
    return ((head.terms(features) - head.shift[:, None, None]) / head.scale[:, None, None]).clamp_min(0)


def logit_maps(head: PositionHead) -> Find:
    return lambda features: terms_of(head, features)[:, :-1]


def distance_maps(head: PositionHead) -> Find:
    return lambda features: terms_of(head, features)[:, -1:].expand(-1, len(head.scale) - 1, -1, -1)


def sum_maps(head: PositionHead) -> Find:
    classes = torch.arange(len(head.scale) - 1)[None]
    return lambda features: head(features, classes.expand(len(features), -1))


def rivals(images: dict[str, Images]) -> Iterator[Row]:
    """Yield the map of PatchCore, on the same features."""
    if find_spec("anomalib") is not None:
        find, seconds = timed(lambda: patchcore(images["train"]))
        yield row_of("PatchCore (anomalib), same features", [find], images, seconds)


def patchcore(images: Images) -> Find:
    """Return PatchCore's map, with its Gaussian blur of 4 pixels of the resized image, half a position.

    Source:
        Roth et al., "Towards Total Recall in Industrial Anomaly Detection", CVPR 2022.
    """
    from anomalib.models.image.patchcore.torch_model import PatchcoreModel

    torch.manual_seed(0)
    model = PatchcoreModel(layers=["layer1"], backbone="resnet18", pre_trained=False)  # its backbone is not used
    normal = images.normal_features(1, 1)
    step = max(1, normal[:, 0].numel() // NEIGHBORS[0])
    model.embedding_store = [position_head.smooth(one[None].float())[0].flatten(1)[:, ::step].T for one in normal]
    model.subsample_embedding(NEIGHBORS[1])

    def find(features: Tensor) -> Tensor:
        flat = model.reshape_embedding(position_head.smooth(features))
        distances, _ = model.nearest_neighbors(flat, n_neighbors=1)
        grid = distances.reshape(len(features), 1, *features.shape[-2:])
        blurred = model.anomaly_map_generator(grid, (SIDE, SIDE))
        return blurred.expand(-1, images.logits.shape[1], -1, -1)

    return find


def ceilings(images: dict[str, Images], seeds: int, with_finer: bool) -> Iterator[Row]:
    """Yield maps of heads that masks have taught, on the grid of mil and on a finer one."""
    fitted = [timed(lambda seed=seed: fit_masks(images["train"], 1, seed)) for seed in range(seeds)]
    heads, seconds = [head for head, _ in fitted], fitted[0][1]
    yield row_of("taught by masks: logits", [logit_maps(head) for head in heads], images, seconds)
    yield row_of("taught by masks: logits + distance", [sum_maps(head) for head in heads], images, seconds)
    if with_finer:
        finer, seconds = timed(lambda: fit_masks(images["train"], 2, 0))
        yield row_of("taught by masks: logits, 2x finer grid", [logit_maps(finer)], images, seconds, 2)


def fit_masks(images: Images, finer: int, seed: int) -> PositionHead:
    """Fit a head of the same form as four merged ones to positions of training images, by their masks."""
    torch.manual_seed(seed)
    inputs, targets, weights = taught_positions(images, finer)
    head = PositionHead(inputs.shape[1], images.logits.shape[1], position_head._HEADS * position_head.WIDTH).train()
    optimizer = torch.optim.AdamW(head.parameters(), lr=RATE, weight_decay=DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=EPOCHS * -(-len(inputs) // BATCH))
    for batch in [batch for _ in range(EPOCHS) for batch in torch.randperm(len(inputs)).split(BATCH)]:
        logits = head.logits(inputs[batch].float()[:, :, None, None])[:, :, 0, 0]
        losses = F.cross_entropy(logits, targets[batch], reduction="none")
        optimizer.zero_grad()
        ((losses * weights[batch]).sum() / weights[batch].sum()).backward()
        optimizer.step()
        schedule.step()
    head.eval().requires_grad_(False)
    normal = images.normal_features(finer, 4 * finer)
    with patch.object(position_head, "_fit_logits", return_value=head):
        return fit_position_head(
            normal, one_hot(images)[~images.has_object][: len(normal)], images.background, seed=seed
        )


def taught_positions(images: Images, finer: int) -> tuple[Tensor, Tensor, Tensor]:
    """Draw positions of training images: all on an object, and some others.

    Returns:
        Features (n, K); probabilities of the classes (n, C), by the share of a position that the mask covers; weights.
    """
    drawn = []
    for i, target in enumerate(images.targets):
        features = images.features(i, finer)[0].flatten(1)
        covered = share_of_positions(target, int(features.shape[1] ** 0.5))
        on_object, others = torch.nonzero(covered)[:, 0], torch.nonzero(covered == 0)[:, 0]
        others = others[torch.randperm(len(others))[:BACKGROUNDS]]
        chosen = torch.cat([on_object, others])
        share = covered[chosen]
        probabilities = torch.zeros(len(chosen), images.logits.shape[1])
        probabilities[:, images.background] = 1 - share
        probabilities[:, images.classes[i]] += share
        weights = torch.where(share > 0, 1 / share.sum().clamp_min(1e-6), 1 / max(len(others), 1))
        drawn.append((features[:, chosen].T.half(), probabilities, weights))
    inputs, targets, weights = (torch.cat(items) for items in zip(*drawn, strict=True))
    return inputs, targets, weights


def share_of_positions(target: Target | None, side: int) -> Tensor:
    """Return the share of each position that the mask covers, shape (side * side,)."""
    if target is None or target.mask is None:
        return torch.zeros(side * side)
    return F.adaptive_avg_pool2d(torch.from_numpy(target.mask == 1).float()[None], side).flatten()


def row_of(name: str, finds: Sequence[Find], images: dict[str, Images], seconds: float = 0, finer: int = 1) -> Row:
    """Compute the maps of val and the other splits; the seconds of a map are without those of its features."""
    found, total, count = [], 0.0, 0
    for find in finds:
        of_splits: dict[str, Maps] = {}
        for split in images.keys() - {"train"}:
            maps = of_splits[split] = []
            for i in range(len(images[split].classes)):
                features = images[split].features(i, finer)
                class_maps, of_map = timed(lambda find=find, features=features: find(features))
                maps.append(class_maps[0].numpy().astype(np.float32))
                total, count = total + of_map, count + 1
        found.append(of_splits)
    return Row(name, found, seconds, total / count)


def score(maps: dict[str, Maps], images: dict[str, Images], split: str) -> list[float]:
    """Return the figures of a row's columns."""
    tested = images[split]
    val_peaks, peaks = (peaks_of(maps[name], images[name]) for name in ("val", split))
    val_odds, odds = (object_log_odds(images[name].logits, tested.background) for name in ("val", split))
    presence = fit_presence(val_odds, val_peaks, images["val"].has_object)
    probability = 1 / (1 + np.exp(-presence.log_odds(odds, peaks)))
    plain, weighted, regions = PxAP(), PxAP(), AUPRO()
    of_image, pointing = ImagePixelAP(groups=len(SIZES)), PointingGame(TOLERANCE, groups=len(SIZES))
    for i, target in enumerate(tested.targets):
        shown = tested.classes[i] if target else most_probable(tested, i)[0]
        heatmap = heatmap_from_class_map(maps[split][i][shown], height=SIDE, width=SIDE).astype(np.float64)[None]
        mask = np.zeros((1, SIDE, SIDE), np.uint8) if target is None else known(target.mask)[None]
        regions.update(probability[i] * heatmap, mask)
        if target is not None:
            plain.update(heatmap, mask)
            weighted.update(probability[i] * heatmap, mask)
            of_image.update(heatmap, mask, np.array([target.size]))
            pointing.update(heatmap, masks=mask, groups=np.array([target.size]))
    values = [float(metric.compute()) for metric in (plain, weighted, of_image, pointing, regions)]
    small = [float(metric.per_group()[0]) for metric in (of_image, pointing)]
    ranked = [auroc(scores, tested.has_object) for scores in (peaks, probability)]
    return [*values[:3], small[0], values[3], small[1], values[4], *ranked]


def known(mask: NDArray[np.uint8] | None) -> NDArray[np.uint8]:
    assert mask is not None
    return mask


def most_probable(images: Images, index: int) -> NDArray[np.intp]:
    """Return the classes of objects, the most probable first."""
    order = np.argsort(-images.logits[index], kind="stable")
    return order[order != images.background]


def peaks_of(maps: Maps, images: Images) -> NDArray[np.float64]:
    """Return the peak of each image: that of its two most probable classes of objects, as the product does."""
    return np.array([float(one[most_probable(images, i)[:2]].max()) for i, one in enumerate(maps)])


def auroc(scores: NDArray[np.float64], has_object: NDArray[np.bool_]) -> float:
    metric = ImageAUROC()
    metric.update(scores, has_object)
    return float(metric.compute())


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """Return what a function returns, and the CPU seconds that it took."""
    start = time.process_time()
    return function(), time.process_time() - start


def describe(values: NDArray[np.float64]) -> str:
    """Return the mean over seeds, and the standard deviation."""
    return f"{values.mean():.1f}" + (f" ±{values.std(ddof=1):.1f}" if len(values) > 1 else "")


if __name__ == "__main__":
    main()
