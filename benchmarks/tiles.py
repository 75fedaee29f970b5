"""Large images with small objects: resized whole, and in tiles at their own resolution.

    python benchmarks/tiles.py draw FOLDER
    weakspot train FOLDER/train --learn-from labels --method mil --input-size 224 --output RUN
    weakspot export RUN --images FOLDER/train/val --output run.onnx
    python benchmarks/tiles.py measure FOLDER run.onnx
    python benchmarks/tiles.py seams FOLDER run.onnx
    python benchmarks/tiles.py memory FOLDER RUN --tiles auto

A run is trained on labels of images of 224 px: textured backgrounds with distractors, half of them with an object of
32 px, of four classes. It then localizes in images of 4000 x 3000 px of the same kind, with one object or none. A peak
hits if it is in the object's box; a box is right if its IoU is at least 0.5. Both are of the true class.
"""

import argparse
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from unittest.mock import patch

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import weakspot as ws
from weakspot.data import read_image
from weakspot.data.synthetic.drawing import background, paint_distractor, paint_object, place
from weakspot.inference.backends import ClassSelection
from weakspot.inference.localization import NO_OBJECT
from weakspot.inference.postprocess import DecodedImage
from weakspot.inference.tiles import predict_tiles
from weakspot.ops.iou import box_iou
from weakspot.ops.tiling import Tiling, tile_image, tile_weights

CLASSES = ("stripes", "checks", "dots", "rings")
LARGE, SMALL, OBJECT, WINDOW, PATCH = (4000, 3000), (224, 224), 32, 112, 1000
# Parts of this size around the objects of the first images, whose maps are compared.
PART, SEAM_IMAGES, OVERLAPS = (1000, 800), 4, (0.125, 0.25, 0.5)
# One distractor in as many pixels.
PIXELS_PER_DISTRACTOR = 25_000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("action", choices=("draw", "measure", "seams", "memory"))
    parser.add_argument("folder", type=Path)
    parser.add_argument("run", nargs="?", help="folder of the trained run")
    parser.add_argument("--train", type=int, default=800, help="images to train on")
    parser.add_argument("--test", type=int, default=24, help="large images with an object; half as many have none")
    parser.add_argument("--tiles", nargs="*", default=("none", "auto"), help="none, auto or sizes")
    options = parser.parse_args()
    if options.action == "draw":
        draw(options.folder, options.train, options.test)
    elif options.action == "measure":
        measure(options.folder, options.run, options.tiles, options.test)
    elif options.action == "seams":
        seams(options.folder, options.run)
    else:
        memory(options.folder, options.run, options.tiles[0])


def draw(folder: Path, train: int, test: int) -> None:
    """Write class folders to train on, and large images with a file of their objects."""
    random = np.random.default_rng(0)
    for split, count in (("train", train), ("val", train // 4)):
        for i in range(count):
            label = CLASSES[i // 2 % len(CLASSES)] if i % 2 else None
            image, _ = scene(SMALL, label, random)
            file = folder / "train" / split / (label or "background") / f"{i:04}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            image.save(file, quality=95)
    objects = {}
    (folder / "large").mkdir(parents=True, exist_ok=True)
    for i in range(test + test // 2):
        label = CLASSES[i % len(CLASSES)] if i < test else None
        image, box = scene(LARGE, label, random)
        image.save(folder / "large" / f"{i:02}.jpg", quality=95)
        objects[f"{i:02}.jpg"] = {"label": label, "box": box}
    (folder / "objects.json").write_text(json.dumps(objects), encoding="utf-8")


def scene(
    size: tuple[int, int], label: str | None, random: np.random.Generator
) -> tuple[Image.Image, list[int] | None]:
    """Draw an image of a size ``(width, height)``, and return it with the box of its object, if it has one."""
    width, height = size
    pixels = large_background(width, height, random)
    for _ in range(round(width * height / PIXELS_PER_DISTRACTOR)):
        window, _ = cut_window(pixels, random)
        paint_distractor(window, place(random.uniform(16, 64), WINDOW, random), random)
    if label is None:
        return Image.fromarray(pixels), None
    window, (left, top) = cut_window(pixels, random)
    placed = place(OBJECT, WINDOW, random)
    paint_object(window, placed, label, False, random)
    rows, columns = np.flatnonzero(placed.mask.any(axis=1)), np.flatnonzero(placed.mask.any(axis=0))
    x, y = left + placed.columns.start, top + placed.rows.start
    box = [x + columns[0], y + rows[0], x + columns[-1] + 1, y + rows[-1] + 1]
    return Image.fromarray(pixels), [int(side) for side in box]


def large_background(width: int, height: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """Put crops of images side by side, each mirrored and of another brightness, with some noise of a sensor."""
    pixels = np.zeros((height, width, 3), np.uint8)
    for top in range(0, height, PATCH):
        for left in range(0, width, PATCH):
            patch, rows, columns = background(PATCH, random), min(PATCH, height - top), min(PATCH, width - left)
            y, x = random.integers(0, [PATCH - rows + 1, PATCH - columns + 1])
            pixels[top : top + rows, left : left + columns] = patch[y : y + rows, x : x + columns]
    noise = random.normal(0, 4, pixels.shape).astype(np.int16)
    return np.clip(pixels + noise, 0, 255).astype(np.uint8)


def cut_window(pixels: NDArray[np.uint8], random: np.random.Generator) -> tuple[NDArray[np.uint8], tuple[int, int]]:
    """Return a random square of an image, to draw in, and its ``(left, top)``."""
    top, left = random.integers(0, [pixels.shape[0] - WINDOW + 1, pixels.shape[1] - WINDOW + 1])
    return pixels[top : top + WINDOW, left : left + WINDOW], (int(left), int(top))


def measure(folder: Path, run: str, tiles: Sequence[str], test: int) -> None:
    """Print how many objects are found, with and without tiles; memory is that of a process for one image."""
    columns = ("tiles", "peak on the object", "IoU >= 0.5", "class right", "false alarms", "CPU s per image", "peak MB")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    objects = first_objects(folder, test)
    for size in tiles:
        localizer = ws.Localizer(run, tiles=parse(size))
        results, alarms, seconds = [], [], []
        for name, truth in objects.items():
            start = time.process_time()
            found = localizer(folder / "large" / name, top_k=len(localizer.class_names))
            seconds.append(time.process_time() - start)
            if truth["label"] is None:
                alarms.append(NO_OBJECT not in found.notes)
            else:
                (of_class,) = (item for item in found if item.label == truth["label"])
                results.append((*hits(of_class, truth["box"]), found.label == truth["label"]))
        shares = (*np.mean(results, axis=0), np.mean(alarms))
        cells = (size, *(f"{100 * share:.0f} %" for share in shares))
        used = peak_memory(folder, run, size)
        print("| " + " | ".join((*cells, f"{np.median(seconds):.1f}", f"{used:.0f}")) + " |", flush=True)


def first_objects(folder: Path, test: int) -> dict[str, dict]:
    """Return the first large images with an object, and half as many without one, by the names of their files."""
    objects = json.loads((folder / "objects.json").read_text(encoding="utf-8"))
    some = [name for name, truth in objects.items() if truth["label"]][:test]
    none = [name for name, truth in objects.items() if not truth["label"]][: test // 2]
    return {name: objects[name] for name in (*some, *none)}


def hits(found: ws.Localization, box: list[int]) -> tuple[bool, bool]:
    """Return whether the peak of a heatmap is in a box, and whether its box is right."""
    row, column = np.unravel_index(found.heatmap.argmax(), found.heatmap.shape)
    height, width = found.heatmap.shape
    x, y = (column + 0.5) * found.width / width, (row + 0.5) * found.height / height
    is_inside = box[0] <= x < box[2] and box[1] <= y < box[3] and bool(found.heatmap.any())
    return bool(is_inside), bool(box_iou(found.box[None], np.array([box], float)).max() >= 0.5)


def parse(tiles: str) -> int | str | None:
    return None if tiles == "none" else tiles if tiles == "auto" else int(tiles)


def peak_memory(folder: Path, run: str, tiles: str) -> float:
    """Return the peak memory, in MB, of a process that localizes in one image."""
    command = [sys.executable, __file__, "memory", str(folder), run, "--tiles", tiles]
    return float(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True).stdout.split()[-1])


def memory(folder: Path, run: str, tiles: str) -> None:
    """Print the memory of this process, in MB, with the loaded model and at its peak."""
    localizer = ws.Localizer(run, tiles=parse(tiles))
    loaded = most_memory()
    localizer(next((folder / "large").glob("*.jpg")))
    print(f"loaded {loaded:.0f} peak {most_memory():.0f}")


def most_memory() -> float:
    """Return the peak memory of this process in MB, unlike ru_maxrss without that of the process that started it."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return int(line.split()[1]) / 1000


def seams(folder: Path, run: str) -> None:
    """Print how much the map of an image depends on where its tiles are, for different overlaps."""
    columns = ("overlap", "tiles", "step", "step, not blended", "differs on average", "99 % differ by less than")
    print(f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}")
    localizer = ws.Localizer(run, tiles="auto")
    objects = json.loads((folder / "objects.json").read_text(encoding="utf-8"))
    parts = [part_around(folder / "large" / name, truth) for name, truth in list(objects.items())[:SEAM_IMAGES]]
    for overlap in OVERLAPS:
        rows = [seam_errors(localizer, pixels, label, overlap) for pixels, label in parts]
        count, *errors = np.mean(rows, axis=0)
        cells = (f"{overlap:g}", f"{count:.0f}", *(f"{100 * error:.2f} %" for error in errors))
        print("| " + " | ".join(cells) + " |", flush=True)


def part_around(file: Path, truth: dict) -> tuple[NDArray[np.uint8], str]:
    """Return the part of an image around its object, and the object's class."""
    image, (left, top) = read_image(file), truth["box"][:2]
    sides = zip((left, top), PART, image.size, strict=True)
    x, y = (max(0, min(at - side // 2, most - side)) for at, side, most in sides)
    return np.asarray(image.crop((x, y, x + PART[0], y + PART[1]))), truth["label"]


def seam_errors(
    localizer: ws.Localizer, pixels: NDArray[np.uint8], label: str, overlap: float
) -> tuple[float, float, float, float, float]:
    """Return the number of tiles, and four errors as fractions of the map's range.

    A step is by how much two pixels of the map differ more on both sides of a tile's border than elsewhere; without
    blending, each pixel is that of one tile, and borders are in the middle of overlaps. The others compare the map with
    that of tiles that are half a step further right and down.
    """
    size, (height, width, _) = localizer.preprocessing, pixels.shape
    tiling = tile_image(height, width, size.height, size.width, overlap=overlap)
    shifted = replace(tiling, tops=between(tiling.tops), lefts=between(tiling.lefts))
    first, second = (map_of(localizer, pixels, label, each) for each in (tiling, shifted))
    with patch("weakspot.ops.tiling.tile_weights", nearest_tile):
        unblended = map_of(localizer, pixels, label, tiling)
    borders = [left + side for left in tiling.lefts for side in (0, tiling.tile_width)]
    middles = [(left + tiling.tile_width + right) / 2 for left, right in pairwise(tiling.lefts)]
    steps = step_at(first, borders, width), step_at(unblended, middles, width)
    differences = np.abs(first - second) / np.ptp(first)
    return len(tiling.corners), *steps, float(differences.mean()), float(np.quantile(differences, 0.99))


def nearest_tile(length: int, tile: int, starts: Sequence[int], pixels: int) -> NDArray[np.float64]:
    """Weigh only the tile that has the most weight when tiles are blended."""
    return np.eye(len(starts))[tile_weights(length, tile, starts, pixels).argmax(axis=0)].T


def step_at(values: NDArray[np.floating], borders: Sequence[float], width: int) -> float:
    jumps = np.abs(np.diff(values, axis=1)).mean(axis=0)
    columns = np.unique([round(border * values.shape[1] / width) - 1 for border in borders if 0 < border < width])
    return float((jumps[columns].mean() - np.delete(jumps, columns).mean()) / np.ptp(values))


def between(starts: tuple[int, ...]) -> tuple[int, ...]:
    """Return starts half a step later, with the first and the last one, so that all of the image is covered."""
    middle = [(a + b) // 2 for a, b in pairwise(starts)]
    return (starts[0], *middle, starts[-1])


def map_of(localizer: ws.Localizer, pixels: NDArray[np.uint8], label: str, tiling: Tiling) -> NDArray[np.floating]:
    """Return the blended map of a class."""
    image = DecodedImage(pixels, tiling.width, tiling.height, pixels, tiling)
    selection = ClassSelection(np.array([localizer.class_names.index(label)]))
    pipeline = localizer._pipeline
    return predict_tiles(pipeline.backend, image, tiling, pixels, selection, pipeline.config).maps[0]


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
