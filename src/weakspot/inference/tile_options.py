"""Whether an image is localized in tiles, and with what tiles cannot be combined."""

from collections.abc import Iterable

from weakspot.config import Tiles
from weakspot.errors import InputError
from weakspot.inference.backends import LoadedModel
from weakspot.inference.quality import find_quality
from weakspot.inference.rivals import COMPARABLE
from weakspot.ops.preprocessing import Preprocessing
from weakspot.ops.tiling import Tiling, tile_image

# A smaller tile would show less than a model's positions see.
MIN_TILE = 32
# With "auto", images up to this many times the input size are resized whole.
_AUTO_SCALE = 2


def check_tiles(tiles: Tiles | None) -> None:
    """Raise InputError ``out-of-range`` unless tiles are None, ``"auto"`` or a size in pixels.

    Example:
        >>> check_tiles("auto")
        >>> check_tiles(448)
    """
    if tiles is None or tiles == "auto":
        return
    if not isinstance(tiles, int) or isinstance(tiles, bool) or tiles < MIN_TILE:
        raise InputError("out-of-range", f"tiles must be auto or a size of at least {MIN_TILE} pixels, got {tiles!r}.")


def check_options(options: object) -> None:
    """Check the options of a command, or of a Localizer, that tiles cannot be combined with.

    InputError ``out-of-range`` or ``options-conflict``; fields that the record lacks are not checked.
    """
    tiles, refine = getattr(options, "tiles", None), getattr(options, "refine", None)
    check_tiles(tiles)
    if tiles is not None and refine is not None:
        problem = f"refine {refine} cannot be used with tiles: it works on an image of 224 pixels."
        raise InputError("options-conflict", problem, "Leave out refine or tiles.")


def check_model(loaded: LoadedModel) -> None:
    """Check that the maps of a model's tiles have one unit, so that they can be blended.

    InputError ``options-conflict`` or ``method-mismatch``.
    """
    backend, quality = loaded.backend, loaded.info.quality
    check_method(loaded.info.method)
    if len(backend.layers) > 1:
        problem = f"tiles need one layer, got {', '.join(backend.layers)}: fused maps of different tiles have no unit."
        raise InputError("options-conflict", problem, "Choose one with layer, or leave out tiles.")
    if not backend.has_evidence:
        problem = "The file was exported by a version whose maps of different tiles have no common unit."
        raise InputError("options-conflict", problem, "Export the model again, or leave out tiles.")
    if find_quality(quality).adapt_foreground and not backend.has_foreground_head:
        problem = f"tiles cannot be used with quality {quality} of this model: a head would be fitted to whole images."
        raise InputError("options-conflict", problem, "Use quality fast, or a run of weakspot train.")


def check_method(method: str) -> None:
    """Raise InputError ``method-mismatch`` unless the maps of different tiles have a common unit, the logit."""
    if method not in COMPARABLE:
        problem = f"tiles cannot be used with {method}: maps of different tiles have no common unit."
        raise InputError("method-mismatch", problem, f"Methods: {', '.join(sorted(COMPARABLE))}.")


def comparable_methods(methods: Iterable[str]) -> tuple[str, ...]:
    """Return those of some methods that tiles can be used with.

    Example:
        >>> comparable_methods(["cam", "eigencam"])
        ('cam',)
    """
    return tuple(method for method in methods if method in COMPARABLE)


def choose_tiling(tiles: Tiles | None, height: int, width: int, size: Preprocessing) -> Tiling | None:
    """Choose the tiles of an image; None if it is resized whole.

    Args:
        tiles: A size in pixels: larger images are localized in square tiles of this size. ``"auto"``: images of more
            than twice the model's input size are, in tiles of the input size. None: no image is.
        height: Rows of the image.
        width: Columns of the image.
        size: The model's input size.

    Returns:
        The tiles; if the image is lower or narrower than a tile, they are as well.

    Example:
        >>> choose_tiling("auto", 448, 448, Preprocessing()) is None
        True
        >>> choose_tiling("auto", 300, 449, Preprocessing()).lefts
        (0, 112, 225)
    """
    if tiles is None:
        return None
    sides, scale = ((size.height, size.width), _AUTO_SCALE) if tiles == "auto" else ((tiles, tiles), 1)
    if height <= scale * sides[0] and width <= scale * sides[1]:
        return None
    return tile_image(height, width, min(sides[0], height), min(sides[1], width))
