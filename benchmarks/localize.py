"""From JPEG files to boxes.jsonl: images a second, as a fraction of the forward pass on tensors already in memory.

The photos are 500 x 375 crops of those that scikit-image carries. "forward only" is the model that weakspot builds
(channels last in memory), under inference_mode, on batches that are ready. weakspot reads, decodes, localizes and
writes rows. The pytorch-grad-cam row is the loop that a user would write with it, one photo at a time, boxes by OpenCV;
the batched row gives it batches of decoded photos. weakspot runs in turn with the forward pass on 2 threads, and then
the peer with the forward pass again (it leaves the process slower than it found it). Medians over the rounds.

    python benchmarks/localize.py
"""

import argparse
import json
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
from weakspot.commands.demo import photo_path
from weakspot.commands.rows import Rows

MODEL, BATCH, THREADS = "tf_efficientnet_lite0", 16, 2
PHOTOS = ("chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "astronaut.png", "retina.jpg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=256, help="a quarter of them for the peers")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--method", default="gradcam")
    parser.add_argument("--quality", default="plain")
    options = parser.parse_args()
    torch.set_num_threads(THREADS)
    print(f"{MODEL}, photos of 500 x 375, batch {BATCH}, {THREADS} threads\n")
    print("| way | images a second | speed / forward | CPU time / forward |\n|---|---|---|---|")
    with TemporaryDirectory() as folder:
        rows = Path(folder, "boxes.jsonl")
        files = write_photos(Path(folder), options.images)
        localizer = ws.Localizer(MODEL, method=options.method, quality=options.quality)
        ours = {f"weakspot {options.method}": lambda: weakspot_way(localizer, files, rows)}
        print_rows(localizer, options.images, ours, options.rounds)
        few = files[: options.images // 4]
        peers = {
            "pytorch-grad-cam loop": lambda: peer_way(localizer, few, rows, 1),
            "pytorch-grad-cam, batched": lambda: peer_way(localizer, few, rows, BATCH),
        }
        print_rows(localizer, len(few), peers, options.rounds)


def print_rows(localizer: ws.Localizer, images: int, ways: dict[str, Callable[[], None]], rounds: int) -> None:
    """Time some ways in turn with the forward pass alone, and print a row for each."""
    forward, *others = interleaved({"forward only": forward_only(localizer, images)} | ways, rounds).items()
    for name, taken in (forward, *others):
        speed = f"{images / taken.wall:.1f} | {forward[1].wall / taken.wall:.2f}"
        print(f"| {name} | {speed} | {taken.cpu / forward[1].cpu:.2f} |", flush=True)


def write_photos(folder: Path, count: int) -> list[Path]:
    """Write JPEGs of 500 x 375, each a crop at another place."""
    random = np.random.default_rng(0)
    files = []
    for i in range(count):
        photo = Image.open(photo_path(PHOTOS[i % len(PHOTOS)])).convert("RGB")
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


def weakspot_way(localizer: ws.Localizer, files: list[Path], output: Path) -> None:
    output.unlink(missing_ok=True)
    rows = Rows(output)
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
