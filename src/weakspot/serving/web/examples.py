"""Example images, from scikit-image."""

from base64 import b64encode
from dataclasses import dataclass
from importlib.util import find_spec
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageOps

from weakspot.data import read_image

_TITLES = {
    "chelsea.png": "Cat",
    "coffee.png": "Coffee",
    "rocket.jpg": "Rocket",
    "motorcycle_left.png": "Motorcycle",
    "astronaut.png": "Astronaut",
}
_THUMBNAIL_SIZE = (128, 128)


@dataclass(frozen=True)
class ExampleImage:
    """An example image; its title is the name of the object in it."""

    title: str
    path: Path


def examples() -> tuple[ExampleImage, ...]:
    """List the example images that are installed."""
    package = find_spec("skimage")
    if package is None or package.origin is None:
        return ()
    paths = {title: Path(package.origin).parent / "data" / name for name, title in _TITLES.items()}
    return tuple(ExampleImage(title, path) for title, path in paths.items() if path.is_file())


def thumbnail(path: Path) -> str:
    """Make a small square version of an image as a ``data:`` URL, without another file or request."""
    return data_url(ImageOps.fit(read_image(path), _THUMBNAIL_SIZE))


def data_url(image: Image.Image) -> str:
    """Encode an image as JPEG in a ``data:`` URL."""
    file = BytesIO()
    image.save(file, "JPEG", quality=88)
    return f"data:image/jpeg;base64,{b64encode(file.getvalue()).decode()}"
