"""Photos of 12 megapixels: what decoding them at a fraction of their size saves, and what it moves.

    python benchmarks/large_photos.py [--photos FOLDER]

Photos of scikit-image, or of a folder, are enlarged to 4000 x 3000 with some noise, as sensors have it, and saved as
JPEG. "moved" is how far a side of the box goes, in pixels of the 224 x 224 heatmap, at thresholds of 0.15, 0.3 and 0.5.
"""

import argparse
import time
import warnings
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image

import weakspot as ws
from weakspot.cli.demo import sample_image
from weakspot.data import find_images, read_image
from weakspot.ops import box_from_heatmap

PHOTOS = ("chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "astronaut.png", "retina.jpg")
SIZE = (4000, 3000)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photos", type=Path)
    parser.add_argument("--most", type=int, default=40)
    options = parser.parse_args()
    found = (
        [sample_image(name) for name in PHOTOS] if options.photos is None else list(find_images([str(options.photos)]))
    )
    localizer, random = ws.Localizer(quality="plain", backend="torch"), np.random.default_rng(0)
    moved, heat, seconds = [], [], {"whole": 0.0, "a fraction": 0.0}
    with TemporaryDirectory() as folder:
        for photo in found[:: max(1, len(found) // options.most)][: options.most]:
            file = enlarged(photo, Path(folder, "large.jpg"), random)
            small, whole = timed(localizer, file, seconds)
            heat.append(np.abs(small - whole).max())
            moved += [
                np.abs(box_from_heatmap(small, cut) - box_from_heatmap(whole, cut)).max() for cut in (0.15, 0.3, 0.5)
            ]
    whole, fraction = (1000 * seconds[name] / len(heat) for name in ("whole", "a fraction"))
    print("| what | value |\n|---|---|")
    print(f"| photos of {SIZE[0]} x {SIZE[1]} | {len(heat)} |")
    print(f"| CPU ms a photo, decoded whole | {whole:.0f} |\n| CPU ms a photo, at a fraction | {fraction:.0f} |")
    print(f"| heatmaps differ by at most | {max(heat):.3f} |")
    print(f"| a side moves on average by | {np.mean(moved):.2f} |\n| a side moves at most by | {max(moved):.0f} |")
    print(f"| cuts in which one moves by more than 1 | {np.mean(np.array(moved) > 1):.1%} |")


def enlarged(photo: Path, file: Path, random: np.random.Generator) -> Path:
    pixels = np.asarray(Image.open(photo).convert("RGB").resize(SIZE, Image.Resampling.LANCZOS), dtype=np.int16)
    noisy = np.clip(pixels + random.normal(0, 4, pixels.shape).astype(np.int16), 0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(file, quality=92)
    return file


def timed(localizer: ws.Localizer, file: Path, seconds: dict[str, float]) -> tuple[np.ndarray, np.ndarray]:
    """The heatmaps of a photo decoded at a fraction of its size, and whole."""
    began = time.process_time()
    whole = localizer(read_image(file))
    between = time.process_time()
    small = localizer(file, classes=[whole.class_index])
    seconds["whole"] += between - began
    seconds["a fraction"] += time.process_time() - between
    return small.heatmap, whole.heatmap


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
