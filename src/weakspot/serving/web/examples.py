"""Photos to try, of those that scikit-image carries."""

from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from weakspot.data import read_image

_NAMES = {
    "chelsea.png": "Cat",
    "coffee.png": "Coffee",
    "rocket.jpg": "Rocket",
    "motorcycle_left.png": "Motorcycle",
    "astronaut.png": "Astronaut",
}
_THUMBNAIL = (128, 128)


@dataclass(frozen=True)
class Example:
    """A photo to try.

    Attributes:
        title: What it shows.
        path: The file.
    """

    title: str
    path: Path


def examples() -> tuple[Example, ...]:
    """Find the photos; those that are not installed are left out."""
    return tuple(_found())


def _found() -> Iterator[Example]:
    package = find_spec("skimage")
    if package is None or package.origin is None:
        return
    for name, title in _NAMES.items():
        path = Path(package.origin).parent / "data" / name
        if path.is_file():
            yield Example(title, path)


def thumbnail(path: Path) -> str:
    """Make a small square picture as a ``data:`` address: nothing of it lies on the disk or is asked for by itself."""
    return data_url(ImageOps.fit(read_image(path), _THUMBNAIL))


def data_url(picture: Image.Image) -> str:
    """Write a picture as JPEG into an address."""
    file = BytesIO()
    picture.save(file, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
