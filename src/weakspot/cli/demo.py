"""Localize real photos that scikit-image carries, with three methods side by side."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from weakspot.data import read_image
from weakspot.io.atomic import atomic_write, save_image
from weakspot.visualization import contact_sheet

if TYPE_CHECKING:
    from weakspot.inference.localization import Localization

# Photo -> the class to look for; None for the most probable. The rocket's best class is a drilling platform.
PHOTOS: dict[str, str | None] = {
    "chelsea.png": None,
    "coffee.png": None,
    "motorcycle_left.png": None,
    "rocket.jpg": "missile",
}
METHODS = {"cam": "CAM", "gradcam": "Grad-CAM", "gradcam++": "Grad-CAM++"}


@dataclass(frozen=True)
class DemoOutcome:
    """What the demo wrote and found.

    Attributes:
        sheet: The contact sheet.
        rows: The file of boxes.
        found: By photo, one localization a method.
    """

    sheet: Path
    rows: Path
    found: "dict[str, list[Localization]]"


def demo(output: Path) -> DemoOutcome:
    """Localize the photos, and write a contact sheet and the boxes.

    Args:
        output: Folder to write to; what an earlier demo wrote there is replaced.
    """
    from weakspot.inference.localizer import Localizer

    localizers = [Localizer(method=method) for method in METHODS]
    found = {
        name: [localizer(path, classes=[wanted] if wanted else None) for localizer in localizers]
        for name, wanted in PHOTOS.items()
        for path in [photo_path(name)]
    }
    sheet, rows_path = output / "contact-sheet.png", output / "boxes.jsonl"
    save_image(_sheet(found.values()), sheet)
    _write_rows(found.values(), rows_path)
    return DemoOutcome(sheet, rows_path, found)


def photo_path(name: str) -> Path:
    """Find a photo among those that scikit-image installs."""
    package = find_spec("skimage")
    assert package is not None
    assert package.origin is not None
    return Path(package.origin).parent / "data" / name


def _sheet(rows: "Iterable[list[Localization]]") -> Image.Image:
    """Put each photo beside what each method found in it."""
    pictures = [[read_image(row[0].image), *(found.plot() for found in row)] for row in rows]
    return contact_sheet(pictures, ["photo", *METHODS.values()])


def _write_rows(rows: "Iterable[list[Localization]]", path: Path) -> None:
    with atomic_write(path) as file:
        file.writelines(f"{found.to_json()}\n".encode() for row in rows for found in row)
