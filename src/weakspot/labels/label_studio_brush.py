"""Masks that were brushed in Label Studio: a stream of bits that holds runs of RGBA values."""

import numpy as np
from numpy.typing import NDArray

from weakspot.data.decoding import MAX_PIXELS
from weakspot.errors import InputError

CHANNELS = 4


def read_brush(rle: list[int], *, height: int, width: int) -> NDArray[np.bool_]:
    """Decode a brushed mask.

    The bits are: 32 for the number of values, 5 for the bits of a value less one, 4 times 4 for the bits of four kinds
    of lengths less one; then blocks of 1 bit (whether one value is repeated), 2 bits (the kind of length), the length
    less one, and one value or as many as the length.

    Args:
        rle: Bytes, 0 to 255.
        height: Rows of the image.
        width: Columns of the image.

    Returns:
        Shape (height, width): True where the last of the four channels, the opacity, is not 0.

    Raises:
        InputError: If the bytes are not such a stream, or not of this size.

    Source:
        The format of Label Studio's ``brushlabels`` (@thi.ng/rle-pack).
    """
    bits = _Bits(rle)
    total, word = bits.take(32), bits.take(5) + 1
    if height * width > MAX_PIXELS:
        raise InputError("its mask is too large", f"At most {MAX_PIXELS:,} pixels are read.")
    if total != height * width * CHANNELS:
        problem = f"A brushed mask has {total} values where the image has {width} x {height} pixels of 4."
        raise InputError(problem, "Export the task again.")
    lengths = [bits.take(4) + 1 for _ in range(4)]
    values = np.zeros(total, np.uint8)
    start = 0
    while start < total:
        repeated = bits.take(1)
        end = start + bits.take(lengths[bits.take(2)]) + 1
        values[start:end] = bits.take(word) if repeated else [bits.take(word) for _ in range(min(end, total) - start)]
        start = end
    return values.reshape(height, width, CHANNELS)[:, :, -1] > 0


class _Bits:
    """Reads numbers of some bits each, the highest bit first."""

    def __init__(self, content: list[int]) -> None:
        if not all(isinstance(byte, int) and 0 <= byte < 256 for byte in content):
            raise InputError("A brushed mask is not made of bytes.", "Export the task again.")
        self._bits = np.unpackbits(np.array(content, np.uint8))
        self._at = 0

    def take(self, count: int) -> int:
        taken = self._bits[self._at : self._at + count]
        if len(taken) < count:
            raise InputError("A brushed mask ends too early.", "Export the task again.")
        self._at += count
        return int("".join(map(str, taken.tolist())), 2)
