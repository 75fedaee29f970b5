"""Compare PyTorch, an ONNX file, and an ONNX file with 8-bit integers, on images with boxes: accuracy and CPU time.

    python benchmarks/graphs.py DATA [--model NAME] [--method M] [--quality Q]

Each localizes the test split for the true class; thresholds are selected on val. The integers are calibrated with 128
images of val. "CPU ms" is process CPU time per image, images resized before, in turn; "logits" and "maps" are the
maximum differences from PyTorch over the calibration images, relative to their ranges.
"""

import argparse
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import torch
from timing import interleaved

import weakspot as ws
from weakspot.data import read_image
from weakspot.evaluation import MetricValue
from weakspot.inference.export import export
from weakspot.inference.export.parity import Difference

BATCH, ROUNDS = 16, 5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--model", default="tf_efficientnet_lite0")
    parser.add_argument("--method", default="gradcam")
    parser.add_argument("--quality", default="fast")
    options = parser.parse_args()
    torch.set_num_threads(2)
    presets = {"method": options.method, "quality": options.quality}
    dataset = ws.data.read_dataset(options.data)
    images = [sample.path for sample in dataset.samples if sample.split == "val"][:128]
    with TemporaryDirectory() as folder:
        files = {name: Path(folder, f"{name}.onnx") for name in ("floats", "integers")}
        float_export = export(options.model, files["floats"], images=images, **presets)
        int8_export = export(options.model, files["integers"], images=images, int8=True, **presets)
        variants = {
            "PyTorch": (ws.Localizer(options.model, backend="torch", **presets), None),
            "ONNX file": (ws.Localizer(files["floats"]), float_export.difference),
            "ONNX file, 8-bit integers": (ws.Localizer(files["integers"]), int8_export.int8),
        }
        seconds = speeds({name: localizer for name, (localizer, _) in variants.items()}, images[:BATCH])
        print("| backend | GT-known Loc | MaxBoxAccV2, oracle | Top-1 Loc | CPU ms | MB | same class | logits | maps |")
        print("|---|---|---|---|---|---|---|---|---|")
        sizes = dict(zip(variants, [None, *files.values()], strict=True))
        for name, (localizer, difference) in variants.items():
            metrics = ws.evaluate(localizer, options.data, samples=0).first.metrics
            cells = [accuracy(metrics), f"{seconds[name]:.1f}", size(sizes[name]), differences(difference)]
            print(f"| {name} | {' | '.join(cells)} |", flush=True)


def speeds(localizers: dict[str, ws.Localizer], images: list[Path]) -> dict[str, float]:
    """Return CPU milliseconds per image for the class maps."""

    def class_maps(localizer: ws.Localizer):
        pixels = [localizer.resize(read_image(image)) for image in images]
        classes = np.zeros((len(pixels), 1), int)
        return lambda: localizer.class_maps_of(pixels, classes, [localizer.method])

    times = interleaved({name: class_maps(localizer) for name, localizer in localizers.items()}, ROUNDS)
    return {name: 1000 * seconds.cpu / len(images) for name, seconds in times.items()}


def accuracy(metrics: dict[str, MetricValue]) -> str:
    loc, v2, top_1 = (metrics[name] for name in ("GT-known Loc", "MaxBoxAccV2", "Top-1 Loc"))
    return f"{loc.fixed:.1f} ({loc.oracle:.1f}) | {v2.oracle:.1f} | {top_1.fixed:.1f}"


def size(file: Path | None) -> str:
    return "" if file is None else f"{file.stat().st_size / 1e6:.1f}"


def differences(difference: Difference | None) -> str:
    if difference is None:
        return " | | "
    return f"{difference.agree:.0%} | {difference.logits:.1e} | {difference.maps:.1e}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
