"""What is done to a class map for a better box, at three prices: compositions of parts, by name."""

from dataclasses import dataclass
from typing import Literal

from weakspot.errors import InputError, suggest

QualityName = Literal["plain", "fast", "balanced", "best"]


@dataclass(frozen=True)
class Zoom:
    """Look again, more closely, at what was found.

    Attributes:
        threshold: Fraction of the first heatmap's peak at which the box is cut that is looked into.
        margin: How many times as wide and as high as that box.
    """

    threshold: float
    margin: float


@dataclass(frozen=True)
class Quality:
    """A composition.

    Attributes:
        spread: Whether class maps are spread along mid-level features, see :func:`weakspot.cams.self_correlation`.
        threshold: Where heatmaps are cut by default; None for the method's own threshold.
        enlarged: How many times as large as it was trained on a model given by name sees its images.
        output_stride: Of a model given by name, where it can have it; None for its own.
        zooms: Further forward passes, all of them into boxes of the first.
    """

    spread: bool
    threshold: float | None = None
    enlarged: float = 1.0
    output_stride: int | None = None
    zooms: tuple[Zoom, ...] = ()

    @property
    def passes(self) -> int:
        """Number of forward passes for one class of one image."""
        return 1 + len(self.zooms)


_ZOOMS = (Zoom(0.4, 1.0), Zoom(0.45, 1.25), Zoom(0.5, 1.5))

QUALITIES: dict[str, Quality] = {
    "plain": Quality(spread=False),
    "fast": Quality(spread=True, threshold=0.45, enlarged=9 / 7, output_stride=16),
    "balanced": Quality(spread=True, threshold=0.45, enlarged=9 / 7, output_stride=16, zooms=_ZOOMS),
    "best": Quality(
        spread=True,
        threshold=0.45,
        enlarged=9 / 7,
        output_stride=16,
        zooms=(*_ZOOMS, Zoom(0.35, 1.0), Zoom(0.45, 1.0), Zoom(0.5, 1.25), Zoom(0.55, 1.5)),
    ),
}
DEFAULT_QUALITY = "fast"


def find_quality(name: str) -> Quality:
    """Look a quality up by name.

    Raises:
        InputError: If there is none of that name.

    Example:
        >>> find_quality("fast").passes, find_quality("balanced").passes
        (1, 4)
    """
    if name not in QUALITIES:
        hint = suggest(name, QUALITIES, f"Take one of: {', '.join(QUALITIES)}.")
        raise InputError(f"There is no quality {name!r}.", hint)
    return QUALITIES[name]
