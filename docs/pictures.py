"""Make the README's picture: photo | heatmap | box. The photo is of a cup of coffee, by Rachel Michetti, CC0.

python docs/pictures.py
"""

from pathlib import Path

import weakspot as ws
from weakspot.cli.demo import photo_path
from weakspot.data import read_image
from weakspot.io.atomic import save_image
from weakspot.visualization import contact_sheet, draw_boxes, overlay_heatmap


def main() -> None:
    """Write docs/images/coffee.png."""
    photo = read_image(photo_path("coffee.png"))
    found = ws.Localizer(method="cam", quality="plain", output_stride=16)(photo)
    row = [
        photo,
        overlay_heatmap(photo, found.heatmap),
        draw_boxes(photo, found.boxes, f"{found.label} {found.score:.2f}"),
    ]
    save_image(contact_sheet([row], ["photo", "heatmap", "box"]), Path(__file__).parent / "images" / "coffee.png")


if __name__ == "__main__":
    main()
