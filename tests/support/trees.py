"""Small data sets, written where a test wants them."""

import json
from pathlib import Path
from zlib import crc32

from PIL import Image

ORIENTATION = 0x0112  # the EXIF tag


def plant(root, files):
    """Write files below a folder.

    Args:
        root: The folder.
        files: What is in each: text, bytes, ``(width, height)`` of a picture (of no other's colour), or what JSON
            is written of; None for an empty folder.

    Returns:
        The folder.
    """
    for name, content in files.items():
        path = Path(root, name)
        (path if content is None else path.parent).mkdir(parents=True, exist_ok=True)
        if isinstance(content, tuple):
            Image.new("RGB", content, f"#{crc32(name.encode()) % 0x1000000:06x}").save(path)
        elif isinstance(content, bytes):
            path.write_bytes(content)
        elif content is not None:
            path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return Path(root)


def voc(*objects, size=(40, 30), filename="ignored.jpg"):
    """Write Pascal VOC XML of objects ``(name, xmin, ymin, xmax, ymax)``."""
    sides = ("xmin", "ymin", "xmax", "ymax")
    found = "".join(
        f"<object><name>{name}</name><difficult>1</difficult><bndbox>"
        f"{''.join(f'<{side}>{value}</{side}>' for side, value in zip(sides, box, strict=True))}</bndbox></object>\n"
        for name, *box in objects
    )
    width, height = size
    return (
        f"<annotation>\n<filename>{filename}</filename>\n<size><width>{width}</width><height>{height}</height>"
        f"<depth>3</depth></size>\n{found}</annotation>\n"
    )


def turned(path, width, height, orientation=6):
    """Write a picture which EXIF orientation turns."""
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    Image.new("RGB", (width, height), "red").save(path, exif=exif)


def told(dataset):
    """What a data set says, as plain values: split, and of each class its boxes, by image id."""
    return {
        example.image_id: (example.split, {truth.label: truth.boxes.tolist() for truth in example.annotations})
        for example in dataset.samples
    }
