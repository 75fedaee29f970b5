"""MVTec AD: images of defects with masks, and images without a defect.

::

    train/good/<name>.png
    test/good/<name>.png                         or ok, normal
    test/<defect>/<name>.png
    ground_truth/<defect>/<name>_mask.png        also <name>.png, or <name>/*.png for several masks

The ground truth may be in the folder of its split, as in MVTec AD 2: ``test_public/ground_truth/<defect>/``. That split
is ``test``; ``test_private`` and the like, whose images have no class, keep their names.

Source:
    Bergmann et al., "MVTec AD", CVPR 2019. MVTec LOCO, BTAD and MPDD are published in the same layout.
"""

from collections.abc import Iterable
from pathlib import Path

from weakspot.data.dataset import Dataset, ObjectAnnotation, Sample, group_issues
from weakspot.data.formats.class_folders import split_and_class
from weakspot.data.formats.good_classes import good_first, is_good
from weakspot.data.formats.split_folders import name_split, split_name
from weakspot.data.formats.walk import folders_in, images_below
from weakspot.errors import InputError

GROUND_TRUTH = frozenset({"ground_truth", "ground-truth", "groundtruth"})
UNKNOWN_IMAGE = "mask of an unknown image"


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
        raise InputError("several-datasets", f"{root} contains several data sets: {names}.", f"Select one: {roots[0]}.")
    folder = roots[0] if roots else root
    files = {name: paths for name, paths in images_below(images or folder).items() if not _is_mask(name)}
    truth = _truth(folder)
    masks = {} if truth is None else _masks(truth)
    owners = _owners(files)
    by_split = all(name_split(image_id.partition("/")[0]).split for image_id in files if "/" in image_id)
    samples = []
    for image_id, paths in files.items():
        label = split_and_class(image_id, by_split)[1]
        split = _split(image_id, truth) if by_split else ""
        found = masks.pop(_key(image_id), ()) if owners[_key(image_id)] == image_id else ()
        own = () if is_good(label) else tuple(found)
        objects = (ObjectAnnotation(label, mask_files=own),) if label else ()
        samples += [Sample(image_id, path, split, objects) for path in paths]
    classes = good_first(item.label for sample in samples for item in sample.objects)
    background = next(filter(is_good, classes), "")
    issues = ((UNKNOWN_IMAGE, str(file)) for group in masks.values() for file in group)
    return Dataset(root, "MVTec", classes, tuple(samples), group_issues(issues), background)


def _roots(root: Path) -> list[Path]:
    """The folder itself, or those in it."""
    if _is_root(root):
        return [root]
    return [folder for folder in (root / name for name in folders_in(root)) if _is_root(folder)]


def _is_root(folder: Path) -> bool:
    truth = _truth(folder)
    others = [name for name in folders_in(folder) if not _is_ground_truth(name)]
    if truth is None or not others or not any("/" in name for name in images_below(truth)):
        return False
    return all(split_name(name) or (truth.parent != folder and name_split(name).split) for name in others)


def _truth(folder: Path) -> Path | None:
    """The only folder of ground truth, in the folder or in that of a split."""
    inner = [
        folder / name / part for name in folders_in(folder) if name_split(name).split for part in _truths(folder / name)
    ]
    found = [*(folder / name for name in _truths(folder)), *inner]
    return found[0] if len(found) == 1 else None


def _truths(folder: Path) -> list[str]:
    return [name for name in folders_in(folder) if _is_ground_truth(name)]


def _is_ground_truth(name: str) -> bool:
    return name.lower() in GROUND_TRUTH


def _is_mask(image_id: str) -> bool:
    """Whether a file is in a folder of ground truth, at the root or in that of a split."""
    return any(_is_ground_truth(part) for part in image_id.split("/")[:2])


def _masks(truth: Path) -> dict[str, list[Path]]:
    """The mask files by class and name of their image."""
    masks: dict[str, list[Path]] = {}
    for name, paths in images_below(truth).items():
        defect, *rest = name.split("/")
        image = (rest[0] if rest else defect).removesuffix("_mask")
        masks.setdefault(f"{defect}/{image}", []).extend(paths)
    return masks


def _split(image_id: str, truth: Path | None) -> str:
    """The split of an image by its topmost folder: that which holds the ground truth is the test split."""
    top = image_id.partition("/")[0]
    known = "test" if truth is not None and truth.parent.name == top else top.lower()
    return split_name(top) or known


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
