"""The cost of exact evaluation, compared with a straightforward implementation and with the classifier itself.

Three tables. Maps: the component tree against a loop of OpenCV's findContours over the same 1000 thresholds, and pixel
counts against two calls of numpy's histogram; one core. Memory: the state of the metrics after few and many images.
Overlap: evaluating a set (maps, contours, components, metrics, bootstrap) against running the classifier on the same
images.

    python benchmarks/evaluation.py                  maps and memory
    python benchmarks/evaluation.py --data DATA      also the comparison with inference, on DATA (imagenet-boxes)
    python benchmarks/evaluation.py --data DATA --only overlap

All times are process CPU time, medians of interleaved rounds; ratios are computed within one run.
"""

import argparse
import resource
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from timing import interleaved

import weakspot as ws
from weakspot.concurrency import batched, ordered_map
from weakspot.config import PRETRAINED
from weakspot.data import read_dataset, read_image
from weakspot.evaluation import EvaluationConfig, evaluate
from weakspot.metrics import MaxBoxAcc, MaxBoxAccV2, PxAP, pixel_counts, reference_overlaps
from weakspot.models import PACKAGES, normalize_batch, resize_image
from weakspot.ops import normalize, resize

SIDE = 224
THRESHOLDS = np.arange(0, 1, 0.001)
EDGES = np.concatenate([THRESHOLDS, [1.0, 2.0, 3.0]])
TRUTH = np.array([[60, 50, 170, 180]])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="data set with boxes and classes of ImageNet")
    parser.add_argument("--split", default="all")
    parser.add_argument("--models", nargs="+", default=["tf_efficientnet_lite0", "resnet50"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", choices=["overlap"])
    options = parser.parse_args()
    cv2.setNumThreads(1)
    if options.only is None:
        print_maps(options.rounds)
        print_pixels(options.rounds)
        print_memory()
    if options.data is None:
        print("The comparison with inference needs --data.", file=sys.stderr)
    else:
        print_overlap(options.data, options.split, options.models, options.rounds)


def score_maps(count: int) -> dict[str, list[NDArray[np.float64]]]:
    """Return maps upsampled from grids of three sizes, and the worst case: noise in every pixel."""
    random = np.random.default_rng(0)
    grids = {f"{side} x {side} grid": [random.random((side, side)) for _ in range(count)] for side in (7, 14, 28)}
    maps = {name: [resize(grid, height=SIDE, width=SIDE) for grid in batch] for name, batch in grids.items()}
    maps["noise in every pixel"] = [random.random((SIDE, SIDE)) for _ in range(2)]
    return {name: [normalize(score_map).astype(np.float64) for score_map in batch] for name, batch in maps.items()}


def print_maps(rounds: int) -> None:
    print("| map | regions | findContours loop, ms per map | component tree, ms per map | speedup |")
    print("|---|---|---|---|---|")
    for name, maps in score_maps(6).items():
        for regions in ("largest", "all"):
            runs = {
                "loop": lambda maps=maps, regions=regions: [contour_loop(one, TRUTH, regions) for one in maps],
                "tree": lambda maps=maps, regions=regions: [reference_overlaps(one, TRUTH, regions) for one in maps],
            }
            assert all(np.array_equal(*pair) for pair in zip(*(run() for run in runs.values()), strict=True))
            seconds = interleaved(runs, 1 if "noise" in name else rounds)
            slow, fast = (1000 * seconds[run].cpu / len(maps) for run in runs)
            print(f"| {name} | {regions} | {slow:.1f} | {fast:.2f} | {slow / fast:.0f} |", flush=True)


def contour_loop(score_map: NDArray[np.float64], truth: NDArray[np.int64], regions: str) -> NDArray[np.float64]:
    """Compute the best IoU at each threshold by thresholding, finding contours and comparing their boxes."""
    levels = (score_map * 255).astype(np.uint8)
    best = []
    for threshold in THRESHOLDS:
        _, binary = cv2.threshold(levels, int(threshold * levels.max()), 255, cv2.THRESH_BINARY)
        contours, _ = cv2.findContours(binary, cv2.RETR_TREE, cv2.CHAIN_APPROX_SIMPLE)
        selected = [max(contours, key=cv2.contourArea)] if regions == "largest" and contours else contours
        bounds = np.array([cv2.boundingRect(contour) for contour in selected] or [(0, 0, 0, 0)])
        corners = np.minimum(bounds[:, 2:] + bounds[:, :2], SIDE - 1)
        best.append(ws.metrics.box_iou(np.concatenate([bounds[:, :2], corners], 1), truth, inclusive=True).max())
    return np.array(best)


def print_pixels(rounds: int) -> None:
    maps = score_maps(40)
    maps.pop("noise in every pixel")
    mask = np.zeros((SIDE, SIDE), np.uint8)
    mask[50:180, 60:170] = 1
    score_maps_ = [score_map for batch in maps.values() for score_map in batch]
    runs = {
        "numpy": lambda: [[np.histogram(one[mask == kind], EDGES)[0] for kind in (1, 0)] for one in score_maps_],
        "weakspot": lambda: [pixel_counts(one, mask) for one in score_maps_],
    }
    assert all(np.array_equal(*pair) for pair in zip(*(run() for run in runs.values()), strict=True))
    seconds = interleaved(runs, 3 * rounds)
    slow, fast = (1000 * seconds[run].cpu / len(score_maps_) for run in runs)
    print(
        "\n| PxAP's counts | two np.histogram calls, ms per map | weakspot, ms per map | speedup |\n|---|---|---|---|"
    )
    print(f"| 7, 14 and 28 grids | {slow:.3f} | {fast:.3f} | {slow / fast:.1f} |")


def print_memory() -> None:
    """Print the size of the metrics with 1000 bootstrap samples, and the growth of the process, by number of images."""
    maps = np.stack(score_maps(16)["14 x 14 grid"])
    masks = np.zeros(maps.shape, np.uint8)
    masks[:, 50:180, 60:170] = 1
    metrics = (MaxBoxAcc(samples=1000), MaxBoxAccV2(samples=1000), PxAP(samples=1000))
    print("\n| images | state of the metrics, MiB | peak of the process, MiB above that at 320 |\n|---|---|---|")
    first = 0.0
    for batch in range(1, 201):
        for metric in metrics[:2]:
            metric.update(maps, [TRUTH] * len(maps))
        metrics[2].update(maps, masks)
        if batch in (20, 100, 200):
            states = (state for metric in metrics for state in metric.metric_state.values())
            size = sum(state.nbytes for state in states) / 2**20
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
            first = first or peak
            print(f"| {batch * len(maps)} | {size:.1f} | {peak - first:.1f} |", flush=True)


def print_overlap(data: Path, split: str, models: list[str], rounds: int) -> None:
    print("\n| model | running it on the set, CPU s | evaluating the set, CPU s | ratio | ratio of wall times |")
    print("|---|---|---|---|---|")
    paths = [sample.path for sample in read_dataset(data).of_split(split)]
    config = EvaluationConfig(test_split=split, val_split="", threshold=0.2)
    for model in models:
        # Random weights if there is no package of pretrained ones: the time is the same.
        localizer = ws.Localizer(
            model, method="cam", quality="plain", weights=PRETRAINED if model in PACKAGES else None
        )
        runs = {
            "run": lambda localizer=localizer: list(logits(localizer, paths)),
            "evaluate": lambda localizer=localizer: evaluate(localizer, data, config=config),
        }
        seconds = interleaved(runs, rounds)
        run, evaluation = seconds["run"], seconds["evaluate"]
        ratios = f"{evaluation.cpu / run.cpu:.2f} | {evaluation.wall / run.wall:.2f}"
        print(f"| {model} | {run.cpu:.1f} | {evaluation.cpu:.1f} | {ratios} |", flush=True)


def logits(localizer: ws.Localizer, paths: list[Path]) -> Iterator[NDArray[np.float32]]:
    """Run the classifier on images, decoded in threads as in an evaluation."""
    frame, like = localizer.preprocessing, torch.empty(0)
    with ThreadPoolExecutor(2) as threads, torch.inference_mode():
        images = ordered_map(lambda path: resize_image(read_image(path), frame), paths, threads, max_pending=32)
        for batch in batched(images, 16):
            yield localizer.model(normalize_batch(batch, frame, device=like.device, dtype=like.dtype)).numpy()


if __name__ == "__main__":
    main()
