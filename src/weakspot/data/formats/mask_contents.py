"""What mask files hold, as far as it says whether an object is in an image: nothing, an object, or several values."""

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from weakspot.concurrency import available_cores, ordered_map
from weakspot.data.dataset import Dataset
from weakspot.data.decoding import read_image
from weakspot.errors import InputError

NO_MASK = "image without a mask, so that it is not known whether an object is in it: left out"
UNREADABLE = "mask that cannot be read, so that it is not known whether an object is in its image: left out"
CONTRADICTORY = "mask that is not black, of an image in a folder of good images: left out"
LEVELS = "mask with more than two values: all but 0 are taken for the object"
_KINDS = frozenset({NO_MASK, UNREADABLE, CONTRADICTORY, LEVELS})


class MaskContent(NamedTuple):
    """What a mask file holds.

    Attributes:
        is_black: Whether all its pixels are 0.
        has_levels: Whether it has more than two values.
        problem: Why it cannot be read; empty if it can.
    """

    is_black: bool = False
    has_levels: bool = False
    problem: str = ""


def read_masks(paths: Iterable[Path]) -> Mapping[Path, MaskContent]:
    """Decode each mask file once, one per core at a time, within the limits of :func:`weakspot.data.read_image`."""
    files = dict.fromkeys(paths)
    workers = available_cores()
    with ThreadPoolExecutor(workers) as threads:
        return dict(zip(files, ordered_map(_read, files, threads, max_pending=4 * workers), strict=True))


def _read(path: Path) -> MaskContent:
    try:
        image = read_image(path, upright=False)
    except InputError as error:
        return MaskContent(problem=error.problem)
    return MaskContent(image.getbbox() is None, image.getcolors(2) is None)


def mask_notes(dataset: Dataset) -> tuple[str, ...]:
    """Return a sentence for each kind of mask that says less than it should, with their number."""
    return tuple(f"{len(issue.where)} x {issue.kind}." for issue in dataset.issues if issue.kind in _KINDS)
