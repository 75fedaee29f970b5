"""Pascal VOC XML: as in VOCdevkit, in a folder of annotations, or next to the images.

::

    Annotations/<name>.xml  JPEGImages/<name>.jpg  ImageSets/Main/<split>.txt       VOCdevkit, or a folder in it
    annotations/[<class>/]<name>.xml  images/[<class>/]<name>.jpg                   also without images/
    [<split>/]<name>.xml  [<split>/]<name>.jpg
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from weakspot.data.dataset import Annotation, Dataset, ObjectAnnotation, Sample, group_by_class
from weakspot.data.readers.class_folders import has_splits, split_and_class
from weakspot.data.readers.voc_xml import VocAnnotation, read_annotation, xml_names
from weakspot.data.readers.walk import files_below, first_containing, folders_in, images_below, is_image, without_suffix
from weakspot.errors import InputError
from weakspot.io.text import read_lines, safe_relative_path

FOLDERS = frozenset({"annotations", "annotation", "annots", "xml", "xmls"})
LISTS = ("train", "val", "test")
EMPTY = VocAnnotation("", None, ())


class _Folders(NamedTuple):
    annotations: Path
    images: Path
    lists: Path


def detect(root: Path) -> bool:
    """Return whether a folder contains Pascal VOC XML."""
    return bool(_devkits(root) or _annotation_folders(root)) or _has_xml_next_to_images(root)


def load(root: Path, images: Path | None = None, truth: Path | None = None) -> Dataset:
    """Load Pascal VOC XML, whose coordinates count from 1 and are inclusive; difficult objects are included.

    The class of an image without XML is its folder, if that is a class in any XML file. The default folders of images
    and XML files (``truth``) are the first usual ones that contain them.
    """
    folders = _find_folders(root, images, truth)
    files = images_below(folders.images)
    names_of_xml = xml_names(folders.annotations)
    annotations = {name: read_annotation(folders.annotations / f"{name}.xml", first=1) for name in names_of_xml}
    by_image = _match_images(annotations, files)
    names = tuple(sorted({item.label for annotation in by_image.values() for item in annotation.objects}))
    splits = _read_split_lists(folders.lists)
    by_split = has_splits(files)
    samples = (
        Sample(image_id, path, split, _annotations(image_id, annotation, names, by_split), annotation.size)
        for image_id in dict.fromkeys([*splits, *by_image, *files])
        for annotation in [by_image.get(image_id, EMPTY)]
        for path in files.get(image_id) or [folders.images / _missing(image_id, annotation, folders)]
        for split in splits.get(image_id) or [split_and_class(image_id, by_split)[0]]
    )
    return Dataset(root, "Pascal VOC", names, tuple(samples))


def _find_folders(root: Path, images: Path | None, truth: Path | None) -> _Folders:
    devkits = _devkits(root)
    if len(devkits) > 1 and truth is None:
        names = ", ".join(str(folder.relative_to(root)) for folder in devkits)
        raise InputError("several-datasets", f"{root} contains several data sets: {names}.", "Select one of them.")
    if devkits and truth is None:
        kit = devkits[0]
        return _Folders(kit / "Annotations", images or kit / "JPEGImages", kit / "ImageSets" / "Main")
    annotations = truth or next(iter(_annotation_folders(root)), root)
    lists = root / "ImageSets" / "Main"
    if truth is None and annotations == root:
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
            splits.setdefault(safe_relative_path(text.split()[0], line), []).append(split)
    return splits


def _annotations(
    image_id: str, annotation: VocAnnotation, classes: tuple[str, ...], by_split: bool
) -> tuple[Annotation, ...]:
    folder = split_and_class(image_id, by_split)[1]
    from_folder = [ObjectAnnotation(folder)] if folder in classes and annotation is EMPTY else []
    return group_by_class(annotation.objects or from_folder)
