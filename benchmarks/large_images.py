"""Images of 12 megapixels: the CPU time saved by decoding them at reduced size, and its effect on heatmap and box.

    python benchmarks/large_images.py [--images FOLDER]

Images of scikit-image, or of a folder, are enlarged to 4000 x 3000 with some noise, like that of a sensor, and saved as
JPEG. A side of the box moves in pixels of the 224 x 224 heatmap, at thresholds of 0.15, 0.3 and 0.5.
"""

import argparse
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from sample_images import image_files

import weakspot as ws
from weakspot.data import find_images, read_image
from weakspot.ops import box_from_heatmap

SIZE = (4000, 3000)
THRESHOLDS = (0.15, 0.3, 0.5)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=Path, help="folder of images")
    parser.add_argument("--most", type=int, default=40, help="maximum number of images")
    options = parser.parse_args()
    files = image_files() if options.images is None else list(find_images([str(options.images)]))
    localizer, random = ws.Localizer(quality="plain", backend="torch"), np.random.default_rng(0)
    moves, differences, seconds = [], [], {"full": 0.0, "reduced": 0.0}
    with TemporaryDirectory() as folder:
        for source in files[:: max(1, len(files) // options.most)][: options.most]:
            file = write_enlarged(source, Path(folder, "large.jpg"), random)
            reduced, full = heatmaps(localizer, file, seconds)
            differences.append(np.abs(reduced - full).max())
            moves += [np.abs(box_from_heatmap(reduced, t) - box_from_heatmap(full, t)).max() for t in THRESHOLDS]
    full, reduced = (1000 * seconds[name] / len(differences) for name in ("full", "reduced"))
    print("| what | value |\n|---|---|")
    print(f"| images of {SIZE[0]} x {SIZE[1]} | {len(differences)} |")
    print(f"| CPU ms per image, full size | {full:.0f} |\n| CPU ms per image, reduced size | {reduced:.0f} |")
    print(f"| maximum difference of heatmaps | {max(differences):.3f} |")
    print(f"| mean move of a side | {np.mean(moves):.2f} |\n| maximum move of a side | {max(moves):.0f} |")
    print(f"| boxes with a side that moves by more than 1 | {np.mean(np.array(moves) > 1):.1%} |")


def write_enlarged(source: Path, file: Path, random: np.random.Generator) -> Path:
    pixels = np.asarray(Image.open(source).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS), dtype=np.int16)
    noisy = np.clip(pixels + random.normal(0, 4, pixels.shape).astype(np.int16), 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(file, quality=92)
    return file


def heatmaps(localizer: ws.Localizer, file: Path, seconds: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Return the heatmaps of an image decoded at reduced and at full size, and add up their CPU time."""
    start = time.process_time()
    full = localizer(read_image(file))
    middle = time.process_time()
    reduced = localizer(file, classes=[full.class_index])
    seconds["full"] += middle - start
    seconds["reduced"] += time.process_time() - middle
    return reduced.heatmap, full.heatmap


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
