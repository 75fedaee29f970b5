"""From JPEG files to boxes.jsonl: images per second, compared with the forward pass on images in memory.

The images are 500 x 375 crops of those that scikit-image contains, resized to 224 px. "forward only" is the model that
weakspot builds (channels last in memory), under inference_mode, on prepared batches; "onnxruntime forward only" is the
same with the ONNX file that weakspot exports. weakspot reads, decodes, localizes and writes rows. The pytorch-grad-cam
row is the loop that its users would write, one image at a time, with boxes by OpenCV; the batched row passes batches of
decoded images. All variants alternate, the other libraries last in each round. Medians over the rounds.

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
from sample_images import write_images
from timing import interleaved

import weakspot as ws
from weakspot.inference.export import export
from weakspot.io.row_writer import JsonlWriter

BATCH, THREADS = 16, 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="tf_efficientnet_lite0")
    parser.add_argument("--weights", choices=("pretrained", "none"), default="pretrained")
    parser.add_argument("--images", type=int, default=256, help="number of images; a quarter for other libraries")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--method", default="gradcam")
    parser.add_argument("--skip", nargs="+", default=[], metavar="WORD", help="skip rows whose names contain a word")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    print(f"**{options.model}**: {options.images} images, {options.rounds} rounds\n")
    with TemporaryDirectory() as folder:
        os.environ["WEAKSPOT_CACHE"] = folder
        rows, file = Path(folder, "boxes.jsonl"), Path(folder, "model.onnx")
        files = write_images(Path(folder), options.images)
        plain, fast, plain_onnx = localizers(options)
        export(plain, file, images=files[:4])
        exported = ws.Localizer(file)
        few = files[: options.images // 4]
        variants = {
            "PyTorch forward only": (options.images, forward_only(plain, options.images)),
            "weakspot, PyTorch": (options.images, lambda: run_weakspot(plain, files, rows)),
            "onnxruntime forward only": (options.images, onnx_only(plain_onnx, options.images)),
            "**weakspot, onnxruntime**": (options.images, lambda: run_weakspot(plain_onnx, files, rows)),
            "weakspot, exported file (no torch)": (options.images, lambda: run_weakspot(exported, files, rows)),
            "weakspot, quality fast (288 px, stride 16), onnxruntime": (
                options.images,
                lambda: run_weakspot(fast, files, rows),
            ),
            "pytorch-grad-cam loop": (len(few), lambda: run_grad_cam(plain, few, rows, 1)),
            "pytorch-grad-cam, batched": (len(few), lambda: run_grad_cam(plain, few, rows, BATCH)),
        }
        selected = {
            name: variant for name, variant in variants.items() if not any(word in name for word in options.skip)
        }
        print_rows(selected, options.rounds)


def localizers(options: argparse.Namespace) -> tuple[ws.Localizer, ws.Localizer, ws.Localizer]:
    """Return localizers of quality plain in PyTorch, fast in ONNX Runtime, and plain in ONNX Runtime."""
    weights = None if options.weights == "none" else "pretrained"
    presets = (("plain", "torch"), ("fast", "onnx"), ("plain", "onnx"))
    result = []
    for quality, backend in presets:
        torch.manual_seed(0)
        result.append(
            ws.Localizer(options.model, weights=weights, method=options.method, quality=quality, backend=backend)
        )
    return result[0], result[1], result[2]


def print_rows(variants: dict[str, tuple[int, Callable[[], None]]], rounds: int) -> None:
    """Measure all variants in turn, and print a row for each."""
    times = interleaved({name: run for name, (_, run) in variants.items()}, rounds)
    speeds = {name: count / times[name].wall for name, (count, _) in variants.items()}
    costs = {name: 1000 * times[name].cpu / count for name, (count, _) in variants.items()}
    print("| way | images a second | over the loop | over forward only | over onnxruntime's | CPU ms an image |")
    print("|---|---|---|---|---|---|")
    bases = ("pytorch-grad-cam loop", "PyTorch forward only", "onnxruntime forward only")
    for name, speed in speeds.items():
        ratios = " | ".join(f"{speed / speeds[base]:.2f}" for base in bases)
        print(f"| {name} | {speed:.1f} | {ratios} | {costs[name]:.1f} |", flush=True)


def forward_only(localizer: ws.Localizer, count: int) -> Callable[[], None]:
    frame = localizer.preprocessing
    batch = torch.randn(BATCH, 3, frame.height, frame.width).to(memory_format=torch.channels_last)

    def run() -> None:
        with torch.inference_mode():
            for _ in range(count // BATCH):
                localizer.model(batch)

    return run


def onnx_only(localizer: ws.Localizer, count: int) -> Callable[[], None]:
    forward, frame = localizer.torch_backend.classifier.accelerated, localizer.preprocessing
    batch = np.random.default_rng(0).normal(size=(BATCH, 3, frame.height, frame.width)).astype(np.float32)

    def run() -> None:
        for _ in range(count // BATCH):
            forward.session.run({"images": batch}, ["logits"])

    return run


def run_weakspot(localizer: ws.Localizer, files: list[Path], output: Path) -> None:
    output.unlink(missing_ok=True)
    rows = JsonlWriter(output)
    for localization in localizer.stream(files, batch_size=BATCH):
        rows.write(localization.to_dict())
    rows.close()


def run_grad_cam(localizer: ws.Localizer, files: list[Path], output: Path, batch: int) -> None:
    """Run pytorch-grad-cam as its own examples do, and compute a box from its map."""
    from pytorch_grad_cam import GradCAM

    mean, std = localizer.preprocessing.mean, localizer.preprocessing.std
    with (
        output.open("w") as file,
        GradCAM(model=localizer.model, target_layers=[localizer.model.get_submodule(localizer.layers[0])]) as cam,
    ):
        for start in range(0, len(files), batch):
            decoded = [np.asarray(Image.open(path).convert("RGB")) for path in files[start : start + batch]]
            pixels = np.stack([cv2.resize(image, (224, 224), interpolation=cv2.INTER_CUBIC) for image in decoded])
            images = torch.from_numpy(((pixels / 255 - mean) / std).astype(np.float32)).permute(0, 3, 1, 2)
            for path, image, heatmap in zip(
                files[start:], decoded, cam(input_tensor=images, targets=None), strict=False
            ):
                file.write(json.dumps({"image": str(path), "box": largest_box(heatmap, image.shape[:2])}) + "\n")


def largest_box(heatmap: np.ndarray, size: Iterable[int]) -> list[float]:
    height, width = size
    _, _, stats, _ = cv2.connectedComponentsWithStats((heatmap >= 0.15 * heatmap.max()).astype(np.uint8))
    x, y, w, h, _ = stats[1:][stats[1:, cv2.CC_STAT_AREA].argmax()].tolist() if len(stats) > 1 else (0, 0, 224, 224, 0)
    return [x * width / 224, y * height / 224, (x + w) * width / 224, (y + h) * height / 224]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
