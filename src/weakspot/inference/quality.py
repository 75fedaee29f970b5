"""What is done to a class map for a better box, at three prices: compositions of parts, by name."""

from dataclasses import dataclass, replace
from typing import Literal

from weakspot.errors import InputError, suggest

QualityName = Literal["plain", "fast", "balanced", "best"]


# Where heatmaps are cut by default that were spread, and those that a foreground head has had a say in.
SPREAD_THRESHOLD, FOREGROUND_THRESHOLD = 0.4, 0.55


@dataclass(frozen=True)
class CropSettings:
    """Look again, more closely, at what was found.

    Attributes:
        cut: Where to cut the first heatmap for the box that is looked into, times the default threshold.
        margin: How many times as wide and as high as that box.
    """

    cut: float
    margin: float


@dataclass(frozen=True)
class Quality:
    """A composition.

    Attributes:
        spread: Whether class maps are spread along mid-level features, see :func:`weakspot.cams.self_correlation`.
        enlarged: How many times as large as it was trained on a model given by name sees its images.
        output_stride: Of a model given by name, where it can have it; None for its own.
        zooms: Further forward passes, all of them into boxes of the first.
        adapts: Whether a command lets the model learn first, from the photos at hand, what foreground looks like.
    """

    spread: bool
    enlarged: float = 1.0
    output_stride: int | None = None
    zooms: tuple[CropSettings, ...] = ()
    adapts: bool = False

    @property
    def passes(self) -> int:
        """Number of forward passes for one class of one image at the most, with the one that is learnt from."""
        return 1 + len(self.zooms) + self.adapts


_FAST = Quality(spread=True, enlarged=9 / 7, output_stride=16)
_VIEWS = (CropSettings(1.0, 1.5), CropSettings(1.2, 2.0))
_MORE = (
    CropSettings(0.8, 1.0),
    CropSettings(1.0, 1.0),
    CropSettings(1.0, 1.25),
    CropSettings(1.2, 1.25),
    CropSettings(1.2, 1.5),
)

QUALITIES: dict[str, Quality] = {
    "plain": Quality(spread=False),
    "fast": _FAST,
    "balanced": replace(_FAST, zooms=_VIEWS, adapts=True),
    "best": replace(_FAST, zooms=_VIEWS + _MORE, adapts=True),
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
