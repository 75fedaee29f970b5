"""Folders that are named after splits: ``train``, ``training_set``, ``seg_train``, ``obj_train_data``, ``fold1``."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from weakspot.errors import InputError

TRAINING = frozenset({"train", "training"})
VALIDATION = frozenset({"val", "valid", "validation", "dev"})
SPLITS = TRAINING | VALIDATION | {"test", "testing", "eval", "evaluation", "holdout"}
# What follows or precedes the name of a split in the name of its folder.
_AROUND = re.compile(r"(?:(?:images?|imgs?|data)[ _-])?(.+?)(?:[ _-]?(?:set|images?|imgs?|data|folder))?")
# Names that mean a split only next to others.
_PREDICTION = frozenset({"pred", "preds", "predict", "prediction", "predictions", "unlabeled", "unlabelled"})
_FOLD = "fold"
_WORD = re.compile(r"[a-z]+|\d+")
# Folders that hold the images of a split, or of a whole data set.
IMAGES = frozenset({"image", "images", "img", "imgs", "jpegimages"})
# Folders of a data set's parts and label formats, which are classes only if there are others.
PARTS = IMAGES | {"mask", "masks", "label", "labels", "annotation", "annotations", "segmentationclass"}
PARTS |= {"coco", "csv", "voc", "yolo", "labelstudio", "segmentationobject"}
_QUESTION = (
    "If they are splits, move the images of each class to a folder train/NAME, test/NAME; if they are classes, move "
    "them all into a folder train, or list the labels in labels.csv."
)


class NamedSplit(NamedTuple):
    """The split that a folder is named after, and the other words of its name; both empty if there is none."""

    split: str
    rest: tuple[str, ...] = ()


def split_name(folder: str) -> str:
    """Return the split that a folder is named after; empty if it is not named after one.

    Example:
        >>> split_name("Train"), split_name("training_set"), split_name("testing data"), split_name("trainer")
        ('train', 'training', 'testing', '')
    """
    name = folder.lower()
    match = _AROUND.fullmatch(name)
    return next((part for part in (name, match[1] if match else "") if part in SPLITS), "")


def name_split(folder: str) -> NamedSplit:
    """Return the split that is among the words of a folder's name, without numbers other than that of a fold.

    Example:
        >>> name_split("seg_train")
        NamedSplit(split='train', rest=('seg',))
        >>> [name_split(folder).split for folder in ("train2017", "obj_valid_data", "Fold 3", "trainer")]
        ['train', 'valid', 'fold3', '']
    """
    if split_name(folder):
        return NamedSplit(split_name(folder))
    words = _WORD.findall(re.sub(r"(?<=[a-z])(?=[A-Z])", "_", folder).lower())
    names = [_split_of(words, position) for position in range(len(words))]
    position = next((position for position, name in enumerate(names) if name), None)
    if position is None:
        return NamedSplit("")
    rest = (word for other, word in enumerate(words) if other != position and not word.isdigit())
    return NamedSplit(names[position], tuple(rest))


def _split_of(words: list[str], position: int) -> str:
    word = words[position]
    if word == _FOLD:
        return _FOLD + next((other for other in words if other.isdigit()), "")
    return word if word in _PREDICTION else split_name(word)


class SplitFolders(NamedTuple):
    """Splits of the images of class folders: the split of each topmost folder, and the position of the class's folder.

    Without splits, ``splits`` is empty, and classes are the topmost folders.
    """

    splits: Mapping[str, str]
    depth: int = 0

    def split_and_class(self, image_id: str) -> tuple[str, str]:
        """Return the split and the class of an image, each empty without such a folder."""
        folders = image_id.split("/")[:-1]
        split = self.splits.get(folders[0], "") if folders else ""
        return split, folders[self.depth] if len(folders) > self.depth else ""


def find_split_folders(root: Path, image_ids: Iterable[str]) -> SplitFolders:
    """Tell whether the topmost folders of images are splits or classes.

    They are splits if all are named so (:func:`split_name`); or if all names contain a split's (:func:`name_split`),
    there are no two of a split, and their folders have classes in common. A folder of the split's own name, or one for
    all images (``train/train/<class>``, ``train/images/<class>``), is passed through.

    Raises:
        InputError: ``unknown-layout`` if they look like splits but their classes are not found, some look like splits
            and others do not, or all classes would be parts of a data set, such as ``images`` and ``masks``.
    """
    folders = {tuple(image_id.split("/")[:-1]) for image_id in image_ids if "/" in image_id}
    tops = sorted({parts[0] for parts in folders})
    named = {top: name_split(top) for top in tops}
    found = SplitFolders({})
    if named and all(split for split, _ in named.values()):
        found = _all_named(root, folders, named)
    else:
        _check_mixed(root, folders, named)
    classes = sorted({parts[found.depth] for parts in folders if len(parts) > found.depth})
    if classes and all(name.lower() in PARTS for name in classes):
        problem = f"{root} has no folders of classes, only parts of a data set: {', '.join(classes)}."
        hint = "Move the images of each class to a folder of its own, or list the labels in labels.csv."
        raise InputError("unknown-layout", problem, hint)
    return found


def _all_named(root: Path, folders: set[tuple[str, ...]], named: Mapping[str, NamedSplit]) -> SplitFolders:
    """Decide between splits and classes if each topmost folder is named after a split."""
    depth = _depth(folders)
    found = SplitFolders({top: split for top, (split, _) in named.items()}, depth)
    classes = {top: {parts[depth] for parts in folders if parts[0] == top and len(parts) > depth} for top in named}
    with_classes = [names for names in classes.values() if names]
    is_strict = all(map(split_name, named))
    is_family = len({rest for _, rest in named.values()}) == 1 and len(named) > 1
    if not with_classes and not is_strict and not is_family:
        return SplitFolders({})
    if is_strict and with_classes:
        return found
    if with_classes and len(named) == 1 and depth == 1:
        return SplitFolders({})
    is_distinct = is_family or len(set(found.splits.values())) == len(named)
    if with_classes and is_distinct and all(_shares(names, with_classes) for names in with_classes):
        return found
    problem = f"{root} has folders named after splits ({', '.join(named)})"
    reason = "their folders have no classes in common" if with_classes else "no folders of classes are in them"
    raise InputError("unknown-layout", f"{problem}, but {reason}.", _QUESTION)


def _shares(names: set[str], groups: list[set[str]]) -> bool:
    """Return whether a split has a class that another has, too; true if there is no other."""
    return len(groups) < 2 or any(names & other for other in groups if other is not names)


def _depth(folders: Iterable[tuple[str, ...]]) -> int:
    """Position of the folders of classes: after the split, another folder of its name, and one for all images."""
    depth = 1
    nested = [parts for parts in folders if len(parts) > 1 and parts[0].lower() == parts[1].lower()]
    if len(nested) == len(set(folders)) and any(len(parts) > 2 for parts in nested):
        depth = 2
    is_around = all(len(parts) > depth and parts[depth].lower() in IMAGES for parts in folders)
    return depth + is_around


def _check_mixed(root: Path, folders: set[tuple[str, ...]], named: Mapping[str, NamedSplit]) -> None:
    """Refuse folders of splits with classes that are next to other folders of images, which would all be classes."""
    inner = {top: {parts[1] for parts in folders if parts[0] == top and len(parts) > 1} for top in named}
    splits = [top for top, (split, _) in named.items() if split and inner[top]]
    others = [top for top, (split, _) in named.items() if not split]
    has_training = any(named[top].split in TRAINING for top in splits)
    is_family = len({named[top].rest for top in splits}) == 1
    is_several = is_family and len({named[top].split for top in splits}) > 1
    is_same = any(len(inner[top] & inner[other]) > 1 for top in splits if split_name(top) for other in others)
    if others and has_training and (is_several or is_same):
        problem = f"{root} has folders of splits ({', '.join(splits)}) next to others ({', '.join(others)})."
        raise InputError("unknown-layout", problem, f"Move the others away. {_QUESTION}")
