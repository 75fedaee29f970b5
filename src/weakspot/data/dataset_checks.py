"""What is wrong with a data set, found before a model runs over it."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from stat import S_ISREG

from weakspot.data.box_checks import DEGENERATE, NOT_FINITE, SWAPPED, box_issues
from weakspot.data.dataset import Annotation, Dataset, DatasetIssue, Sample
from weakspot.data.decoding import read_sizes
from weakspot.data.exact_duplicates import exact_duplicates
from weakspot.data.noticed import Issue, group_issues
from weakspot.errors import InputError

MISSING_IMAGE = "missing image file"
MISSING_MASK = "missing mask file"
NOT_AN_IMAGE = "file that is not an image, or damaged"
OTHER_SIZE = "annotated size that is not the file's"
SAME_ID = "the same image id twice in a split"
SAME_PICTURE = "the same picture twice in a split"
LEAK = "image in two splits"
NO_SPLIT = "image in no split"
NO_LABEL = "image without a label"
NO_BOX = "label without a box"
EMPTY_CLASS = "class without images"

# With these no score can be computed, or it would be wrong.
BLOCKING = frozenset({MISSING_IMAGE, NOT_AN_IMAGE, SAME_ID, NOT_FINITE, SWAPPED, DEGENERATE})

# (height, width) as stored, and upright.
Sizes = tuple[tuple[int, int], tuple[int, int]]


def check_dataset(dataset: Dataset, *, files: bool = True) -> list[DatasetIssue]:
    """Find what is wrong with a data set.

    Args:
        dataset: What :func:`weakspot.data.read_dataset` read.
        files: Open the files, to find those that are no images, have another size than annotated, or the same bytes.
            No pixels are decoded. Else only what is missing is found.

    Returns:
        One problem for each kind of thing that is wrong, with all its places; none for a sound data set. Those whose
        kind is in ``BLOCKING`` forbid an evaluation.
    """
    examples = dataset.samples
    present = _present(path for example in examples for path in (example.path, *_masks(example)))
    sizes, unreadable = _headers(present) if files else ({}, [])
    noticed = [
        *_missing(examples, present),
        *unreadable,
        *_other_sizes(examples, sizes),
        *(found for example in examples for found in box_issues(example, _frame(example, sizes))),
        *_repeated_ids(examples),
        *(_repeated_pictures(examples, present) if files else ()),
        *_unlabelled(dataset),
    ]
    return [*dataset.issues, *group_issues(noticed)]


def _masks(example: Sample) -> Iterator[Path]:
    """The mask files of an image, each once."""
    for truth in example.annotations:
        yield from truth.masks
        if truth.ignore is not None:
            yield truth.ignore


def _present(paths: Iterable[Path]) -> dict[Path, int]:
    """The files that exist, with the number of bytes in each."""
    stats = {path: _stat(path) for path in dict.fromkeys(paths)}
    return {path: size for path, size in stats.items() if size is not None}


def _stat(path: Path) -> int | None:
    try:
        found = path.stat()
    except (OSError, ValueError):  # a ValueError: a zero byte in the name
        return None
    return found.st_size if S_ISREG(found.st_mode) else None


def _headers(paths: Iterable[Path]) -> tuple[dict[Path, Sizes], list[Issue]]:
    """The sizes of the images, and those that are none."""
    sizes: dict[Path, Sizes] = {}
    unreadable = []
    for path in paths:
        try:
            sizes[path] = read_sizes(path)
        except InputError as error:
            unreadable.append((NOT_AN_IMAGE, error.problem))
    return sizes, unreadable


def _missing(examples: Iterable[Sample], present: Mapping[Path, int]) -> Iterator[Issue]:
    for example in examples:
        if example.path not in present:
            yield MISSING_IMAGE, str(example.path)
        yield from ((MISSING_MASK, str(mask)) for mask in dict.fromkeys(_masks(example)) if mask not in present)


def _other_sizes(examples: Iterable[Sample], sizes: Mapping[Path, Sizes]) -> Iterator[Issue]:
    for example in examples:
        if example.size is not None and example.path in sizes and example.size not in sizes[example.path]:
            (height, width), (stored, _) = example.size, sizes[example.path]
            yield OTHER_SIZE, f"{example.image_id}: {width} x {height}, the file has {stored[1]} x {stored[0]}"


def _frame(example: Sample, sizes: Mapping[Path, Sizes]) -> tuple[int, int] | None:
    """The size of the frame of the boxes, as ``read_as_annotated`` decodes it, if it is known."""
    return example.size or (sizes[example.path][0] if example.path in sizes else None)


def _repeated_ids(examples: Iterable[Sample]) -> Iterator[Issue]:
    splits: dict[str, Counter[str]] = {}
    for example in examples:
        splits.setdefault(example.image_id, Counter())[example.split] += 1
    for image_id, times in splits.items():
        yield from ((SAME_ID, _in_split(image_id, split)) for split, count in times.items() if count > 1)
        if len(times) > 1:
            yield LEAK, f"{image_id}: {', '.join(times)}"


def _repeated_pictures(examples: Sequence[Sample], present: Mapping[Path, int]) -> Iterator[Issue]:
    splits: dict[Path, set[str]] = {}
    for example in examples:
        if example.path in present:
            splits.setdefault(example.path, set()).add(example.split)
    for group in exact_duplicates({path: present[path] for path in splits}):
        of_split: dict[str, list[str]] = {}
        for path in group:
            for split in sorted(splits[path]):
                of_split.setdefault(split, []).append(str(path))
        twice = ((split, paths) for split, paths in of_split.items() if len(paths) > 1)
        yield from ((SAME_PICTURE, _in_split(" = ".join(paths), split)) for split, paths in twice)
        named = [f"{paths[0]} ({split})" for split, paths in of_split.items() if split]
        if len(named) > 1:
            yield LEAK, " = ".join(named)


def _in_split(place: str, split: str) -> str:
    return f"{place} ({split})" if split else place


def _unlabelled(dataset: Dataset) -> Iterator[Issue]:
    """Images, labels and classes that lack each other."""
    truths = [(example, truth) for example in dataset.samples for truth in example.annotations]
    with_boxes = {example.split for example, truth in truths if _is_located(truth)}
    has_splits = any(dataset.splits)
    for example in dataset.samples:
        if not example.annotations:
            yield NO_LABEL, _in_split(example.image_id, example.split)
        if has_splits and not example.split:
            yield NO_SPLIT, example.image_id
    for example, truth in truths:
        if example.split in with_boxes and not _is_located(truth):
            yield NO_BOX, _in_split(f"{example.image_id}: {truth.label}", example.split)
    labels = {truth.label for _, truth in truths}
    yield from ((EMPTY_CLASS, name) for name in dataset.class_names if name not in labels)


def _is_located(truth: Annotation) -> bool:
    return len(truth.boxes) > 0 or len(truth.masks) > 0
