"""Draw the figures of the page of the methods: image | heatmap | box, each method on the same two images.

Images: a cup of coffee by Rachel Michetti, and the cat Chelsea by Stefan van der Walt, both CC0, from scikit-image.

python docs/methods.py [METHOD ...]
"""

import sys
from pathlib import Path

from PIL import Image

import weakspot as ws
from weakspot.cli.demo import sample_image
from weakspot.data import read_image
from weakspot.io.atomic import save_image
from weakspot.visualization import contact_sheet, draw_boxes, overlay_heatmap

SAMPLES = ("coffee.png", "chelsea.png")
IMAGES = Path(__file__).parent / "images" / "methods"
# All methods for any classifier; the others need a network that was trained for them.
ANY_CLASSIFIER = tuple(name for name, method in ws.cams.METHODS.items() if not method.network)
SCORECAM_CHANNELS = 128
# There is no evidence against the most probable class of either image, so others are localized.
CLASSES = {"counterfactual": ("soup bowl", "window screen")}
PROPAGATED = "self_correlation"


def main() -> None:
    """Write docs/images/methods/NAME.jpg of each method, and of CAM in quality fast."""
    for method in sys.argv[1:] or (*ANY_CLASSIFIER, PROPAGATED):
        write(method, localizer(method))


def file_name(method: str) -> str:
    """Return the file name of a method's figure, without characters that an address would have to escape."""
    return f"{method.replace('+', '_plus')}.jpg"


def localizer(method: str) -> ws.Localizer:
    """Load EfficientNet-Lite0 with a method as it was published, at output stride 16."""
    if method == PROPAGATED:
        return ws.Localizer(method="cam", quality="fast")
    channels = SCORECAM_CHANNELS if method == "scorecam" else None
    return ws.Localizer(method=method, quality="plain", output_stride=16, channels=channels)


def write(method: str, localizer: ws.Localizer) -> None:
    """Write the figure of a method."""
    classes = CLASSES.get(method, (None,) * len(SAMPLES))
    rows = [
        row(read_image(sample_image(name)), localizer, class_) for name, class_ in zip(SAMPLES, classes, strict=True)
    ]
    save_image(contact_sheet(rows, ["image", "heatmap", "box"], width=240), IMAGES / file_name(method))


def row(image: Image.Image, localizer: ws.Localizer, class_: str | None) -> list[Image.Image]:
    """Return an image, its overlay, and its box with the class."""
    localization = localizer(image, classes=class_)
    box = draw_boxes(image, localization.boxes, f"{localization.label} {localization.score:.2f}")
    return [image, overlay_heatmap(image, localization.heatmap), box]


if __name__ == "__main__":
    main()
