"""Draw the pictures of the how-to pages for defects and lesions: image | heatmap of cam | heatmap of mil | box of mil.

python docs/small_objects.py

The images are drawn: metal with pits and scratches, and smears with small dots between large cells. Both methods learn
from labels alone.
"""

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter
from scipy.ndimage import gaussian_filter, uniform_filter1d

import weakspot as ws
from weakspot.io.atomic import save_image
from weakspot.visualization import contact_sheet, draw_boxes, overlay_heatmap

SIDE, IMAGES, SHOWN = 320, {"train": 40, "val": 20}, 3
Draw = Callable[[np.random.Generator], Image.Image]


def main() -> None:
    """Write docs/images/defects.jpg and docs/images/lesions.jpg."""
    sets: dict[str, dict[str, Draw]] = {
        "defects": {"good": metal, "pit": with_pit, "scratch": with_scratch},
        "lesions": {"normal": smear, "dots": with_dots},
    }
    for name, kinds in sets.items():
        with TemporaryDirectory() as folder:
            rows = rows_of(Path(folder), kinds)
        columns = ["image", "heatmap of cam", "heatmap of mil", "box of mil"]
        save_image(contact_sheet(rows, columns), Path(__file__).parent / "images" / f"{name}.jpg")


def rows_of(folder: Path, kinds: dict[str, Draw]) -> list[list[Image.Image]]:
    """Train with both methods on drawn images, and show what they find in others."""
    normal, *objects = kinds
    for split, count in IMAGES.items():
        for number, (kind, draw) in enumerate(kinds.items()):
            (folder / "data" / split / kind).mkdir(parents=True)
            for i in range(count * (2 if kind == normal else 1)):
                seed = [number, i, len(split)]
                draw(np.random.default_rng(seed)).save(folder / "data" / split / kind / f"{i}.png")
    found = {}
    for method in ("cam", "mil"):
        run = folder / method
        ws.train(folder / "data", output=run, method=method, input_size=448, background_class=normal)
        found[method] = ws.Localizer(run)
    rows = []
    for i in range(SHOWN):
        kind = objects[i % len(objects)]
        image = kinds[kind](np.random.default_rng([99, i]))
        cam, mil = (found[method](image, classes=[kind]) for method in ("cam", "mil"))
        overlays = [overlay_heatmap(image, one.heatmap) for one in (cam, mil)]
        rows.append([image, *overlays, draw_boxes(image, mil.boxes, kind)])
    return rows


def metal(random: np.random.Generator) -> Image.Image:
    """Draw brushed metal."""
    brushed = uniform_filter1d(random.normal(0, 60, (SIDE, SIDE)), 31, axis=1)
    shade = gaussian_filter(random.normal(0, 1, (SIDE, SIDE)), 60) * 900
    return gray_image(140 + brushed + shade)


def with_pit(random: np.random.Generator) -> Image.Image:
    """Draw metal with a pit of three to five pixels."""
    image = metal(random)
    radius = random.uniform(3, 5)
    x, y = random.uniform(20, SIDE - 20, 2)
    ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=(60, 58, 56))
    return image.filter(ImageFilter.GaussianBlur(0.7))


def with_scratch(random: np.random.Generator) -> Image.Image:
    """Draw metal with a scratch."""
    image = metal(random)
    start, angle, length = random.uniform(60, SIDE - 60, 2), random.uniform(0.4, 2.7), random.uniform(40, 90)
    end = start + length * np.array([np.cos(angle), np.sin(angle)])
    ImageDraw.Draw(image).line([*start, *end], fill=(215, 215, 220), width=2)
    return image.filter(ImageFilter.GaussianBlur(0.7))


def smear(random: np.random.Generator) -> Image.Image:
    """Draw a smear with large cells."""
    image = Image.new("RGB", (SIDE, SIDE), (233, 222, 214))
    draw = ImageDraw.Draw(image)
    for x, y, radius in random.uniform((0, 0, 17), (SIDE, SIDE, 24), (26, 3)):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=(214, 150, 150), outline=(196, 128, 132))
    return noisy(image.filter(ImageFilter.GaussianBlur(1)), random)


def with_dots(random: np.random.Generator) -> Image.Image:
    """Draw a smear with one to three small dots."""
    image = smear(random)
    draw = ImageDraw.Draw(image)
    for x, y in random.uniform(20, SIDE - 20, (random.integers(1, 4), 2)):
        draw.ellipse((x - 4, y - 4, x + 4, y + 4), fill=(150, 104, 160))
    return image.filter(ImageFilter.GaussianBlur(0.7))


def noisy(image: Image.Image, random: np.random.Generator) -> Image.Image:
    """Add noise to an image."""
    noise = random.normal(0, 4, (SIDE, SIDE, 3))
    return Image.fromarray(np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8))


def gray_image(values: NDArray[np.floating]) -> Image.Image:
    """Convert gray values to an RGB image."""
    return Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).convert("RGB")


if __name__ == "__main__":
    main()
