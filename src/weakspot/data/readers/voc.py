"""Pascal VOC XML: as in VOCdevkit, in a folder of annotations, or beside the images.

::

    Annotations/<name>.xml  JPEGImages/<name>.jpg  ImageSets/Main/<split>.txt       VOCdevkit, or a folder in it
    annotations/[<class>/]<name>.xml  images/[<class>/]<name>.jpg                   also without images/
    [<split>/]<name>.xml  [<split>/]<name>.jpg
"""

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from weakspot.data.dataset import Annotation, Dataset, Sample
from weakspot.data.readers.annotations import ObjectAnnotation, group_by_class
from weakspot.data.readers.class_folders import has_splits, split_and_class
from weakspot.data.readers.voc_xml import VocAnnotation, read_annotation
from weakspot.data.readers.walk import files_below, first_containing, folders_in, images_below, is_image, without_suffix
from weakspot.errors import InputError
from weakspot.io.text import read_lines, safe_relative_path

FOLDERS = frozenset({"annotations", "annotation", "annots", "xml", "xmls"})
LISTS = ("train", "val", "test")
NOTHING = VocAnnotation("", None, ())


class _Places(NamedTuple):
    annotations: Path
    images: Path
    lists: Path


def detect(root: Path) -> bool:
    """Tell whether a folder holds Pascal VOC XML."""
    return bool(_devkits(root) or _folders(root)) or _beside(root)


def load(root: Path, images: Path | None = None, truth: Path | None = None) -> Dataset:
    """Read Pascal VOC XML, whose sides count from 1 and belong to the box; difficult objects are kept.

    An image without XML has the class of the folder it lies in, if any XML knows such a class, else none.

    Args:
        root: The data set.
        images: The folder of the images; default the usual one that holds them.
        truth: The folder of the XML files; default the usual one.

    Raises:
        InputError: If a file is not such XML, an image lies outside, or there are several data sets in the folder.
    """
    places = _places(root, images, truth)
    files = images_below(places.images)
    annotated = _by_image(_annotations(places.annotations), files)
    names = tuple(sorted({one.label for annotation in annotated.values() for one in annotation.marked}))
    listed = _listed(places.lists)
    by_split = has_splits(files)
    examples = (
        Sample(image_id, path, split, _truths(image_id, said, names, by_split), said.size)
        for image_id in dict.fromkeys([*listed, *annotated, *files])
        for said in [annotated.get(image_id, NOTHING)]
        for path in files.get(image_id) or [places.images / _missing(image_id, said, places)]
        for split in listed.get(image_id) or [split_and_class(image_id, by_split)[0]]
    )
    return Dataset(root, "Pascal VOC", names, tuple(examples))


def _places(root: Path, images: Path | None, truth: Path | None) -> _Places:
    devkits = _devkits(root)
    if len(devkits) > 1 and truth is None:
        names = ", ".join(str(folder.relative_to(root)) for folder in devkits)
        raise InputError(f"{root} holds several data sets: {names}.", "Give one of their folders.")
    if devkits and truth is None:
        kit = devkits[0]
        return _Places(kit / "Annotations", images or kit / "JPEGImages", kit / "ImageSets" / "Main")
    annotations = truth or next(iter(_folders(root)), root)
    usual = [folder for folder in (root / "images", root / "Images", root / "JPEGImages", root) if folder.is_dir()]
    beside = truth is None and annotations == root
    named = (name.removesuffix(".xml") for name in files_below(annotations) if name.endswith(".xml"))
    return _Places(
        annotations, images or (root if beside else first_containing(usual, named)), root / "ImageSets" / "Main"
    )


def _devkits(root: Path) -> list[Path]:
    """The folders that look like VOC2007 in VOCdevkit: this one, or those one or two below."""
    candidates = [root, *root.glob("VOC*"), *root.glob("VOCdevkit/*")]
    kits = [kit for kit in candidates if (kit / "Annotations").is_dir() and (kit / "JPEGImages").is_dir()]
    return kits[:1] if root in kits else sorted(kits)


def _folders(root: Path) -> list[Path]:
    """The folders of the usual names that hold XML."""
    usual = (root / name for name in folders_in(root) if name.lower() in FOLDERS)
    return [folder for folder in usual if any(name.endswith(".xml") for name in files_below(folder))]


def _beside(root: Path) -> bool:
    names = set(files_below(root))
    images = {without_suffix(name) for name in names if is_image(name)}
    return any(name.endswith(".xml") and name.removesuffix(".xml") in images for name in names)


def _annotations(folder: Path) -> dict[str, VocAnnotation]:
    names = (name for name in files_below(folder) if name.endswith(".xml"))
    return {name.removesuffix(".xml"): read_annotation(folder / name, first=1) for name in names}


def _by_image(annotations: dict[str, VocAnnotation], images: Iterable[str]) -> dict[str, VocAnnotation]:
    """Bring each XML file to the image of its name; else to the only one, in any folder, whose name it gives."""
    of_name: dict[str, list[str]] = {}
    for image_id in images:
        of_name.setdefault(image_id.rpartition("/")[2], []).append(image_id)
    found: dict[str, VocAnnotation] = {key: said for key, said in annotations.items() if key in images}
    for key, said in annotations.items():
        given = without_suffix(said.filename.replace("\\", "/").rpartition("/")[2])
        same = of_name.get(key.rpartition("/")[2]) or of_name.get(given, [])
        found.setdefault(same[0] if len(same) == 1 and same[0] not in found else key, said)
    return found


def _missing(image_id: str, said: VocAnnotation, places: _Places) -> str:
    """Where the image should be, below the folder of the images."""
    if not is_image(said.filename):
        return f"{image_id}.jpg"
    folder, slash, _ = image_id.rpartition("/")
    return f"{folder}{slash}{safe_relative_path(said.filename, places.annotations / f'{image_id}.xml')}"


def _listed(folder: Path) -> dict[str, list[str]]:
    """The splits of each image in ``ImageSets/Main``, more than one if it leaks."""
    splits: dict[str, list[str]] = {}
    for split in LISTS:
        file = folder / f"{split}.txt"
        for place, line in read_lines(file) if file.is_file() else ():
            splits.setdefault(safe_relative_path(line.split()[0], place), []).append(split)
    return splits


def _truths(image_id: str, said: VocAnnotation, classes: tuple[str, ...], by_split: bool) -> tuple[Annotation, ...]:
    folder = split_and_class(image_id, by_split)[1]
    from_folder = [ObjectAnnotation(folder)] if folder in classes and said is NOTHING else []
    return group_by_class(said.marked or from_folder)
