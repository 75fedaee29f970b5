"""Labels of class folders for the images that a file of boxes leaves out.

A person who draws some boxes in images of class folders says nothing of the other images: these keep the labels of
their folders.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from weakspot.data.annotation_kinds import is_located
from weakspot.data.dataset import Dataset, Sample
from weakspot.data.formats import class_folders
from weakspot.data.formats.split_folders import TRAINING
from weakspot.data.formats.walk import is_image, without_suffix
from weakspot.data.image_index import known_images
from weakspot.errors import InputError
from weakspot.io.folders import is_file

# Missing files are looked for among the first images only: a data set whose names have no folders has them all missing.
_LOOKED_AT = 100


def add_folder_labels(
    dataset: Dataset, images: Path | None = None, *, empty: Collection[Path] = frozenset()
) -> Dataset:
    """Add the images of class folders that a data set of boxes leaves out, with the labels of their folders.

    An image that it lists without an object gets that label as well, unless it is known to be empty. Images are found
    by path, or by a base name that is unique. Folders are classes if at least half of the images with boxes or masks
    have an object of the class that their folder is named after; otherwise the data set is returned as it is.

    Args:
        dataset: Images with boxes or masks, as read.
        images: Folder of the images; by default ``images`` in the root of the data set if it exists, else the root.
        empty: Files of images of which the data set says that no object is in them.
    """
    if not _may_have_class_folders(dataset):
        return dataset
    base = images or class_folders.image_folder(dataset.root)
    try:
        folders = class_folders.load(dataset.root, base)
    except InputError:  # folders that may be splits or classes
        return dataset
    by_path = {
        one.path: one for one in folders.samples if base != dataset.root or not one.image_id.startswith("masks/")
    }
    paths = _found(dataset, base, by_path)
    samples = [replace(sample, path=path) for sample, path in zip(dataset.samples, paths, strict=True)]
    if not _agree(samples, by_path):
        return dataset
    labeled = [sample if sample.path in empty else _with_label(sample, by_path.get(sample.path)) for sample in samples]
    present = {sample.path for sample in samples}
    labeled += _others((one for path, one in by_path.items() if path not in present), dataset, base)
    found = {item.label for sample in labeled for item in sample.objects}
    names = dict.fromkeys([*dataset.class_names, *(name for name in folders.class_names if name in found)])
    return replace(dataset, class_names=tuple(names), samples=tuple(labeled))


def _may_have_class_folders(dataset: Dataset) -> bool:
    """Whether a path contains the label of a box, or a file is missing, so that it may be in a class folder."""
    located = (sample for sample in dataset.samples if any(map(is_located, sample.objects)))
    if any({item.label for item in sample.objects} & {*sample.path.parts[:-1]} for sample in located):
        return True
    return any(not is_file(sample.path) for sample in islice(dataset.samples, _LOOKED_AT))


def _found(dataset: Dataset, base: Path, by_path: Mapping[Path, Sample]) -> list[Path]:
    """The file of each image: of a missing one, the only file of its base name that no other image has."""
    names = {path.relative_to(base).as_posix(): path for path in by_path}
    index = known_images(dict.fromkeys(names, (0, 0)))
    taken = {sample.path for sample in dataset.samples}

    def find(sample: Sample) -> Path:
        if sample.path in by_path:
            return sample.path
        name = index.match(sample.image_id)
        path = sample.path if name is None else names[name]
        return sample.path if path in taken else path

    return [find(sample) for sample in dataset.samples]


def _agree(samples: Sequence[Sample], by_path: Mapping[Path, Sample]) -> bool:
    """Whether folders are named after the classes of the boxes in them."""
    pairs = [
        ({item.label for item in sample.objects}, by_path[sample.path].objects[0].label)
        for sample in samples
        if any(map(is_located, sample.objects)) and sample.path in by_path and by_path[sample.path].objects
    ]
    return bool(pairs) and 2 * sum(folder in labels for labels, folder in pairs) >= len(pairs)


def _with_label(sample: Sample, in_folder: Sample | None) -> Sample:
    if sample.objects or in_folder is None:
        return sample
    return replace(sample, objects=in_folder.objects)


def _others(samples: Iterable[Sample], dataset: Dataset, base: Path) -> list[Sample]:
    """Images of class folders that the data set does not list.

    If it has splits, they are in that of their folder, else in the training split.
    """
    has_suffix = any(is_image(sample.image_id) for sample in dataset.samples[:1])
    splits = [name for name in dataset.splits if name]
    split = next((name for name in splits if name in TRAINING), "train" if splits else "")
    others = []
    for sample in samples:
        name = sample.path.relative_to(base).as_posix()
        image_id = name if has_suffix else without_suffix(name)
        others += [replace(sample, image_id=image_id, split=sample.split or split)] if sample.objects else []
    return others
