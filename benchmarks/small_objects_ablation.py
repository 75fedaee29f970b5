"""What each part of mil gives on small objects, what a rival gives, and what boxes and masks add: PxAP, AP and others.

    python benchmarks/small_objects_ablation.py RUN DATA [--splits val test] [--rows 0 1 ...]

RUN is a run of --method mil that was trained on labels; all rows have its backbone, size of images and classifier,
and a position head that is fitted anew. Each is written as a run, with thresholds and the probability of an object
from val, and measured as weakspot evaluate does. PatchCore (Roth et al., "Towards Total Recall in Industrial Anomaly
Detection", CVPR 2022) is a greedy coreset of positions of normal images in place of the Mahalanobis distance, on the
same features. With the boxes or masks of all training images, the head is as good as these features and this head
allow. Seconds are CPU time: of fitting, without features, and of an image.
"""

import argparse
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from math import log
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import torch
from small_objects import COLUMNS, cells
from torch import Tensor

import weakspot as ws
from weakspot.data import Dataset, Sample
from weakspot.inference.localizer import Localizer
from weakspot.inference.zoom import ZOOMS
from weakspot.models import position_head
from weakspot.models.checkpoint import read_metadata, rewrite_heads
from weakspot.models.position_head import PositionHead, fit_position_head, smooth
from weakspot.training import positions
from weakspot.training.labels import Labels
from weakspot.training.presence import fit_run_presence
from weakspot.training.thresholds import choose_thresholds

CANDIDATES, CORESET = 20_000, 2_000  # normal positions
ABSENT = 1e9  # standard deviations that make a term vanish
TIMED = 20  # images
Kept = tuple[bool, bool]  # whether a head keeps its class logits, and its distance


@dataclass(frozen=True)
class Row:
    """A head: constants of its fit, its terms, what it learns from, whether its distance is PatchCore's, and zooms."""

    name: str
    kept: Kept = (True, True)
    constants: Mapping[str, Any] = field(default_factory=dict)
    learns_from: str = "labels"
    is_patchcore: bool = False
    zooms: int = 0


def log_sum_exp(logits: Tensor) -> Tensor:
    """Pool logits of positions (B, C, h, w) by a smooth maximum (Pinheiro and Collobert, CVPR 2015)."""
    flat = logits.flatten(2)
    return flat.logsumexp(dim=2) - log(flat.shape[2])


def attention(logits: Tensor) -> Tensor:
    """Pool logits of positions (B, C, h, w) by their mean, weighted by their softmax."""
    flat = logits.flatten(2)
    return (flat.softmax(dim=2) * flat).sum(dim=2)


def best(logits: Tensor) -> Tensor:
    """Pool logits of positions (B, C, h, w) by the mean of the best 2 %."""
    flat = logits.flatten(2)
    return flat.topk(max(1, int(0.02 * flat.shape[2])), dim=2).values.mean(dim=2)


ROWS = (
    Row("class logits, mean of all positions", (True, False), {"pool": lambda logits: logits.mean(dim=(2, 3))}),
    Row("class logits, best 2 % of positions", (True, False), {"pool": best}),
    Row("class logits, half of each", (True, False)),
    Row("distance alone: no class is learned", (False, True)),
    Row("PatchCore's distance alone", (False, True), is_patchcore=True),
    Row("class logits and PatchCore's distance", is_patchcore=True),
    Row("class logits and distance, one head of four", constants={"_HEADS": 1}),
    Row("class logits and distance, not blurred", constants={"blur": lambda maps: maps}),
    Row("mil: class logits and distance"),
    Row("mil, and boxes of all training images", learns_from="boxes"),
    Row("mil, and masks of all training images", learns_from="masks"),
    Row("class logits, log-sum-exp", (True, False), {"pool": log_sum_exp}),
    Row("class logits, attention", (True, False), {"pool": attention}),
    Row("mil, with zoom", zooms=ZOOMS),
    Row("mil and masks, with zoom", learns_from="masks", zooms=ZOOMS),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--splits", nargs="+", default=["val", "test"])
    parser.add_argument("--rows", type=int, nargs="+", default=range(len(ROWS)))
    options = parser.parse_args()
    torch.set_num_threads(1)
    dataset = ws.data.read_dataset(options.data)
    read = {kind: inputs(options.run, dataset, kind) for kind in {ROWS[i].learns_from for i in options.rows}}
    lines: dict[str, list[str]] = {split: [] for split in options.splits}
    for row in (ROWS[i] for i in options.rows):
        with TemporaryDirectory() as folder:
            found = measure(row, read[row.learns_from], options.run, Path(folder) / "run", dataset, options.splits)
        for split, values in found.items():
            lines[split].append(f"| {row.name} | {' | '.join(values)} |")
            print(split, lines[split][-1], file=sys.stderr, flush=True)
    for split, of_split in lines.items():
        print(f"**{options.data.name}**, split {split}:\n")
        print(f"| head | {' | '.join(COLUMNS[1:])} | fit, s | image, s |\n{'|---' * (len(COLUMNS) + 2)}|")
        print("\n".join(of_split) + "\n")


def inputs(run: Path, dataset: Dataset, learns_from: str) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Return the arguments with which weakspot train fits a position head."""
    localizer, training = Localizer(run, backend="torch"), of_split(dataset, "train")
    if learns_from == "boxes":
        training = [replace(one, objects=tuple(replace(it, mask_files=()) for it in one.objects)) for one in training]
    with patch.object(positions, "fit_position_head", lambda *values, **named: (values, named)):
        found: Any = positions.fit_run_positions(
            localizer, training, labels_of(run), seed=0, use_boxes=learns_from != "labels"
        )
    return found  # type: ignore[no-any-return]


def of_split(dataset: Dataset, split: str) -> list[Sample]:
    return [sample for sample in dataset.samples if sample.split == split]


def labels_of(run: Path) -> Labels:
    info = read_metadata(run).info
    assert info.background_index is not None
    return Labels(info.class_names, False, info.background_index, info.class_names[info.background_index])


def measure(
    row: Row,
    arguments: tuple[tuple[Any, ...], dict[str, Any]],
    run: Path,
    target: Path,
    dataset: Dataset,
    splits: Sequence[str],
) -> dict[str, list[str]]:
    """Fit a head, write it as a run, and return its figures on each split, and the seconds."""
    values, named = arguments
    with ExitStack() as patched:
        for name, value in row.constants.items():
            patched.enter_context(patch.object(position_head, name, value))
        if row.is_patchcore:
            background = named.get("background", values[2])
            normal = values[0][values[1][:, background] == 1]
            patched.enter_context(patch.object(PositionHead, "distance", patchcore(normal)))
        started = time.process_time()
        head = fit_position_head(*values, **named)
        fit_seconds = time.process_time() - started
        classes, distance = row.kept
        head.scale[:-1] *= 1 if classes else ABSENT
        head.scale[-1:] *= 1 if distance else ABSENT
        write(head, run, target, dataset, row.zooms)
        rows = {}
        for split in splits:
            found = next(iter(ws.evaluate(target, dataset, test_split=split).to_dict()["rows"].values()))
            rows[split] = cells(found["figures"], found["detection"])
        localizer, timed = Localizer(target, backend="torch"), of_split(dataset, "val")[:TIMED]
        started = time.process_time()
        for sample in timed:
            localizer(sample.path)
        seconds = (time.process_time() - started) / len(timed)
    return {split: [*values, f"{fit_seconds:.0f}", f"{seconds:.2f}"] for split, values in rows.items()}


def write(head: PositionHead, run: Path, target: Path, dataset: Dataset, zooms: int) -> None:
    """Write a copy of a run with another position head, and thresholds and the probability of an object for it."""
    shutil.copytree(run, target)
    metadata, localizer, validation = read_metadata(run), Localizer(run, backend="torch"), of_split(dataset, "val")
    foreground = localizer.torch_backend.classifier.foreground
    assert foreground is not None
    foreground.positions = head
    localizer.set_foreground_head(foreground)
    localizer.set_zooms(zooms)
    chosen = choose_thresholds(localizer, dataset, validation)
    info = replace(metadata.info, threshold=chosen.value, class_thresholds=chosen.per_class, presence=None, zooms=zooms)
    presence = fit_run_presence(localizer.torch_backend, info, validation, labels_of(run))
    rewrite_heads(target, replace(metadata, info=replace(info, presence=presence)), foreground)


def patchcore(normal: Tensor) -> Callable[[PositionHead, Tensor], Tensor]:
    """Return a method that gives the logarithm of the distance to the nearest position of a coreset of normal ones."""
    generator = torch.Generator().manual_seed(0)
    of_image = max(1, CANDIDATES // len(normal))
    drawn = []
    for image in normal:
        found = smooth(image[None].float())[0].flatten(1).T
        drawn.append(found[torch.randperm(len(found), generator=generator)[:of_image]])
    candidates = torch.cat(drawn)
    nearest = torch.full((len(candidates),), torch.inf)
    chosen = [0]
    for _ in range(min(CORESET, len(candidates)) - 1):
        nearest = torch.minimum(nearest, (candidates - candidates[chosen[-1]]).square().sum(dim=1))
        chosen.append(int(nearest.argmax()))
    memory = candidates[chosen]

    def distance(_: PositionHead, features: Tensor) -> Tensor:
        averaged = smooth(features)
        flat = averaged.flatten(2).transpose(1, 2)
        distances = torch.stack([torch.cdist(one, memory).amin(dim=1) for one in flat])
        return distances.clamp_min(1e-6).log().reshape(len(features), 1, *features.shape[-2:])

    return distance


if __name__ == "__main__":
    main()
