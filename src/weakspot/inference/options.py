"""Options of a Localizer, in one record that commands and Python callers share."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from weakspot.config import PRETRAINED, BackendName, BoxesName, QualityName, RefinementName, Tiles
from weakspot.data import DecoderPool
from weakspot.inference.class_names import ClassNames


@dataclass(frozen=True)
class LocalizerOptions:
    """How a classifier is loaded, and how its class maps become boxes: the arguments of :class:`weakspot.Localizer`.

    ``max_pixels`` None is the default of Localizer, 89 million, as in Pillow.
    """

    method: str | None = None
    quality: QualityName | None = None
    layer: tuple[str, ...] | None = None
    class_names: ClassNames | None = None
    multi_label: bool | None = None
    mean: Sequence[float] | None = None
    std: Sequence[float] | None = None
    input_size: int | tuple[int, int] | None = None
    device: str = "auto"
    weights: str | Path | None = PRETRAINED
    output_stride: int | None = None
    threshold: float | None = None
    boxes: BoxesName = "best"
    min_area: float = 0.01
    min_score: float = 0.0
    refine: RefinementName | None = None
    channels: int | None = None
    max_pixels: int | None = None
    tiles: Tiles | None = None
    uncertainty: bool = False
    backend: BackendName = "auto"
    decoders: DecoderPool | None = None
