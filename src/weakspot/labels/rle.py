"""Masks as runs (RLE), as COCO has them: column by column, first the number of pixels that are off."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from weakspot.errors import InputError

# Bits of a run's length: more are no length, and take ever longer to add.
LONGEST = 60


@dataclass(frozen=True)
class Rle:
    """A mask as the lengths of its runs.

    Attributes:
        height: Rows of the mask.
        width: Columns of the mask.
        counts: Lengths of runs of pixels in column-major order, in turns off and on, beginning with off (perhaps 0).
    """

    height: int
    width: int
    counts: tuple[int, ...]


def encode_rle(mask: NDArray[np.bool_]) -> Rle:
    """Give a mask as runs.

    Args:
        mask: Shape (height, width).

    Example:
        >>> encode_rle(np.array([[True, False], [True, True]])).counts
        (0, 2, 1, 1)
    """
    flat = np.concatenate([[False], mask.ravel(order="F")])
    ends = np.flatnonzero(flat[1:] != flat[:-1])
    counts = np.diff(np.concatenate([[0], ends, [mask.size]]))
    return Rle(mask.shape[0], mask.shape[1], tuple(counts.tolist()))


def decode_rle(runs: Rle) -> NDArray[np.bool_]:
    """Give runs as a mask of shape (height, width).

    Raises:
        InputError: If the runs are not as long as the mask, or one is negative.

    Example:
        >>> decode_rle(Rle(2, 2, (0, 2, 1, 1))).tolist()
        [[True, False], [True, True]]
    """
    if sum(runs.counts) != runs.height * runs.width or min(runs.counts, default=0) < 0:
        problem = f"The runs of a mask of {runs.width} x {runs.height} pixels add up to {sum(runs.counts)}."
        raise InputError(problem, "Export the mask again.")
    values = np.arange(len(runs.counts)) % 2 == 1
    return np.repeat(values, runs.counts).reshape((runs.height, runs.width), order="F")


def mask_area(runs: Rle) -> int:
    """Count the pixels that are on.

    Example:
        >>> mask_area(Rle(2, 2, (0, 2, 1, 1)))
        3
    """
    return sum(runs.counts[1::2])


def compress(counts: Sequence[int]) -> str:
    """Write runs as COCO's compressed text: five bits a character, from the fourth run on as differences.

    Args:
        counts: Lengths of runs.

    Source:
        The format of pycocotools' compressed RLE (a variable-length code of the difference to the run two before).

    Example:
        >>> compress([0, 2, 1, 1])
        '021O'
    """
    deltas = [count - (counts[i - 2] if i > 2 else 0) for i, count in enumerate(counts)]
    return "".join(character for delta in deltas for character in _characters(delta))


def _characters(value: int) -> Iterator[str]:
    """The characters of a number, the lowest five bits first; the sixth bit says that more follow."""
    while True:
        bits, value = value & 31, value >> 5
        more = value != (-1 if bits & 16 else 0)
        yield chr(bits + 48 + 32 * more)
        if not more:
            return


def expand(text: str) -> tuple[int, ...]:
    """Read runs from COCO's compressed text.

    Raises:
        InputError: If the text ends within a number or holds other characters.

    Example:
        >>> expand("021O")
        (0, 2, 1, 1)
    """
    counts: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > LONGEST:
            raise InputError(f"{character!r} is no character of compressed RLE.", "Export the mask again.")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            signed = value - (1 << shift) if bits & 16 else value
            counts.append(signed + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift:
        raise InputError("Compressed RLE ends within a number.", "Export the mask again.")
    return tuple(counts)
