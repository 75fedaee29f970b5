"""Pictures that localize and evaluate write beside their rows: how they are named, and heatmaps as grey."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.errors import InputError

# What the suffix of a picture, and its name while it is being written, may add to a name.
_LONGEST = 255 - len(".12345.png")


def picture_name(image: Path) -> str:
    """Name an image's pictures: its path below the working folder, or else below the root, marked so.

    Two photos of the same name are then still told apart.

    Raises:
        InputError: If the name leaves no room for a suffix in a file system.

    Example:
        >>> picture_name(Path("photos/../photos/cat.jpg"))
        'photos/cat.jpg'
    """
    if len(os.fsencode(image.name)) > _LONGEST:
        raise InputError(f"{image} has too long a name for its pictures.", "Shorten it.")
    path = Path(os.path.abspath(image))
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.relative_to(path.anchor))


def grey(heatmap: NDArray[np.floating]) -> Image.Image:
    r"""Give a heatmap (H, W) in [0, 1] as a picture of 8 bits, white where it is 1.

    Example:
        >>> grey(np.array([[0.0, 0.5, 1.0]])).tobytes()
        b'\x00\x80\xff'
    """
    return Image.fromarray((heatmap * 255).round().astype(np.uint8))
