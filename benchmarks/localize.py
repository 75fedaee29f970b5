"""From JPEG files to boxes.jsonl: images a second, beside the forward pass on images already in memory.

The photos are 500 x 375 crops of those that scikit-image carries, seen at 224 px. "forward only" is the model that
weakspot builds (channels last in memory), under inference_mode, on batches that are ready; "onnxruntime forward only"
the same from the graph that weakspot exports. weakspot reads, decodes, localizes and writes rows. The pytorch-grad-cam
row is the loop that a user would write with it, one photo at a time, boxes by OpenCV; the batched row gives it batches
of decoded photos. All ways take turns, the peers last in each round. Medians over the rounds.

    python benchmarks/localize.py [--model resnet50 --weights none]
"""

import argparse
import json
import os
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

import cv2
import numpy as np
import torch
from PIL import Image
from timing import interleaved

import weakspot as ws
from weakspot.cli.demo import sample_image
from weakspot.inference.export import export
from weakspot.io.row_writer import JsonlWriter

BATCH, THREADS = 16, 2
PHOTOS = ("chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "astronaut.png", "retina.jpg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", choices=("pretrained", "none"), default="pretrained")
    parser.add_argument("--images", type=int, default=256, help="a quarter of them for the peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--method", default="gradcam")
    parser.add_argument("--skip", nargs="+", default=[], metavar="WAY", help="words of the names of rows to leave out")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    print(f"**{options.model}**: {options.images} photos, {options.rounds} rounds\n")
    with TemporaryDirectory() as folder:
        os.environ["WEAKSPOT_CACHE"] = folder
        rows, file = Path(folder, "boxes.jsonl"), Path(folder, "model.onnx")
        files = write_photos(Path(folder), options.images)
        plain, fast, quick = localizers(options)
        export(plain, file, images=files[:4])
        alone = ws.Localizer(file)
        few = files[: options.images // 4]
        ways = {
            "PyTorch forward only": (options.images, forward_only(plain, options.images)),
            "weakspot, PyTorch": (options.images, lambda: weakspot_way(plain, files, rows)),
            "onnxruntime forward only": (options.images, graph_only(quick, options.images)),
            "**weakspot, onnxruntime**": (options.images, lambda: weakspot_way(quick, files, rows)),
            "weakspot, exported file (no torch)": (options.images, lambda: weakspot_way(alone, files, rows)),
            "weakspot, quality fast (288 px, stride 16), onnxruntime": (
                options.images,
                lambda: weakspot_way(fast, files, rows),
            ),
            "pytorch-grad-cam loop": (len(few), lambda: peer_way(plain, few, rows, 1)),
            "pytorch-grad-cam, batched": (len(few), lambda: peer_way(plain, few, rows, BATCH)),
        }
        kept = {name: way for name, way in ways.items() if not any(word in name for word in options.skip)}
        print_rows(kept, options.rounds)


def localizers(options: argparse.Namespace) -> tuple[ws.Localizer, ws.Localizer, ws.Localizer]:
    """In quality plain in PyTorch, in quality fast in onnxruntime, and in quality plain there."""
    weights = None if options.weights == "none" else "pretrained"
    chosen = (("plain", "torch"), ("fast", "onnx"), ("plain", "onnx"))
    found = []
    for quality, backend in chosen:
        torch.manual_seed(0)
        found.append(
            ws.Localizer(options.model, weights=weights, method=options.method, quality=quality, backend=backend)
        )
    return found[0], found[1], found[2]


def print_rows(ways: dict[str, tuple[int, Callable[[], None]]], rounds: int) -> None:
    """Time all ways in turn, and print a row for each."""
    taken = interleaved({name: run for name, (_, run) in ways.items()}, rounds)
    speeds = {name: count / taken[name].wall for name, (count, _) in ways.items()}
    costs = {name: 1000 * taken[name].cpu / count for name, (count, _) in ways.items()}
    print("| way | images a second | over the loop | over forward only | over onnxruntime's | CPU ms an image |")
    print("|---|---|---|---|---|---|")
    bases = ("pytorch-grad-cam loop", "PyTorch forward only", "onnxruntime forward only")
    for name, speed in speeds.items():
        ratios = " | ".join(f"{speed / speeds[base]:.2f}" for base in bases)
        print(f"| {name} | {speed:.1f} | {ratios} | {costs[name]:.1f} |", flush=True)


def write_photos(folder: Path, count: int) -> list[Path]:
    """Write JPEGs of 500 x 375, each a crop at another place."""
    random = np.random.default_rng(0)
    files = []
    for i in range(count):
        photo = Image.open(sample_image(PHOTOS[i % len(PHOTOS)])).convert("RGB")
        left, top = random.uniform(0, 0.2, 2) * photo.size
        crop = photo.crop((int(left), int(top), int(left + 0.8 * photo.width), int(top + 0.8 * photo.height)))
        files.append(folder / f"{i:04}.jpg")
        crop.resize((500, 375)).save(files[-1], quality=90)
    return files


def forward_only(localizer: ws.Localizer, count: int) -> Callable[[], None]:
    frame = localizer.preprocessing
    batch = torch.randn(BATCH, 3, frame.height, frame.width).to(memory_format=torch.channels_last)

    def run() -> None:
        with torch.inference_mode():
            for _ in range(count // BATCH):
                localizer.model(batch)

    return run


def graph_only(localizer: ws.Localizer, count: int) -> Callable[[], None]:
    trunk, frame = localizer.torch_backend.classifier.accelerated, localizer.preprocessing
    batch = np.random.default_rng(0).normal(size=(BATCH, 3, frame.height, frame.width)).astype(np.float32)

    def run() -> None:
        for _ in range(count // BATCH):
            trunk.session.run({"images": batch}, ["logits"])

    return run


def weakspot_way(localizer: ws.Localizer, files: list[Path], output: Path) -> None:
    output.unlink(missing_ok=True)
    rows = JsonlWriter(output)
    for found in localizer.stream(files, batch_size=BATCH):
        rows.write(found.to_dict())
    rows.close()


def peer_way(localizer: ws.Localizer, files: list[Path], output: Path, batch: int) -> None:
    """The way of pytorch-grad-cam's own examples, and a box from its map."""
    from pytorch_grad_cam import GradCAM

    mean, std = localizer.preprocessing.mean, localizer.preprocessing.std
    with (
        output.open("w") as file,
        GradCAM(model=localizer.model, target_layers=[localizer.model.get_submodule(localizer.layers[0])]) as cam,
    ):
        for start in range(0, len(files), batch):
            photos = [np.asarray(Image.open(path).convert("RGB")) for path in files[start : start + batch]]
            pixels = np.stack([cv2.resize(photo, (224, 224), interpolation=cv2.INTER_CUBIC) for photo in photos])
            images = torch.from_numpy(((pixels / 255 - mean) / std).astype(np.float32)).permute(0, 3, 1, 2)
            for path, photo, heatmap in zip(
                files[start:], photos, cam(input_tensor=images, targets=None), strict=False
            ):
                file.write(json.dumps({"image": str(path), "box": largest_box(heatmap, photo.shape[:2])}) + "\n")


def largest_box(heatmap: np.ndarray, size: Iterable[int]) -> list[float]:
    height, width = size
    _, _, stats, _ = cv2.connectedComponentsWithStats((heatmap >= 0.15 * heatmap.max()).astype(np.uint8))
    x, y, w, h, _ = stats[1:][stats[1:, cv2.CC_STAT_AREA].argmax()].tolist() if len(stats) > 1 else (0, 0, 224, 224, 0)
    return [x * width / 224, y * height / 224, (x + w) * width / 224, (y + h) * height / 224]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
