"""Options that all evaluations have in common."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from weakspot.errors import InputError


@dataclass(frozen=True)
class EvaluationConfig:
    """Splits, threshold selection and bootstrap of an evaluation.

    Attributes:
        boxes: File of the ground-truth boxes. Default: as defined by the layout of the data set.
        images: Folder of the images. Default: as defined by the layout of the data set.
        test_split: Name of the split to score, or ``"all"``.
        val_split: Name of the split on which thresholds are selected; ignored if the data set does not have it.
        threshold: Threshold to use instead of a val-selected one, as a fraction of the heatmap's maximum.
        batch_size: Number of images per forward pass.
        workers: Number of threads that decode and score images.
        samples: Number of bootstrap samples for the confidence intervals; 0 disables them.
        seed: Random seed of the bootstrap.
        tolerance: Maximum distance of a map's peak from the object in the pointing game, in pixels of the 224 x 224
            frame. The default is below the 15 pixels of the paper, whose images are more than twice as wide.
    """

    boxes: str | Path | None = None
    images: str | Path | None = None
    test_split: str = "test"
    val_split: str = "val"
    threshold: float | None = None
    batch_size: int = 16
    workers: int = 2
    samples: int = 1000
    seed: int = 0
    tolerance: float = 4.0

    def __post_init__(self) -> None:
        for name, minimum in (("batch_size", 1), ("workers", 1), ("samples", 0), ("seed", 0), ("tolerance", 0)):
            value = getattr(self, name)
            if not value >= minimum:
                raise InputError("out-of-range", f"{name} must be at least {minimum}, got {value}.")


def split_kwargs(config: EvaluationConfig, kwargs: Mapping[str, Any]) -> tuple[EvaluationConfig, dict[str, Any]]:
    """Replace the fields of a config that occur in the keyword arguments, and return the remaining arguments."""
    names = {field.name for field in fields(EvaluationConfig)}
    changes = {name: value for name, value in kwargs.items() if name in names}
    return replace(config, **changes), {name: value for name, value in kwargs.items() if name not in names}
