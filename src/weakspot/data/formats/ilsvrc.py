"""ILSVRC CLS-LOC as published.

::

    ILSVRC/Data/CLS-LOC/train/<wnid>/<name>.JPEG           .../val/<name>.JPEG
    ILSVRC/Annotations/CLS-LOC/train/<wnid>/<name>.xml     .../val/<name>.xml
    ILSVRC/ImageSets/CLS-LOC/train_cls.txt, val.txt        name number; optional

Source:
    Russakovsky et al., "ImageNet Large Scale Visual Recognition Challenge", IJCV 2015.
"""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from weakspot.data.dataset import Dataset, ObjectAnnotation, Sample
from weakspot.data.formats.voc_xml import VocAnnotation, read_annotation
from weakspot.data.formats.walk import files_below, folders_in, is_image, without_suffix
from weakspot.io.folders import is_file
from weakspot.io.text import read_lines, safe_relative_path

TASK = "CLS-LOC"
LISTS = {"train": ("train_cls.txt", "train_loc.txt"), "val": ("val.txt",)}
CLASSES = 1000


class _Image(NamedTuple):
    split: str
    name: str
    annotation: VocAnnotation | None


def detect(root: Path) -> bool:
    """Return whether a folder is ILSVRC, or contains it."""
    return (_home(root) / "Data" / TASK).is_dir()


def load(root: Path, images: Path | None = None) -> Dataset:
    """Load ILSVRC CLS-LOC.

    Coordinates are as written, without a shift from 1-based to 0-based, as in the WSOL protocol (Choe et al., 2020).
    The index of a class is the position of its wnid among the sorted wnids, if there are 1000.
    """
    home = _home(root)
    base = images or home / "Data" / TASK
    images_ = [
        _Image(split, name, _annotation(home, split, name)) for split in LISTS for name in _names(home, base, split)
    ]
    wnids = _wnids(base, images_)
    indices = {wnid: index for index, wnid in enumerate(wnids)} if len(wnids) == CLASSES else {}
    samples = tuple(_sample(image, base, indices) for image in images_)
    return Dataset(root, "ILSVRC CLS-LOC", wnids, samples)


def _home(root: Path) -> Path:
    return root / "ILSVRC" if (root / "ILSVRC").is_dir() else root


def _names(home: Path, base: Path, split: str) -> Iterable[str]:
    """The images of a split with suffix, from the first list that exists, else from its folder."""
    lists = (home / "ImageSets" / TASK / name for name in LISTS[split])
    file = next((file for file in lists if file.is_file()), None)
    if file:
        return (f"{safe_relative_path(text.split()[0], line)}.JPEG" for line, text in read_lines(file))
    return (name for name in files_below(base / split) if is_image(name)) if (base / split).is_dir() else ()


def _annotation(home: Path, split: str, name: str) -> VocAnnotation | None:
    file = home / "Annotations" / TASK / split / f"{without_suffix(name)}.xml"
    return read_annotation(file, first=0) if is_file(file) else None


def _wnids(base: Path, images: Iterable[_Image]) -> tuple[str, ...]:
    folders = folders_in(base / "train") if (base / "train").is_dir() else []
    return tuple(sorted({*folders, *(item.label for image in images for item in _objects(image))}))


def _objects(image: _Image) -> Iterator[ObjectAnnotation]:
    """The objects of an image, and the class of its folder."""
    folder, slash, _ = image.name.partition("/")
    if slash:
        yield ObjectAnnotation(folder)
    yield from image.annotation.objects if image.annotation else ()


def _sample(image: _Image, base: Path, indices: dict[str, int]) -> Sample:
    objects = tuple(replace(item, class_index=indices.get(item.label)) for item in _objects(image))
    size = image.annotation.size if image.annotation else None
    path = base / image.split / image.name
    return Sample(f"{image.split}/{without_suffix(image.name)}", path, image.split, objects, size)
