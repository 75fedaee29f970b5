"""Decode brush masks of Label Studio: a bit stream of runs of RGBA values."""

import numpy as np
from numpy.typing import NDArray

from weakspot.data.decoding import MAX_PIXELS
from weakspot.errors import InputError

CHANNELS = 4


def read_brush(rle: list[int], *, height: int, width: int) -> NDArray[np.bool_]:
    """Decode a brush mask to shape (height, width): True if the fourth channel, the opacity, is not 0.

    The stream starts with the number of values (32 bits), the number of bits of a value - 1 (5 bits), and the number of
    bits - 1 of four kinds of lengths (4 bits each). Blocks follow: whether a value is repeated (1 bit), the kind of
    length (2 bits), the length - 1, and one value or as many as the length.

    Source:
        The format of Label Studio's ``brushlabels`` (@thi.ng/rle-pack).
    """
    stream = _Bits(rle)
    total, word = stream.read(32), stream.read(5) + 1
    if height * width > MAX_PIXELS:
        raise InputError("mask-too-large", f"its mask must have at most {MAX_PIXELS:,} pixels")
    if total != height * width * CHANNELS:
        problem = f"its brush mask must have {height * width * CHANNELS} values, got {total}"
        raise InputError("shape-mismatch", problem)
    lengths = [stream.read(4) + 1 for _ in range(4)]
    values = np.zeros(total, np.uint8)
    start = 0
    while start < total:
        repeated = stream.read(1)
        end = start + stream.read(lengths[stream.read(2)]) + 1
        count = 1 if repeated else min(end, total) - start
        values[start:end] = [stream.read(word) for _ in range(count)]
        start = end
    return values.reshape(height, width, CHANNELS)[:, :, -1] > 0


class _Bits:
    """Reader of numbers with a given number of bits, most significant bit first."""

    def __init__(self, content: list[int]) -> None:
        if not all(isinstance(byte, int) and 0 <= byte < 256 for byte in content):
            raise InputError("mask-invalid", "its brush mask must be a list of bytes")
        self._bits = np.unpackbits(np.array(content, np.uint8))
        self._position = 0

    def read(self, count: int) -> int:
        bits = self._bits[self._position : self._position + count]
        if len(bits) < count:
            raise InputError("mask-invalid", "its brush mask is truncated")
        self._position += count
        return int("".join(map(str, bits.tolist())), 2)
