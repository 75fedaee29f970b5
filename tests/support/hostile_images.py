"""Corrupted images, and small files that declare, or contain, thousands of megapixels."""

import random
import struct
import zlib
from functools import cache
from io import BytesIO

import numpy as np
from PIL import Image


@cache
def real_files() -> dict[str, bytes]:
    """Encode an image of 96 x 64 pixels in the most common formats."""
    noise = np.random.default_rng(0).integers(0, 60, (64, 96, 3), dtype=np.uint8)
    noise[10:50, 20:60] += 150
    image = Image.fromarray(noise)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "an image"
    kinds = {
        "plain.jpg": (image, {"format": "JPEG"}),
        "progressive.jpg": (image, {"format": "JPEG", "progressive": True, "exif": exif}),
        "cmyk.jpg": (image.convert("CMYK"), {"format": "JPEG"}),
        "rgb.png": (image, {"format": "PNG"}),
        "palette.png": (image.convert("P"), {"format": "PNG", "transparency": 0}),
        "deep.png": (Image.fromarray(noise[..., 0].astype(np.uint16) * 257), {"format": "PNG"}),
        "lossy.webp": (image, {"format": "WEBP", "exif": exif}),
        "lossless.webp": (image, {"format": "WEBP", "lossless": True}),
        "raw.tiff": (image, {"format": "TIFF"}),
        "lzw.tiff": (image, {"format": "TIFF", "compression": "tiff_lzw"}),
        "jpeg.tiff": (image, {"format": "TIFF", "compression": "jpeg"}),
    }
    return {name: _encoded(pixels, **options) for name, (pixels, options) in kinds.items()}


def _encoded(image: Image.Image, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, **options)
    return file.getvalue()


def _truncated(content: bytes, chance: random.Random) -> bytes:
    return content[: chance.randrange(len(content))]


def _flipped(content: bytes, chance: random.Random) -> bytes:
    found = bytearray(content)
    for _ in range(chance.choice((1, 4, 32, 256))):
        found[chance.randrange(len(found))] ^= 1 << chance.randrange(8)
    return bytes(found)


def _spliced(content: bytes, chance: random.Random) -> bytes:
    other = chance.choice(list(real_files().values()))
    return content[: chance.randrange(len(content))] + other[chance.randrange(len(other)) :]


def _header(content: bytes, chance: random.Random) -> bytes:
    found, at = bytearray(content), chance.randrange(2, 64)
    found[at : at + 4] = chance.choice((b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f\xff\xff\xff", b"\0\0\xea\x60"))
    return bytes(found)


def _sized(content: bytes, chance: random.Random) -> bytes:
    """Replace the image size in the header, with a valid checksum in a PNG."""
    wide, high = chance.choice(((1, 1), (96, 65000), (65000, 64), (0, 64), (9000, 9000), (97, 65)))
    if content.startswith(b"\x89PNG"):
        return content[:8] + _chunk(b"IHDR", struct.pack(">II", wide, high) + content[24:29]) + content[33:]
    true, false = ((struct.pack(f"{order}HH", *sides) for order in "><") for sides in ((64, 96), (high, wide)))
    for before, after in zip(true, false, strict=True):
        content = content.replace(before, after)
    width, height = struct.pack("<HHII", 256, 4, 1, 96), struct.pack("<HHII", 257, 4, 1, 64)
    return content.replace(width, width[:8] + struct.pack("<I", wide)).replace(
        height, height[:8] + struct.pack("<I", high)
    )


def _chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def bombs() -> dict[str, bytes]:
    """Return the files by name."""
    side = 60_000
    head = b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    tags = ((256, side), (257, side), (258, 8), (259, 1), (262, 1), (273, 200), (277, 1), (278, side), (279, 9))
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in tags)
    webp = struct.pack("<I", 10) + bytes(4) + (16_383).to_bytes(3, "little") * 2  # the maximum of the format
    vp8 = b"VP8X" + webp + b"VP8L" + struct.pack("<I", 5) + b"\x2f" + struct.pack("<I", 16_383 | 16_383 << 14)
    text = _chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(50_000_000)))
    small = head[:8] + _chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0))
    return {
        "png": head + _chunk(b"IDAT", zlib.compress(bytes(1000))) + _chunk(b"IEND", b""),
        "long.png": head + _chunk(b"IDAT", zlib.compress(bytes(20_000_000))) + _chunk(b"IEND", b""),
        "text.png": small + text + _chunk(b"IDAT", zlib.compress(bytes(100))) + _chunk(b"IEND", b""),
        "tiff": b"II*\0\x08\0\0\0" + struct.pack("<H", len(tags)) + entries + bytes(100),
        "webp": b"RIFF" + struct.pack("<I", len(vp8) + 4) + b"WEBP" + vp8,
        "gif": b"GIF89a" + struct.pack("<HHBBB", 65_535, 65_535, 0x80, 0, 0) + bytes(6) + b"," + bytes(4)
        + struct.pack("<HHB", 65_535, 65_535, 0) + b"\x02\x02D\x01\0;",
        "ppm": b"P6\n60000 60000\n255\n" + bytes(100),
        "digits.ppm": b"P6\n" + b"9" * 5000 + b" 1\n255\n" + bytes(100),
        "bmp": b"BM" + struct.pack("<IIIIiiHH", 100, 0, 54, 40, side, side, 1, 24) + bytes(46),
        "jpg": b"\xff\xd8\xff\xc0\0\x11\x08" + struct.pack(">HH", 65_500, 65_500)
        + b"\x03\1\x22\0\2\x11\1\3\x11\1\xff\xd9",
        "ico": b"\0\0\1\0\1\0\0\0\0\0\1\0\x20\0" + struct.pack("<II", len(head), 22) + head,
    }  # fmt: skip


def tall_png(width: int, height: int) -> bytes:
    """Encode a gray image of extreme sides in a few kilobytes."""
    rows = zlib.compressobj(9)
    row = b"\0" + b"\x80" * width
    content = b"".join(rows.compress(row * min(10_000, height - start)) for start in range(0, height, 10_000))
    head = _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + _chunk(b"IDAT", content + rows.flush()) + _chunk(b"IEND", b"")


def png_of_chunks(count: int) -> bytes:
    """Encode an image with this number of empty comments."""
    content = real_files()["rgb.png"]
    return content[:33] + _chunk(b"tEXt", b"a\0") * count + content[33:]


def jpeg_of_scans(count: int, side: int = 64) -> bytes:
    """Encode a progressive JPEG whose last scan is repeated."""
    content = _encoded(Image.new("RGB", (side, side), (90, 50, 20)), format="JPEG", progressive=True)
    scan = content[content.rindex(b"\xff\xda") : -2]
    return content[:-2] + scan * count + content[-2:]


def jpeg_of_segments(count: int, segment: bytes = b"\xff\xe1\0\x0aExif\0\0ab") -> bytes:
    """Encode a JPEG with a segment that is repeated: those of Exif are joined by the decoder."""
    content = real_files()["plain.jpg"]
    return content[:2] + segment * count + content[2:]


def gif_of_comments(count: int, size: int = 255) -> bytes:
    """Encode a GIF with a comment of this number of blocks of some bytes, which the decoder joins one by one."""
    content = _encoded(Image.new("P", (64, 64)), format="GIF")
    first = 13 + (3 << ((content[10] & 7) + 1) if content[10] & 128 else 0)
    return content[:first] + b"!\xfe" + (bytes([size]) + b"a" * size) * count + b"\0" + content[first:]


def tiff_of_tile(width: int, height: int) -> bytes:
    """Encode a TIFF of 64 x 64 pixels in a single tile, which is larger."""
    tile = zlib.compress(bytes(1000))
    entries = ((256, 64), (257, 64), (258, 8), (259, 8), (262, 1), (277, 1), (322, width), (323, height), (324, 200))
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in (*entries, (325, len(tile))))
    return (b"II*\0\x08\0\0\0" + struct.pack("<H", 10) + tags + bytes(4)).ljust(200, b"\0") + tile


def slow_ppm(size: int) -> bytes:
    """Encode four pixels behind a comment of this number of bytes, which the decoder reads one by one."""
    return b"P6\n#" + b"a" * size + b"\n2 2\n255\n" + bytes(12)


# Ways to corrupt a file.
CORRUPTIONS = {"truncated": _truncated, "flipped": _flipped, "spliced": _spliced, "header": _header, "sized": _sized}
