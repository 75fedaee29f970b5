"""HEIC images, which pillow-heif decodes if it is installed (``pip install 'weakspot[heic]'``)."""

from functools import cache
from importlib.util import find_spec

SUFFIXES = frozenset({".heic", ".heif", ".hif"})
INSTALL = "For HEIC, run: pip install 'weakspot[heic]'"

# Major brands of the container of ISO media; those that begin with "mi" and "ms" are also used by AVIF.
_BRANDS = (b"heic", b"heim", b"heis", b"heix", b"hevc", b"hevm", b"hevs", b"hevx", b"mif1", b"msf1")


def is_installed() -> bool:
    """Return whether HEIC can be decoded."""
    return find_spec("pillow_heif") is not None


def is_heif(start: bytes) -> bool:
    """Return whether a file is HEIC, by its first 12 bytes."""
    return start[4:8] == b"ftyp" and start[8:12] in _BRANDS


@cache
def register() -> None:
    """Register the decoder in Pillow, as the format HEIF."""
    from pillow_heif import register_heif_opener

    register_heif_opener(thumbnails=False)
