"""Find errors in a data set before training or evaluation."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from math import isfinite
from pathlib import Path
from stat import S_ISREG

from weakspot.concurrency import available_cores, ordered_map
from weakspot.data import heif
from weakspot.data.dataset import Annotation, Dataset, DatasetIssue, Issue, Sample, group_issues
from weakspot.data.decoding import read_downscaled, read_image, read_sizes
from weakspot.data.exact_duplicates import exact_duplicates
from weakspot.data.passed_over import passed_over
from weakspot.errors import InputError

MISSING_IMAGE = "missing image file"
MISSING_MASK = "missing mask file"
EMPTY_MASK = "mask that is black"
NOT_AN_IMAGE = "file that is not an image, or is damaged"
OTHER_SIZE = "annotated size that differs from the file's"
SAME_ID = "duplicate image id in a split"
SAME_IMAGE = "duplicate image in a split"
LEAK = "image in two splits"
GROUP_LEAK = "group in several splits"
NO_SPLIT = "image without a split"
NO_LABEL = "image without a label"
EMPTY_CLASS = "class without images"
NOT_FINITE = "box that is not finite"
SWAPPED = "box with swapped sides"
DEGENERATE = "box without area"
OUTSIDE = "box outside the image"
DUPLICATE_BOX = "duplicate box"
PASSED_OVER = "file that is passed over, as it is not readable as an image"
HEIC = "HEIC image that is passed over: pip install 'weakspot[heic]'"

# Issues that make an evaluation impossible or wrong.
BLOCKING = frozenset({MISSING_IMAGE, NOT_AN_IMAGE, EMPTY_MASK, SAME_ID, NOT_FINITE, SWAPPED, DEGENERATE})

# Pixels by which a box may exceed the image: conventions differ by one.
TOLERANCE = 1

# (height, width) as stored, and upright.
Sizes = tuple[tuple[int, int], tuple[int, int]]


def check_dataset(dataset: Dataset, *, files: bool = True) -> list[DatasetIssue]:
    """Find errors in a data set.

    Args:
        dataset: Data set from :func:`weakspot.data.read_dataset`.
        files: Decode the files to find files that are not images or are damaged, black masks, sizes that differ from
            the annotated size, duplicates, and other files in the folder. If False, only missing files are found.

    Returns:
        One issue for each kind of error. Issues whose kind is in ``BLOCKING`` prevent an evaluation.
    """
    samples = dataset.samples
    file_sizes = _file_sizes(path for sample in samples for path in (sample.path, *_masks(sample)))
    masks = {path for sample in samples for annotation in sample.annotations for path in annotation.masks}
    sizes, black, unreadable = _read(file_sizes, masks) if files else ({}, set(), [])
    issues = [
        *_missing(samples, file_sizes),
        *unreadable,
        *_empty_masks(samples, black),
        *_other_sizes(samples, sizes),
        *(issue for sample in samples for issue in box_issues(sample, _frame(sample, sizes))),
        *_duplicate_ids(samples),
        *(_duplicate_images(samples, file_sizes) if files else ()),
        *_split_groups(samples),
        *_unlabeled(dataset),
        *(_passed_over(dataset.root) if files else ()),
    ]
    return [*dataset.issues, *group_issues(issues)]


def box_issues(sample: Sample, size: tuple[int, int] | None) -> Iterator[Issue]:
    """Find the first kind of error of each box, and duplicate boxes of a class.

    The boxes refer to the ``size``, ``(height, width)``, or None if unknown.
    """
    for annotation in sample.annotations:
        boxes = [tuple(box) for box in annotation.boxes.tolist()]
        kinds = [(_box_issue(box, size), box) for box in boxes]
        kinds += [(DUPLICATE_BOX, box) for box, count in Counter(boxes).items() if count > 1]
        frame = "" if size is None else f" in {size[1]} x {size[0]}"
        where = f"{sample.image_id}: {annotation.label}"
        yield from ((kind, f"{where} {', '.join(f'{side:g}' for side in box)}{frame}") for kind, box in kinds if kind)


def _box_issue(box: Sequence[float], size: tuple[int, int] | None) -> str:
    left, top, right, bottom = box
    height, width = size or (float("inf"), float("inf"))
    issues = {
        NOT_FINITE: not all(map(isfinite, box)),
        SWAPPED: right < left or bottom < top,
        DEGENERATE: right == left or bottom == top,
        OUTSIDE: min(left, top) < -TOLERANCE or right > width + TOLERANCE or bottom > height + TOLERANCE,
    }
    return next((kind for kind, occurs in issues.items() if occurs), "")


def _masks(sample: Sample) -> Iterator[Path]:
    for annotation in sample.annotations:
        yield from annotation.masks
        if annotation.ignore is not None:
            yield annotation.ignore


def _file_sizes(paths: Iterable[Path]) -> dict[Path, int]:
    """Number of bytes of each file that exists."""
    sizes = {path: _file_size(path) for path in dict.fromkeys(paths)}
    return {path: size for path, size in sizes.items() if size is not None}


def _file_size(path: Path) -> int | None:
    try:
        status = path.stat()
    except (OSError, ValueError):  # a ValueError: a zero byte in the name
        return None
    return status.st_size if S_ISREG(status.st_mode) else None


def _read(paths: Iterable[Path], masks: Set[Path]) -> tuple[dict[Path, Sizes], set[Path], list[Issue]]:
    """The sizes of images, the masks that are black, and what cannot be decoded."""
    workers = available_cores()
    with ThreadPoolExecutor(workers) as threads:
        decode = partial(_decode, masks=masks)
        found = list(ordered_map(decode, paths, threads, max_pending=4 * workers))
    sizes = {path: size for path, size, _, _ in found if size is not None}
    black = {path for path, _, is_black, _ in found if is_black}
    return sizes, black, [(NOT_AN_IMAGE, problem) for *_, problem in found if problem]


def _decode(path: Path, masks: Set[Path]) -> tuple[Path, Sizes | None, bool, str]:
    """The sizes of an image, whether it is a mask that is black, and why it cannot be decoded.

    Of an image that is not a mask, a large JPEG is decoded at a fraction of its size.
    """
    is_black = False
    try:
        sizes = read_sizes(path)
    except InputError as error:
        return path, None, False, error.problem
    try:
        if path in masks:
            is_black = read_image(path, upright=False).getbbox() is None
        else:
            read_downscaled(path, height=1, width=1)
    except InputError as error:
        # The maximum number of pixels is an option of other commands.
        return path, sizes, False, "" if error.code == "image-too-large" else error.problem
    return path, sizes, is_black, ""


def _empty_masks(samples: Iterable[Sample], black: Set[Path]) -> Iterator[Issue]:
    """Objects of which all masks are black."""
    for sample in samples:
        for annotation in sample.annotations:
            if annotation.masks and black >= {*annotation.masks}:
                yield EMPTY_MASK, f"{sample.image_id}: {annotation.label} {annotation.masks[0]}"


def _missing(samples: Iterable[Sample], file_sizes: Mapping[Path, int]) -> Iterator[Issue]:
    for sample in samples:
        if sample.path not in file_sizes:
            yield MISSING_IMAGE, str(sample.path)
        yield from ((MISSING_MASK, str(mask)) for mask in dict.fromkeys(_masks(sample)) if mask not in file_sizes)


def _other_sizes(samples: Iterable[Sample], sizes: Mapping[Path, Sizes]) -> Iterator[Issue]:
    for sample in samples:
        if sample.size is not None and sample.path in sizes and sample.size not in sizes[sample.path]:
            (height, width), (stored, _) = sample.size, sizes[sample.path]
            yield OTHER_SIZE, f"{sample.image_id}: {width} x {height}, the file has {stored[1]} x {stored[0]}"


def _frame(sample: Sample, sizes: Mapping[Path, Sizes]) -> tuple[int, int] | None:
    """The size to which boxes refer, as ``read_as_annotated`` decodes the image, if known."""
    return sample.size or (sizes[sample.path][0] if sample.path in sizes else None)


def _duplicate_ids(samples: Iterable[Sample]) -> Iterator[Issue]:
    splits: dict[str, Counter[str]] = {}
    for sample in samples:
        splits.setdefault(sample.image_id, Counter())[sample.split] += 1
    for image_id, counts in splits.items():
        yield from ((SAME_ID, _in_split(image_id, split)) for split, count in counts.items() if count > 1)
        if len(counts) > 1:
            yield LEAK, f"{image_id}: {', '.join(counts)}"


def _duplicate_images(samples: Sequence[Sample], file_sizes: Mapping[Path, int]) -> Iterator[Issue]:
    splits: dict[Path, set[str]] = {}
    for sample in samples:
        if sample.path in file_sizes:
            splits.setdefault(sample.path, set()).add(sample.split)
    for group in exact_duplicates({path: file_sizes[path] for path in splits}):
        by_split: dict[str, list[str]] = {}
        for path in group:
            for split in sorted(splits[path]):
                by_split.setdefault(split, []).append(str(path))
        duplicates = ((split, paths) for split, paths in by_split.items() if len(paths) > 1)
        yield from ((SAME_IMAGE, _in_split(" = ".join(paths), split)) for split, paths in duplicates)
        firsts = [f"{paths[0]} ({split})" for split, paths in by_split.items() if split]
        if len(firsts) > 1:
            yield LEAK, " = ".join(firsts)


def _split_groups(samples: Sequence[Sample]) -> Iterator[Issue]:
    """Find groups, such as the images of a patient, that are in several splits."""
    splits: dict[str, dict[str, None]] = {}
    for sample in samples:
        if sample.group and sample.split:
            splits.setdefault(sample.group, {})[sample.split] = None
    yield from ((GROUP_LEAK, f"{name} ({', '.join(found)})") for name, found in splits.items() if len(found) > 1)


def _in_split(where: str, split: str) -> str:
    return f"{where} ({split})" if split else where


def labels_without_box(dataset: Dataset) -> tuple[str, ...]:
    """Return the labels that have no box or mask, in splits in which others have one: images known by label alone."""
    annotations = [(sample, annotation) for sample in dataset.samples for annotation in sample.annotations]
    with_boxes = {sample.split for sample, annotation in annotations if _is_located(annotation)}
    return tuple(
        _in_split(f"{sample.image_id}: {annotation.label}", sample.split)
        for sample, annotation in annotations
        if sample.split in with_boxes and not _is_located(annotation) and annotation.label != dataset.background
    )


def _unlabeled(dataset: Dataset) -> Iterator[Issue]:
    """Images without labels or splits, and classes without images."""
    has_splits = any(dataset.splits)
    for sample in dataset.samples:
        if not sample.annotations:
            yield NO_LABEL, _in_split(sample.image_id, sample.split)
        if has_splits and not sample.split:
            yield NO_SPLIT, sample.image_id
    labels = {annotation.label for sample in dataset.samples for annotation in sample.annotations}
    yield from ((EMPTY_CLASS, name) for name in dataset.class_names if name not in labels)


def _passed_over(folder: Path) -> Iterator[Issue]:
    for file in passed_over([folder]):
        yield HEIC if file.suffix.lower() in heif.SUFFIXES else PASSED_OVER, str(file)


def _is_located(annotation: Annotation) -> bool:
    return len(annotation.boxes) > 0 or len(annotation.masks) > 0
