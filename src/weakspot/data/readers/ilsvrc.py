"""ILSVRC CLS-LOC as shipped.

::

    ILSVRC/Data/CLS-LOC/train/<wnid>/<name>.JPEG           .../val/<name>.JPEG
    ILSVRC/Annotations/CLS-LOC/train/<wnid>/<name>.xml     .../val/<name>.xml
    ILSVRC/ImageSets/CLS-LOC/train_cls.txt, val.txt        name number; may be missing

Source:
    Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from weakspot.data.dataset import Dataset, Sample
from weakspot.data.readers.annotations import ObjectAnnotation, group_by_class
from weakspot.data.readers.voc_xml import VocAnnotation, read_annotation
from weakspot.data.readers.walk import files_below, folders_in, is_file, is_image, without_suffix
from weakspot.io.text import read_lines, safe_relative_path

TASK = "CLS-LOC"
LISTS = {"train": ("train_cls.txt", "train_loc.txt"), "val": ("val.txt",)}
CLASSES = 1000


class _Image(NamedTuple):
    split: str
    name: str
    said: VocAnnotation | None


def detect(root: Path) -> bool:
    """Tell whether a folder is ILSVRC, or holds it."""
    return (_home(root) / "Data" / TASK).is_dir()


def load(root: Path, images: Path | None = None) -> Dataset:
    """Read ILSVRC CLS-LOC.

    Coordinates are taken as written, without a shift from 1-based to 0-based, as the field's benchmark takes them. A
    class's index is its wnid's place among the sorted wnids, if there are 1000 of them.

    Args:
        root: The folder ILSVRC, or the one that holds it.
        images: The folder of train and val; default ``Data/CLS-LOC``.

    Raises:
        InputError: If an XML file is none, an image lies outside, or a file cannot be read.
    """
    home = _home(root)
    base = images or home / "Data" / TASK
    found = [_Image(split, name, _said(home, split, name)) for split in LISTS for name in _names(home, base, split)]
    wnids = _wnids(base, found)
    indices = {wnid: place for place, wnid in enumerate(wnids)} if len(wnids) == CLASSES else {}
    examples = tuple(_example(image, base, indices) for image in found)
    return Dataset(root, "ILSVRC CLS-LOC", wnids, examples)


def _home(root: Path) -> Path:
    return root / "ILSVRC" if (root / "ILSVRC").is_dir() else root


def _names(home: Path, base: Path, split: str) -> Iterable[str]:
    """The images of a split with suffix, as the first of its lists names them, else as they lie in its folder."""
    lists = (home / "ImageSets" / TASK / name for name in LISTS[split])
    listed = next((file for file in lists if file.is_file()), None)
    if listed:
        return (f"{safe_relative_path(line.split()[0], place)}.JPEG" for place, line in read_lines(listed))
    return (name for name in files_below(base / split) if is_image(name)) if (base / split).is_dir() else ()


def _said(home: Path, split: str, name: str) -> VocAnnotation | None:
    file = home / "Annotations" / TASK / split / f"{without_suffix(name)}.xml"
    return read_annotation(file, first=0) if is_file(file) else None


def _wnids(base: Path, images: Iterable[_Image]) -> tuple[str, ...]:
    folders = folders_in(base / "train") if (base / "train").is_dir() else []
    return tuple(sorted({*folders, *(one.label for image in images for one in _marked(image))}))


def _marked(image: _Image) -> Iterator[ObjectAnnotation]:
    """The objects of an image, and the class of the folder that it lies in."""
    folder, slash, _ = image.name.partition("/")
    if slash:
        yield ObjectAnnotation(folder)
    yield from image.said.marked if image.said else ()


def _example(image: _Image, base: Path, indices: dict[str, int]) -> Sample:
    truths = group_by_class(_marked(image))
    size = image.said.size if image.said else None
    indexed = tuple(replace(truth, class_index=indices.get(truth.label)) for truth in truths)
    path = base / image.split / image.name
    return Sample(f"{image.split}/{without_suffix(image.name)}", path, image.split, indexed, size)
