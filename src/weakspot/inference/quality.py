"""Quality presets: four trade-offs between the quality of boxes and their cost."""

from dataclasses import dataclass, replace

from weakspot.errors import InputError, suggest

# Default thresholds of propagated heatmaps, without and with a foreground head.
PROPAGATED_THRESHOLD, FOREGROUND_THRESHOLD = 0.4, 0.55


@dataclass(frozen=True)
class Crop:
    """One crop of multi-crop test-time augmentation.

    Attributes:
        threshold_factor: Multiple of the default threshold at which the first heatmap is cut for the box to crop.
        margin: Width and height of the crop as a multiple of those of the box.
    """

    threshold_factor: float
    margin: float


@dataclass(frozen=True)
class Quality:
    """A quality preset.

    Attributes:
        propagate: Whether class maps are propagated along feature affinities, see
            :func:`weakspot.cams.self_correlation`.
        resolution_scale: Input size as a multiple of the training size, for a timm or torchvision name.
        output_stride: Output stride for a timm or torchvision name that supports it; None for the model's own.
        crops: Crops around the first box, one forward pass each.
        adapt_foreground: Whether commands first fit a foreground head to the images.
    """

    propagate: bool
    resolution_scale: float = 1.0
    output_stride: int | None = None
    crops: tuple[Crop, ...] = ()
    adapt_foreground: bool = False

    @property
    def passes(self) -> int:
        """Maximum number of forward passes for one class of one image, including the one for the foreground head."""
        return 1 + len(self.crops) + self.adapt_foreground


_FAST = Quality(propagate=True, resolution_scale=9 / 7, output_stride=16)
_CROPS = (Crop(1.0, 1.5), Crop(1.2, 2.0))

# Each is better than the one before over four sets of images (docs/benchmarks.md).
QUALITIES: dict[str, Quality] = {
    "plain": Quality(propagate=False),
    "fast": _FAST,
    "balanced": replace(_FAST, adapt_foreground=True),
    "best": replace(_FAST, adapt_foreground=True, crops=_CROPS),
}
DEFAULT_QUALITY = "fast"


def find_quality(name: str) -> Quality:
    """Return the preset of a name; InputError ``unknown-quality`` if it does not exist.

    Example:
        >>> find_quality("fast").passes, find_quality("balanced").passes
        (1, 2)
    """
    if name not in QUALITIES:
        hint = suggest(name, QUALITIES, f"Choose one of: {', '.join(QUALITIES)}.")
        raise InputError("unknown-quality", f"The quality {name!r} does not exist.", hint)
    return QUALITIES[name]
