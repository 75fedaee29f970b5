"""Pascal VOC XML: as in VOCdevkit, in a folder of annotations, or next to the images.

::

    Annotations/<name>.xml  JPEGImages/<name>.jpg  ImageSets/Main/<split>.txt       VOCdevkit, or a folder in it
    annotations/[<class>/]<name>.xml  images/[<class>/]<name>.jpg                   also without images/
    [<split>/]<name>.xml  [<split>/]<name>.jpg

Coordinates are integers that count from 1 and are inclusive. When written, each side is rounded to the nearest pixel
edge, halves to the right and down; ``xmin = left + 1``, ``xmax = right``, and a box between two edges becomes the pixel
after them. Boxes of integers are therefore unchanged when written and read. Scores cannot be stored.
"""

import re
from collections.abc import Iterable
from math import floor
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from weakspot.data.dataset import Box, Dataset, ObjectAnnotation, Sample
from weakspot.data.formats.class_folders import has_splits, split_and_class
from weakspot.data.formats.folder_labels import add_folder_labels
from weakspot.data.formats.records import LabelProblem, LoadedLabels, WriteOptions, sorted_classes
from weakspot.data.formats.text_files import write_text
from weakspot.data.formats.voc_xml import VocAnnotation, read_annotation, xml_names
from weakspot.data.formats.walk import files_below, first_containing, folders_in, images_below, is_image, without_suffix
from weakspot.data.image_index import ImageIndex
from weakspot.errors import InputError
from weakspot.io.text import read_lines, safe_relative_path

FOLDERS = frozenset({"annotations", "annotation", "annots", "xml", "xmls"})
LISTS = ("train", "val", "test")
NO_SPLIT = "trainval"
FLAG = re.compile(r"\s+-?[01]$")  # of the lists of a class: whether it is in the image
EMPTY = VocAnnotation("", None, ())


class _Folders(NamedTuple):
    annotations: Path
    images: Path
    lists: Path


def detect(root: Path) -> bool:
    """Return whether a folder contains Pascal VOC XML."""
    return bool(_devkits(root) or _annotation_folders(root)) or _has_xml_next_to_images(root)


def load(root: Path, images: Path | None = None, ground_truth: Path | None = None) -> Dataset:
    """Load Pascal VOC XML, whose coordinates count from 1 and are inclusive; difficult objects are included.

    The class of an image without XML is its folder, if that is a class in any XML file, or if the folders are classes,
    see :func:`weakspot.data.formats.folder_labels.add_folder_labels`. An XML file without objects says that the image
    is empty. The default folders of images
    and XML files (``ground_truth``) are the first usual ones that contain them.
    """
    folders = _find_folders(root, images, ground_truth)
    files = images_below(folders.images)
    names_of_xml = xml_names(folders.annotations)
    annotations = {name: read_annotation(folders.annotations / f"{name}.xml", first=1) for name in names_of_xml}
    by_image = _match_images(annotations, files)
    names = tuple(sorted({item.label for annotation in by_image.values() for item in annotation.objects}))
    splits = _read_split_lists(folders.lists)
    by_split = has_splits(files)
    empty = {name for name, annotation in by_image.items() if not annotation.objects}
    samples = tuple(
        Sample(
            image_id,
            path,
            split,
            _objects(image_id, annotation, names, by_split),
            annotation.size,
        )
        for image_id in dict.fromkeys([*splits, *by_image, *files])
        for annotation in [by_image.get(image_id, EMPTY)]
        for path in files.get(image_id) or [folders.images / _missing(image_id, annotation, folders)]
        for split in splits.get(image_id) or [split_and_class(image_id, by_split)[0]]
    )
    dataset = Dataset(root, "Pascal VOC", names, samples)
    paths = {sample.path for sample in samples if sample.image_id in empty}
    return add_folder_labels(dataset, folders.images, empty=paths)


def read(source: Path, index: ImageIndex) -> LoadedLabels:
    """Read label files: XML below ``Annotations`` of a folder, or a folder of XML files.

    Classes are sorted by name. Objects without a box and files without an image are problems.
    """
    folder = source / "Annotations" if (source / "Annotations").is_dir() else source
    names = list(xml_names(folder))
    if not names:
        raise InputError("labels-not-found", f"{folder} contains no XML.")
    splits = _read_split_lists(source / "ImageSets" / "Main")
    problems: list[LabelProblem] = []
    pairs = ((name, read_annotation(folder / f"{name}.xml", first=1)) for name in names)
    samples = tuple(
        sample for name, annotation in pairs for sample in _labeled_samples(name, annotation, index, splits, problems)
    )
    return LoadedLabels(Dataset(source, "Pascal VOC", sorted_classes(samples), samples), tuple(problems))


def image_path(sample: Sample) -> str:
    """Return the path of an image in the folder."""
    return f"JPEGImages/{sample.image_id}"


def write(labels: Dataset, folder: Path, options: WriteOptions = WriteOptions()) -> list[LabelProblem]:  # noqa: ARG001
    """Write an XML file for each image, and lists of the splits; scores and masks are left out."""
    for sample in labels.samples:
        root = _element(sample)
        indent(root)
        write_text(folder / "Annotations" / f"{without_suffix(sample.image_id)}.xml", tostring(root, "unicode") + "\n")
    for split in labels.splits:
        names = (without_suffix(sample.image_id) for sample in labels.samples if sample.split == split)
        write_text(folder / "ImageSets" / "Main" / f"{split or NO_SPLIT}.txt", "".join(f"{name}\n" for name in names))
    return []


def _find_folders(root: Path, images: Path | None, ground_truth: Path | None) -> _Folders:
    devkits = _devkits(root)
    if len(devkits) > 1 and ground_truth is None:
        names = ", ".join(str(folder.relative_to(root)) for folder in devkits)
        raise InputError("several-datasets", f"{root} contains several data sets: {names}.", "Select one of them.")
    if devkits and ground_truth is None:
        kit = devkits[0]
        return _Folders(kit / "Annotations", images or kit / "JPEGImages", kit / "ImageSets" / "Main")
    annotations = ground_truth or next(iter(_annotation_folders(root)), root)
    lists = root / "ImageSets" / "Main"
    if ground_truth is None and annotations == root:
        return _Folders(annotations, images or root, lists)
    usual = [folder for folder in (root / "images", root / "Images", root / "JPEGImages", root) if folder.is_dir()]
    return _Folders(annotations, images or first_containing(usual, xml_names(annotations)), lists)


def _devkits(root: Path) -> list[Path]:
    """Folders that resemble VOC2007 in VOCdevkit: this folder, or those one or two levels below."""
    candidates = [root, *root.glob("VOC*"), *root.glob("VOCdevkit/*")]
    kits = [kit for kit in candidates if (kit / "Annotations").is_dir() and (kit / "JPEGImages").is_dir()]
    return kits[:1] if root in kits else sorted(kits)


def _annotation_folders(root: Path) -> list[Path]:
    """Folders with a usual name that contain XML."""
    usual = (root / name for name in folders_in(root) if name.lower() in FOLDERS)
    return [folder for folder in usual if any(xml_names(folder))]


def _has_xml_next_to_images(root: Path) -> bool:
    names = set(files_below(root))
    images = {without_suffix(name) for name in names if is_image(name)}
    return any(name.endswith(".xml") and name.removesuffix(".xml") in images for name in names)


def _match_images(annotations: dict[str, VocAnnotation], images: Iterable[str]) -> dict[str, VocAnnotation]:
    """Match XML files to images: by path, else by the only image of that name in any folder."""
    by_name: dict[str, list[str]] = {}
    for image_id in images:
        by_name.setdefault(image_id.rpartition("/")[2], []).append(image_id)
    matches: dict[str, VocAnnotation] = {key: value for key, value in annotations.items() if key in images}
    for key, annotation in annotations.items():
        name = without_suffix(annotation.filename.replace("\\", "/").rpartition("/")[2])
        candidates = by_name.get(key.rpartition("/")[2]) or by_name.get(name, [])
        is_unique = len(candidates) == 1 and candidates[0] not in matches
        matches.setdefault(candidates[0] if is_unique else key, annotation)
    return matches


def _missing(image_id: str, annotation: VocAnnotation, folders: _Folders) -> str:
    """Expected path of a missing image, relative to the folder of the images."""
    if not is_image(annotation.filename):
        return f"{image_id}.jpg"
    folder, slash, _ = image_id.rpartition("/")
    return f"{folder}{slash}{safe_relative_path(annotation.filename, folders.annotations / f'{image_id}.xml')}"


def _read_split_lists(folder: Path) -> dict[str, list[str]]:
    """Read ``ImageSets/Main``: the splits of each image, several if it leaks."""
    splits: dict[str, list[str]] = {}
    for split in LISTS:
        file = folder / f"{split}.txt"
        for line, text in read_lines(file) if file.is_file() else ():
            name = FLAG.sub("", text.strip())
            splits.setdefault(safe_relative_path(name, line), []).append(split)
    return splits


def _objects(
    image_id: str, annotation: VocAnnotation, classes: tuple[str, ...], by_split: bool
) -> tuple[ObjectAnnotation, ...]:
    folder = split_and_class(image_id, by_split)[1]
    from_folder = (ObjectAnnotation(folder),) if folder in classes and annotation is EMPTY else ()
    return annotation.objects or from_folder


def _labeled_samples(
    name: str, annotation: VocAnnotation, index: ImageIndex, splits: dict[str, list[str]], problems: list[LabelProblem]
) -> list[Sample]:
    """The image of an XML file, if it exists."""
    directory = name.rpartition("/")[0]
    named = f"{directory}/{annotation.filename}".lstrip("/")
    path = index.find(named) or index.find(name) or index.match(named) or index.match(name)
    size = annotation.size or (None if path is None else index.size(path))
    if path is None or size is None:
        problems.append(LabelProblem(f"{name}.xml", "the image does not exist"))
        return []
    objects = tuple(item for item in annotation.objects if item.box is not None)
    missing = (item.label for item in annotation.objects if item.box is None)
    problems += [LabelProblem(path, f"object without a box: {label}") for label in missing]
    split = splits.get(without_suffix(path), [""])[-1]
    return [Sample(path, Path(path), split, objects, size, size_from_image=annotation.size is None)]


def _element(sample: Sample) -> Element:
    root = Element("annotation")
    directory, _, name = sample.image_id.rpartition("/")
    _add_fields(root, {"folder": directory or "JPEGImages", "filename": name})
    _add_fields(SubElement(root, "size"), {"width": sample.width, "height": sample.height, "depth": 3})
    _add_fields(root, {"segmented": 0})
    for item in sample.objects:
        element = SubElement(root, "object")
        _add_fields(element, {"name": item.label, "pose": "Unspecified", "truncated": 0, "difficult": 0})
        sides = inclusive(item.xyxy, height=sample.height, width=sample.width)
        _add_fields(SubElement(element, "bndbox"), dict(zip(("xmin", "ymin", "xmax", "ymax"), sides, strict=True)))
    return root


def _add_fields(parent: Element, values: dict[str, object]) -> None:
    for name, value in values.items():
        SubElement(parent, name).text = str(value)


def inclusive(box: Box, *, height: int, width: int) -> tuple[int, int, int, int]:
    """Convert a box within the image, right and bottom excluded, to VOC coordinates: from 1, all sides inclusive.

    Example:
        >>> inclusive((10, 20, 30.5, 20.2), height=100, width=100)
        (11, 21, 31, 21)
    """
    x1, x2 = _edges(box[0], box[2], width)
    y1, y2 = _edges(box[1], box[3], height)
    return x1 + 1, y1 + 1, x2, y2


def _edges(low: float, high: float, size: int) -> tuple[int, int]:
    """The nearest pixel edges, at least a pixel apart."""
    first = min(floor(low + 0.5), size - 1)
    return first, max(floor(high + 0.5), first + 1)
