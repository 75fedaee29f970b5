"""Files to download: JSON, image, mask and COCO labels of one method."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path, PurePosixPath, PureWindowsPath
from tempfile import TemporaryDirectory

from PIL import Image

from weakspot.data import Dataset, Sample, read_image
from weakspot.data.formats import coco
from weakspot.inference.localization import Localization
from weakspot.labels.from_localizations import from_localization, name_classes
from weakspot.serving.web.drawing import draw_classes, draw_masks
from weakspot.serving.web.uploads import private_folder


@dataclass(frozen=True, eq=False)
class Download:
    """Content of a download: an image file, and at least one localization, one per class, as displayed."""

    name: str
    content: bytes
    localizations: Sequence[Localization]
    class_names: tuple[str, ...]
    opacity: float = 0.6

    def named(self) -> Localization:
        """Return the first localization with all others in it, and with the name of the file."""
        first, *others = (
            replace(localization, image=Path(base_name(self.name))) for localization in self.localizations
        )
        return replace(first, others=tuple(others))


def to_json(download: Download) -> bytes:
    """Write one line of JSON, as :meth:`Localization.to_json` does."""
    return f"{download.named().to_json()}\n".encode()


def to_overlay(download: Download) -> bytes:
    """Draw the heatmaps and boxes over the image at its full size, as PNG."""
    first = download.localizations[0]
    image = read_image(download.content, max_pixels=first.width * first.height)
    return _png(draw_classes(image, download.localizations, opacity=download.opacity))


def to_mask(download: Download) -> bytes:
    """Draw the masks at the image's full size, as PNG."""
    return _png(draw_masks(download.localizations))


def to_coco(download: Download) -> bytes:
    """Write COCO JSON of one image, with all classes of the model as categories, so that files can be merged."""
    image = from_localization(download.named())
    classes, (named,) = name_classes([image], download.class_names)
    sample = Sample(str(image.path), image.path, "", named.objects, (image.height, image.width))
    labels = Dataset(Path(), "labels", classes, (sample,))
    with TemporaryDirectory(dir=private_folder()) as folder:
        coco.write(labels, Path(folder))
        (file,) = Path(folder, "annotations").iterdir()
        return json.dumps(json.loads(file.read_bytes()), ensure_ascii=False).encode()


# Label of the button -> end of the file name, and the function that makes the content.
DOWNLOADS: Mapping[str, tuple[str, Callable[[Download], bytes]]] = {
    "JSON": (".json", to_json),
    "Image": ("-overlay.png", to_overlay),
    "Mask": ("-mask.png", to_mask),
    "COCO": ("-coco.json", to_coco),
}


def base_name(name: str) -> str:
    r"""Return the last part of a file name as a browser sends it.

    Example:
        >>> base_name("../a/cat.jpg"), base_name("C:\\cat.jpg"), base_name("..")
        ('cat.jpg', 'cat.jpg', 'image')
    """
    last = PureWindowsPath(PurePosixPath(name).name).name.replace("\0", "")
    return last if last.strip(". ") else "image"


def _png(image: Image.Image) -> bytes:
    file = BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
