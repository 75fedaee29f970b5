"""Images for the benchmarks: crops of those that scikit-image contains."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from weakspot.cli.demo import sample_image

NAMES = ("chelsea.png", "coffee.png", "motorcycle_left.png", "rocket.jpg", "astronaut.png", "retina.jpg")
SIZE = (500, 375)


def image_files() -> list[Path]:
    """Return the files of the source images."""
    return [sample_image(name) for name in NAMES]


def random_crops(count: int) -> Iterator[Image.Image]:
    """Yield images of 500 x 375, each a crop at a random position."""
    random = np.random.default_rng(0)
    sources = [Image.open(file).convert("RGB") for file in image_files()]
    for i in range(count):
        image = sources[i % len(sources)]
        left, top = random.uniform(0, 0.2, 2) * image.size
        crop = image.crop((int(left), int(top), int(left + 0.8 * image.width), int(top + 0.8 * image.height)))
        yield crop.resize(SIZE)


def write_images(folder: Path, count: int) -> list[Path]:
    """Write random crops as JPEG files."""
    files = [folder / f"{i:04}.jpg" for i in range(count)]
    for file, image in zip(files, random_crops(count), strict=True):
        image.save(file, quality=90)
    return files
