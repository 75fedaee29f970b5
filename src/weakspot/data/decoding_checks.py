"""Cheap checks of the structure of image files, before a decoder reads them.

A small file can keep a decoder busy for hours: a JPEG of thousands of scans, a GIF whose comment is joined from many
blocks, a PNG of millions of empty chunks. These are found by walking over the blocks of the file without decoding.
"""

from collections.abc import Callable, Iterator
from os import SEEK_CUR
from typing import BinaryIO

from PIL import Image

from weakspot.errors import InputError

# Bounds far above what cameras and programs write.
MAX_SCANS = 1000
MAX_SCANNED_PIXELS = 3_000_000_000  # over all scans of a JPEG: 33 scans of 89 million pixels
MAX_SEGMENTS = 1024  # of a JPEG, before its first scan
MAX_FILLING = 65_536  # bytes between segments or blocks, which decoders skip one by one
MAX_BLOCKS = 4096  # of a GIF, before its first frame; each has at most 255 bytes
MAX_CHUNKS = 131_072  # of a PNG
MAX_BYTES = 2**30  # of formats whose files are read as a whole

_START_OF_SCAN, _START_OF_SCAN_MARKER = 0xDA, b"\xff\xda"
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_WITHOUT_CONTENT = frozenset({0x01, *range(0xD0, 0xDA)})
_TILE_WIDTH, _TILE_LENGTH = 322, 323  # tags of a TIFF


def check_structure(file: BinaryIO, start: bytes, name: str) -> None:
    """Check the structure of an image file of any format.

    Args:
        file: The file; its position is changed.
        start: Its first bytes, at least 12 if it has as many.
        name: Its name in messages.

    Raises:
        InputError: ``image-too-complex``.
    """
    check = next((check for begins, check in _CHECKS if begins(start)), None)
    if check is not None:
        check(file, name)


def check_tiles(image: Image.Image, name: str, max_pixels: int) -> None:
    """Raise InputError (``image-too-large``) if a tile of a TIFF has more pixels than an image may have."""
    tags = getattr(image, "tag_v2", {})
    width, height = tags.get(_TILE_WIDTH, 0), tags.get(_TILE_LENGTH, 0)
    if isinstance(width, int) and isinstance(height, int) and width * height > max_pixels:
        problem = f"{name} must have tiles of at most {max_pixels:,} pixels, got {width} x {height}."
        raise InputError("image-too-large", problem, "Raise max_pixels (--max-pixels) if you trust the image.")


def _too_complex(name: str, what: str) -> InputError:
    return InputError("image-too-complex", f"{name} has {what}.", "If you trust it, save it with another program.")


def _check_jpeg(file: BinaryIO, name: str) -> None:
    """Check the segments before the first scan, and the number of scans if a decoder reads more than the first."""
    pixels = components = 0
    has_more_scans = False
    for code, content in _segments(file, name):
        if code in _START_OF_FRAME and len(content) > 5:
            pixels = max(pixels, int.from_bytes(content[1:3]) * int.from_bytes(content[3:5]))
            components = content[5]
            has_more_scans |= code in _PROGRESSIVE
        elif code == _START_OF_SCAN:
            has_more_scans |= content[:1] != bytes([components])
    scans = _count(file, _START_OF_SCAN_MARKER) + 1 if has_more_scans else 1
    if scans > MAX_SCANS or scans * pixels > MAX_SCANNED_PIXELS:
        raise _too_complex(name, f"{scans:,} scans of {pixels:,} pixels")


def _segments(file: BinaryIO, name: str) -> Iterator[tuple[int, bytes]]:
    """Yield the marker of each segment of a JPEG up to its first scan, and the content of frames and scans."""
    file.seek(2)
    filling = segments = 0
    is_marker = False
    while (byte := file.read(1)) and filling <= MAX_FILLING and segments <= MAX_SEGMENTS:
        code = byte[0]
        if not is_marker or code in (0x00, 0xFF):
            filling += is_marker or code != 0xFF
            is_marker = code == 0xFF
            continue
        is_marker = False
        segments += 1
        if code in _WITHOUT_CONTENT:
            continue
        length = max(0, int.from_bytes(file.read(2)) - 2)
        if code in _START_OF_FRAME or code == _START_OF_SCAN:
            yield code, file.read(length)
        else:
            file.seek(length, SEEK_CUR)
        if code == _START_OF_SCAN:
            return
    if filling > MAX_FILLING:
        raise _too_complex(name, f"more than {MAX_FILLING:,} bytes between its segments")
    if segments > MAX_SEGMENTS:
        raise _too_complex(name, f"more than {MAX_SEGMENTS:,} segments before its first scan")


def _count(file: BinaryIO, pattern: bytes) -> int:
    """Count a pattern of two bytes in the rest of a file."""
    count, last = 0, b""
    while block := file.read(2**20):
        count += (last + block).count(pattern)
        last = block[-1:]
    return count


def _check_gif(file: BinaryIO, name: str) -> None:
    """Check the blocks before the first frame; a decoder joins those of a comment one by one."""
    file.seek(10)
    flags = file.read(3)[:1]
    file.seek(3 << ((flags[0] & 7) + 1) if flags and flags[0] & 128 else 0, SEEK_CUR)
    filling = blocks = 0
    while (introducer := file.read(1)) and introducer not in b",;" and filling <= MAX_FILLING and blocks <= MAX_BLOCKS:
        filling += 1
        if introducer == b"!":
            file.read(1)
            while (size := file.read(1)) and size != b"\0" and blocks <= MAX_BLOCKS:
                file.seek(size[0], SEEK_CUR)
                blocks += 1
    if filling > MAX_FILLING:
        raise _too_complex(name, f"more than {MAX_FILLING:,} bytes or extensions before its first frame")
    if blocks > MAX_BLOCKS:
        raise _too_complex(name, f"more than {MAX_BLOCKS:,} blocks before its first frame")


def _check_png(file: BinaryIO, name: str) -> None:
    file.seek(8)
    chunks = 0
    while len(header := file.read(8)) == 8 and chunks <= MAX_CHUNKS:
        file.seek(int.from_bytes(header[:4]) + 4, SEEK_CUR)
        chunks += 1
    if chunks > MAX_CHUNKS:
        raise _too_complex(name, f"more than {MAX_CHUNKS:,} chunks")


def _check_bytes(file: BinaryIO, name: str) -> None:
    size = file.seek(0, 2)
    if size > MAX_BYTES:
        raise _too_complex(name, f"{size:,} bytes")


_CHECKS: tuple[tuple[Callable[[bytes], bool], Callable[[BinaryIO, str], None]], ...] = (
    (lambda start: start[:2] == b"\xff\xd8", _check_jpeg),
    (lambda start: start[:4] == b"GIF8", _check_gif),
    (lambda start: start[:8] == b"\x89PNG\r\n\x1a\n", _check_png),
    (lambda start: start[4:8] == b"ftyp" or start[8:12] == b"WEBP", _check_bytes),
)
