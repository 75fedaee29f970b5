"""Make the pictures of the methods page: photo | heatmap | box, each method on the same two photos.

Photos: a cup of coffee by Rachel Michetti, and the cat Chelsea by Stefan van der Walt, both CC0, from scikit-image.

python docs/methods.py [METHOD ...]
"""

import sys
from pathlib import Path

from PIL import Image

import weakspot as ws
from weakspot.cli.demo import photo_path
from weakspot.data import read_image
from weakspot.io.atomic import save_image
from weakspot.visualization import contact_sheet, draw_boxes, overlay_heatmap

PHOTOS = ("coffee.png", "chelsea.png")
IMAGES = Path(__file__).parent / "images" / "methods"
# All methods that read a classifier as it is; the others need a network that was trained for them.
ANY_CLASSIFIER = tuple(name for name, method in ws.cams.METHODS.items() if not method.network)
SCORECAM_CHANNELS = 128
# Nothing speaks against the most probable class of either photo, so others are asked for.
ASKED_FOR = {"counterfactual": ("soup bowl", "window screen")}
SPREAD = "self_correlation"


def main() -> None:
    """Write docs/images/methods/NAME.jpg of each method, and of what a quality does to CAM."""
    for method in sys.argv[1:] or (*ANY_CLASSIFIER, SPREAD):
        write(method, localizer(method))


def file_name(method: str) -> str:
    """Name the picture of a method, without signs that an address would have to escape."""
    return f"{method.replace('+', '_plus')}.jpg"


def localizer(method: str) -> ws.Localizer:
    """Read EfficientNet-Lite0 by a method as it was published, at output stride 16."""
    if method == SPREAD:
        return ws.Localizer(method="cam", quality="fast")
    channels = SCORECAM_CHANNELS if method == "scorecam" else None
    return ws.Localizer(method=method, quality="plain", output_stride=16, channels=channels)


def write(method: str, localizer: ws.Localizer) -> None:
    """Write the picture of what a localizer finds in the photos."""
    classes = ASKED_FOR.get(method, (None,) * len(PHOTOS))
    rows = [
        row(read_image(photo_path(photo)), localizer, class_) for photo, class_ in zip(PHOTOS, classes, strict=True)
    ]
    save_image(contact_sheet(rows, ["photo", "heatmap", "box"], width=240), IMAGES / file_name(method))


def row(photo: Image.Image, localizer: ws.Localizer, class_: str | None) -> list[Image.Image]:
    """A photo, its heatmap laid over it, and the box with the class."""
    found = localizer(photo, classes=class_)
    box = draw_boxes(photo, found.boxes, f"{found.label} {found.score:.2f}")
    return [photo, overlay_heatmap(photo, found.heatmap), box]


if __name__ == "__main__":
    main()
