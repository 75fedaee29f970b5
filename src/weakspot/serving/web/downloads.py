"""What a visitor takes home: JSON, a picture, a mask and COCO labels of one method."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory

from PIL import Image

from weakspot.data import read_image
from weakspot.inference.localization import Localization
from weakspot.labels import LabeledImage, LabelSet, coco
from weakspot.labels.from_localizations import from_localization, name_classes
from weakspot.serving.web.drawing import draw_classes, mask_picture
from weakspot.serving.web.uploads import private_folder


@dataclass(frozen=True, eq=False)
class Download:
    """What a download is made of.

    Attributes:
        name: Name of the photo's file.
        content: The photo's bytes.
        found: One localization a class, at least one, as they are shown.
        class_names: All that the model knows.
        opacity: Opacity of the heatmaps.
    """

    name: str
    content: bytes
    found: Sequence[Localization]
    class_names: tuple[str, ...]
    opacity: float = 0.6


def as_json(taken: Download) -> bytes:
    """Give one line of JSON as :meth:`Localization.to_json` does, with the photo's name."""
    first, *others = (replace(one, image=Path(plain_name(taken.name))) for one in taken.found)
    return f"{replace(first, others=tuple(others)).to_json()}\n".encode()


def as_overlay(taken: Download) -> bytes:
    """Give the photo in its own size with heatmaps and boxes, as PNG."""
    size = taken.found[0].width * taken.found[0].height
    return _png(draw_classes(read_image(taken.content, max_pixels=size), taken.found, opacity=taken.opacity))


def as_mask(taken: Download) -> bytes:
    """Give the masks in the photo's own size, as PNG."""
    return _png(mask_picture(taken.found))


def as_coco(taken: Download) -> bytes:
    """Give COCO JSON of one image; its categories are all classes, so that files of several photos go together."""
    first, *others = (replace(one, image=Path(plain_name(taken.name))) for one in taken.found)
    image = from_localization(replace(first, others=tuple(others)))
    classes, (named,) = name_classes([image], taken.class_names)
    labels = LabelSet(classes, (LabeledImage(str(image.path), image.width, image.height, named.objects),))
    with TemporaryDirectory(dir=private_folder()) as folder:
        coco.write(labels, Path(folder))
        (file,) = Path(folder, "annotations").iterdir()
        return json.dumps(json.loads(file.read_bytes()), ensure_ascii=False).encode()


# What is on the button -> the end of the file's name, and what is in it.
DOWNLOADS: Mapping[str, tuple[str, Callable[[Download], bytes]]] = {
    "JSON": (".json", as_json),
    "Picture": ("-overlay.png", as_overlay),
    "Mask": ("-mask.png", as_mask),
    "COCO": ("-coco.json", as_coco),
}


def plain_name(name: str) -> str:
    r"""Take the name of a file from whatever a browser calls it.

    Example:
        >>> plain_name("../a/cat.jpg"), plain_name("C:\\cat.jpg"), plain_name("..")
        ('cat.jpg', 'cat.jpg', 'photo')
    """
    last = PureWindowsPath(PurePosixPath(name).name).name.replace("\0", "")
    return last if last.strip(". ") else "photo"


def _png(picture: Image.Image) -> bytes:
    file = BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()
