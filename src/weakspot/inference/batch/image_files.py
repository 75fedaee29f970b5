"""Images that localize and evaluate write next to their rows: file names, and heatmaps as gray images."""

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from weakspot.errors import InputError

# Longest name that leaves room for the suffix of an output image and of its temporary file.
_MAX_BYTES = 255 - len(".12345.png")


def output_name(image: Path) -> str:
    """Return the name of an image's output files: its path relative to the working folder, else to the root.

    Images of the same name in different folders thus have different output files. A name that a file system could not
    store with a suffix raises InputError ``name-too-long``.

    Example:
        >>> output_name(Path("images/../images/cat.jpg"))
        'images/cat.jpg'
    """
    if len(os.fsencode(image.name)) > _MAX_BYTES:
        raise InputError("name-too-long", f"The name of {image} is too long for its output files.", "Rename it.")
    path = Path(os.path.abspath(image))
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path.relative_to(path.anchor))


def gray_image(heatmap: NDArray[np.floating]) -> Image.Image:
    r"""Convert a heatmap (H, W) in [0, 1] to an 8-bit gray image; 1 is white.

    Example:
        >>> gray_image(np.array([[0.0, 0.5, 1.0]])).tobytes()
        b'\x00\x80\xff'
    """
    return Image.fromarray((heatmap * 255).round().astype(np.uint8))
