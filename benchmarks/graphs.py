"""What a graph costs and what it changes: PyTorch, one ONNX file, and one with 8-bit integers, on images with boxes.

    python benchmarks/graphs.py DATA [--model NAME] [--method M] [--quality Q]

Each localizes the test split for the true class; thresholds are fixed on val. The integers are calibrated with 128
photos of val. "CPU ms" is process CPU time an image, photos squashed already, in turn; "logits" and "maps" are the
greatest differences from PyTorch over the photos of calibration, as shares of their ranges.
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
    chosen = {"method": options.method, "quality": options.quality}
    dataset = ws.data.read_dataset(options.data)
    photos = [example.path for example in dataset.samples if example.split == "val"][:128]
    with TemporaryDirectory() as folder:
        files = {name: Path(folder, f"{name}.onnx") for name in ("floats", "integers")}
        exact = export(options.model, files["floats"], images=photos, **chosen)
        rounded = export(options.model, files["integers"], images=photos, int8=True, **chosen)
        ways = {
            "PyTorch": (ws.Localizer(options.model, backend="torch", **chosen), None),
            "ONNX file": (ws.Localizer(files["floats"]), exact.difference),
            "ONNX file, 8-bit integers": (ws.Localizer(files["integers"]), rounded.int8),
        }
        seconds = speeds({name: localizer for name, (localizer, _) in ways.items()}, photos[:BATCH])
        print("| way | GT-known Loc | MaxBoxAccV2, oracle | Top-1 Loc | CPU ms | MB | same class | logits | maps |")
        print("|---|---|---|---|---|---|---|---|---|")
        sizes = dict(zip(ways, [None, *files.values()], strict=True))
        for name, (localizer, found) in ways.items():
            figures = ws.evaluate(localizer, options.data, samples=0).first.figures
            print(
                f"| {name} | {row(figures)} | {seconds[name]:.1f} | {size(sizes[name])} | {differing(found)} |",
                flush=True,
            )


def speeds(localizers: dict[str, ws.Localizer], photos: list[Path]) -> dict[str, float]:
    """CPU milliseconds for the maps of an image."""

    def reading(localizer: ws.Localizer):
        pixels = [localizer.resize(read_image(photo)) for photo in photos]
        classes = np.zeros((len(pixels), 1), int)
        return lambda: localizer.class_maps_of(pixels, classes, [localizer.method])

    taken = interleaved({name: reading(localizer) for name, localizer in localizers.items()}, ROUNDS)
    return {name: 1000 * seconds.cpu / len(photos) for name, seconds in taken.items()}


def row(figures: dict) -> str:
    known, all_of_them, first = (figures[name] for name in ("GT-known Loc", "MaxBoxAccV2", "Top-1 Loc"))
    return f"{known.fixed:.1f} ({known.oracle:.1f}) | {all_of_them.oracle:.1f} | {first.fixed:.1f}"


def size(file: Path | None) -> str:
    return "" if file is None else f"{file.stat().st_size / 1e6:.1f}"


def differing(found: Difference | None) -> str:
    return " | | " if found is None else f"{found.agree:.0%} | {found.logits:.1e} | {found.maps:.1e}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
