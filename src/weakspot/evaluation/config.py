"""How to evaluate, whatever is evaluated."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from weakspot.errors import InputError


@dataclass(frozen=True)
class EvaluationConfig:
    """How to evaluate.

    Attributes:
        boxes: File of the true boxes, if it is not where the data set's layout has it.
        images: Folder of the images, likewise.
        split: Name of the split to score, or ``"all"``.
        validation: Name of the split to fix thresholds on; passed over where there is none.
        threshold: Fixed by hand, a fraction of the heatmap's peak, instead of on the validation split.
        batch_size: Images in one forward pass.
        workers: Threads that decode and score.
        samples: Number of bootstrap samples for the confidence intervals; 0 for none.
        seed: Of the bootstrap.
    """

    boxes: str | Path | None = None
    images: str | Path | None = None
    split: str = "test"
    validation: str = "val"
    threshold: float | None = None
    batch_size: int = 16
    workers: int = 2
    samples: int = 1000
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("batch_size", 1), ("workers", 1), ("samples", 0), ("seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"{name}={getattr(self, name)} is below {least}.", f"Give {least} or more.")


def split_kwargs(setting: EvaluationConfig, options: Mapping[str, Any]) -> tuple[EvaluationConfig, dict[str, Any]]:
    """Take the options that are the setting's fields into it, and give the others back.

    Example:
        >>> changed, others = split_kwargs(EvaluationConfig(), {"split": "all", "device": "cpu"})
        >>> changed.split, others
        ('all', {'device': 'cpu'})
    """
    own = {name: value for name, value in options.items() if name in EvaluationConfig.__dataclass_fields__}
    return replace(setting, **own), {name: value for name, value in options.items() if name not in own}
