"""MVTec AD: images of defects with masks, and images without a defect.

::

    train/good/<name>.png
    test/good/<name>.png                         or ok, normal
    test/<defect>/<name>.png
    ground_truth/<defect>/<name>_mask.png        also <name>.png, or <name>/*.png for several masks

Source:
    Bergmann et al., "MVTec AD", CVPR 2019. MVTec LOCO, BTAD and MPDD are published in the same layout.
"""

from collections.abc import Iterable
from pathlib import Path

from weakspot.data.dataset import Dataset, ObjectAnnotation, Sample, group_issues
from weakspot.data.formats.class_folders import has_splits, split_and_class
from weakspot.data.formats.split_folders import split_name
from weakspot.data.formats.walk import folders_in, images_below
from weakspot.errors import InputError

GROUND_TRUTH = frozenset({"ground_truth", "ground-truth", "groundtruth"})
# Classes of images without a defect.
GOOD = frozenset({"good", "ok", "normal"})


def detect(root: Path) -> bool:
    """Return whether a folder, or one in it, contains folders of splits and of ground truth."""
    return bool(_roots(root))


def load(root: Path, images: Path | None = None) -> Dataset:
    """Load images with their masks; the images without a defect are the background class.

    Raises InputError ``several-datasets`` if the folder contains several products.
    """
    roots = _roots(root)
    if len(roots) > 1:
        names = ", ".join(folder.name for folder in roots)
        raise InputError("several-datasets", f"{root} contains several data sets: {names}.", "Select one of them.")
    folder = roots[0] if roots else root
    base = images or folder
    files = {name: paths for name, paths in images_below(base).items() if not _is_ground_truth(name.partition("/")[0])}
    by_split = has_splits(files)
    masks = _masks(folder)
    owners = _owners(files)
    samples = []
    for image_id, paths in files.items():
        split, label = split_and_class(image_id, by_split)
        has_masks = owners[_key(image_id)] == image_id and not _is_good(label)
        own = tuple(masks.pop(_key(image_id), ())) if has_masks else ()
        objects = (ObjectAnnotation(label, mask_files=own),) if label else ()
        samples += [Sample(image_id, path, split, objects) for path in paths]
    labels = {item.label for sample in samples for item in sample.objects}
    classes = tuple(sorted(labels, key=lambda label: (not _is_good(label), label)))
    background = next(filter(_is_good, classes), "")
    issues = (("mask of an unknown image", str(file)) for group in masks.values() for file in group)
    return Dataset(root, "MVTec", classes, tuple(samples), group_issues(issues), background)


def _roots(root: Path) -> list[Path]:
    """The folder itself, or those in it."""
    if _is_root(root):
        return [root]
    return [folder for folder in (root / name for name in folders_in(root)) if _is_root(folder)]


def _is_root(folder: Path) -> bool:
    names = folders_in(folder)
    truths = [name for name in names if _is_ground_truth(name)]
    others = [name for name in names if not _is_ground_truth(name)]
    return len(truths) == 1 and has_splits(f"{name}/" for name in others) and bool(images_below(folder / truths[0]))


def _is_ground_truth(name: str) -> bool:
    return name.lower() in GROUND_TRUTH


def _masks(folder: Path) -> dict[str, list[Path]]:
    """The mask files by class and name of their image."""
    truth = next((folder / name for name in folders_in(folder) if _is_ground_truth(name)), None)
    masks: dict[str, list[Path]] = {}
    for name, paths in images_below(truth).items() if truth is not None else ():
        defect, *rest = name.split("/")
        image = (rest[0] if rest else defect).removesuffix("_mask")
        masks.setdefault(f"{defect}/{image}", []).extend(paths)
    return masks


def _key(image_id: str) -> str:
    """The class and name of an image, which its masks share."""
    return "/".join(image_id.split("/")[1:])


def _owners(image_ids: Iterable[str]) -> dict[str, str]:
    """The image of each class and name: masks are published for test images."""
    owners: dict[str, str] = {}
    for image_id in image_ids:
        if split_name(image_id.partition("/")[0]).startswith("test"):
            owners[_key(image_id)] = image_id
        owners.setdefault(_key(image_id), image_id)
    return owners


def _is_good(label: str) -> bool:
    return label.lower() in GOOD
