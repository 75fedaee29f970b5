"""Draw the figure of the README: image | heatmap | box. The image is a cup of coffee by Rachel Michetti, CC0.

python docs/pictures.py
"""

from pathlib import Path

import weakspot as ws
from weakspot.cli.demo import sample_image
from weakspot.data import read_image
from weakspot.io.atomic import save_image
from weakspot.visualization import contact_sheet, draw_boxes, overlay_heatmap


def main() -> None:
    """Write docs/images/coffee.png."""
    image = read_image(sample_image("coffee.png"))
    localization = ws.Localizer(method="cam", quality="plain", output_stride=16)(image)
    row = [
        image,
        overlay_heatmap(image, localization.heatmap),
        draw_boxes(image, localization.boxes, f"{localization.label} {localization.score:.2f}"),
    ]
    save_image(contact_sheet([row], ["image", "heatmap", "box"]), Path(__file__).parent / "images" / "coffee.png")


if __name__ == "__main__":
    main()
