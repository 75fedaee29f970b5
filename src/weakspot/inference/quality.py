"""Quality presets: three trade-offs between the quality of boxes and their cost."""

from dataclasses import dataclass, replace

from weakspot.errors import InputError, suggest

# Default thresholds of propagated heatmaps, without and with a foreground head.
PROPAGATED_THRESHOLD, FOREGROUND_THRESHOLD = 0.4, 0.55


@dataclass(frozen=True)
class Quality:
    """A quality preset.

    Attributes:
        propagate: Whether class maps are propagated along feature affinities, see
            :func:`weakspot.cams.self_correlation`.
        resolution_scale: Input size as a multiple of the training size, for a timm or torchvision name.
        output_stride: Output stride for a timm or torchvision name that supports it; None for the model's own.
        adapt_foreground: Whether commands first fit a foreground head to the images.
    """

    propagate: bool
    resolution_scale: float = 1.0
    output_stride: int | None = None
    adapt_foreground: bool = False


_FAST = Quality(propagate=True, resolution_scale=9 / 7, output_stride=16)

# Each is better than the one before over four sets of images (docs/benchmarks.md).
QUALITIES: dict[str, Quality] = {
    "plain": Quality(propagate=False),
    "fast": _FAST,
    "balanced": replace(_FAST, adapt_foreground=True),
}
# Until 0.1, best was balanced with crops, which were not worth their price.
_ALIASES = {"best": "balanced"}
DEFAULT_QUALITY = "fast"


def find_quality(name: str) -> Quality:
    """Return the preset of a name; InputError ``unknown-quality`` if it does not exist.

    Example:
        >>> find_quality("fast").adapt_foreground, find_quality("balanced").adapt_foreground
        (False, True)
    """
    name = _ALIASES.get(name, name)
    if name not in QUALITIES:
        hint = suggest(name, QUALITIES, f"Choose one of: {', '.join(QUALITIES)}.")
        raise InputError("unknown-quality", f"The quality {name!r} does not exist.", hint)
    return QUALITIES[name]
