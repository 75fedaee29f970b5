"""What every loaded or stored classifier has besides weights: class names, preprocessing, method and thresholds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from math import isfinite
from numbers import Real
from typing import Any, get_args

from weakspot.config import QualityName
from weakspot.errors import InputError, ModelError
from weakspot.ops.preprocessing import Preprocessing
from weakspot.ops.presence import Presence
from weakspot.ops.uncertainty import TypicalArea

# Keys of version 0.1.0 that have a new name.
_RENAMED = {"background": "background_index"}


@dataclass(frozen=True)
class ModelInfo:
    """Everything needed to use a classifier except its weights; checkpoints, ONNX files and loaded models share it.

    Attributes:
        class_names: One name per logit; empty if unknown.
        preprocessing: Input size and normalization.
        method: Name of the class map method that the model was trained for; empty if any.
        quality: Name of the quality preset that the thresholds were chosen for; empty if none was chosen.
        threshold: Box threshold, a fraction of the heatmap's peak in (0, 1]; None if it was not tuned.
        class_thresholds: Box threshold of each class in (0, 1); empty if these were not tuned.
        multi_label: Whether scores are independent sigmoids instead of a softmax.
        background_index: Index of the class of images without objects, or None.
        calibration: Weight and bias of the log odds that a box is wrong, as a function of its uncertainty; empty if no
            boxes were known.
        typical_areas: Typical box area of each class, for the uncertainty of boxes; empty if unknown.
        presence: Whether an image holds an object, by logits and the peak of the class map; None without a background
            class, or if too few validation images were with or without an object.
        zooms: Number of zooms into a small region, each to half the width and height of the one before.

    Example:
        >>> info = ModelInfo(("cat", "dog"), Preprocessing(96, 96), threshold=0.4, background_index=1)
        >>> ModelInfo.from_dict(info.to_dict()) == info
        True
    """

    class_names: tuple[str, ...] = ()
    preprocessing: Preprocessing = field(default_factory=Preprocessing)
    method: str = ""
    quality: str = ""
    threshold: float | None = None
    class_thresholds: tuple[float, ...] = ()
    multi_label: bool = False
    background_index: int | None = None
    calibration: tuple[float, ...] = ()
    typical_areas: tuple[TypicalArea, ...] = ()
    presence: Presence | None = None
    zooms: int = 0

    def validate(self) -> None:
        """Check that the values are possible and agree with each other."""
        count, thresholds, areas = len(self.class_names), self.class_thresholds, self.typical_areas
        conditions = {
            f"method must be text, got {self.method!r}.": isinstance(self.method, str),
            f"quality must be one of {', '.join(get_args(QualityName))}, got {self.quality!r}.": self.quality
            in ("", *get_args(QualityName)),
            f"multi_label must be true or false, got {self.multi_label!r}.": isinstance(self.multi_label, bool),
            f"threshold must be in (0, 1], got {self.threshold}.": self.threshold is None
            or (is_number(self.threshold) and 0 < self.threshold <= 1),
            f"class_thresholds must be {count} values in (0, 1), got {list(thresholds)}.": not thresholds
            or (len(thresholds) == count and all(0 < value < 1 for value in thresholds)),
            f"threshold must be below 1 if classes have their own, got {self.threshold}.": not thresholds
            or (self.threshold is not None and self.threshold < 1),
            f"calibration must be a weight of 0 or more and a bias, got {list(self.calibration)}.": not self.calibration
            or (len(self.calibration) == 2 and isfinite(sum(self.calibration)) and self.calibration[0] >= 0),
            f"background_index must be in [0, {count}), got {self.background_index}.": self.background_index is None
            or (is_number(self.background_index, int) and self.background_index in range(count)),
            f"zooms must be a number in [0, 8], got {self.zooms!r}.": is_number(self.zooms, int)
            and 0 <= self.zooms <= 8,
            f"typical_areas must be {count} medians and positive spreads, got {[*map(list, areas)]}.": not areas
            or (len(areas) == count and all(isfinite(sum(area)) and area.log_spread > 0 for area in areas)),
        }
        if self.presence is not None:
            conditions |= _presence_conditions(self.presence)
            problem = "presence needs a background_index and classes of which one is right."
            conditions[problem] = self.background_index is not None and not self.multi_label and count > 1
        for problem, holds in conditions.items():
            if not holds:
                raise ModelError("metadata-invalid", problem)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dictionary that JSON can store."""
        return asdict(self)

    @classmethod
    def from_dict(cls, metadata: Mapping[str, Any]) -> "ModelInfo":
        """Read what :meth:`to_dict` returned, or the same fields in a file of weakspot 0.1.0."""
        if not isinstance(metadata, Mapping):
            problem = f"The metadata must be an object with names, got {type(metadata).__name__}."
            raise ModelError("metadata-invalid", problem)
        values = {_RENAMED.get(name, name): value for name, value in metadata.items()}
        try:
            preprocessing = Preprocessing(**values.pop("preprocessing"))
            info = cls(
                class_names=_read_names(values.pop("class_names")),
                preprocessing=Preprocessing().changed(  # checks the numbers
                    mean=preprocessing.mean,
                    std=preprocessing.std,
                    input_size=(preprocessing.height, preprocessing.width),
                ),
                class_thresholds=tuple(float(value) for value in values.pop("class_thresholds", ())),
                calibration=tuple(float(value) for value in values.pop("calibration", ())),
                typical_areas=tuple(
                    TypicalArea(*(float(value) for value in area)) for area in values.pop("typical_areas", ())
                ),
                presence=_read_presence(values.pop("presence", None)),
                **values,
            )
            info.validate()
        except ModelError:
            raise
        except KeyError as error:
            raise ModelError("metadata-invalid", f"The metadata have no {error.args[0]}.") from error
        except (InputError, ValueError, TypeError, OverflowError) as error:
            problem = error.problem if isinstance(error, InputError) else str(error)
            raise ModelError("metadata-invalid", f"The metadata are invalid: {problem}") from error
        return info


def is_number(value: object, kind: type = Real) -> bool:
    """Return whether a value of JSON is a number and not true or false.

    Example:
        >>> is_number(0.5), is_number(True), is_number("0.5")
        (True, False, False)
    """
    return isinstance(value, kind) and not isinstance(value, bool)


def _read_presence(values: object) -> Presence | None:
    if values is None:
        return None
    if not isinstance(values, list | tuple):
        raise TypeError(f"presence must be a list of numbers, got {type(values).__name__}.")
    return Presence(*(float(value) for value in values))


def _presence_conditions(presence: Presence) -> dict[str, bool]:
    """Return whether the values are possible, by what is wrong otherwise."""
    possible = isfinite(sum(presence)) and min(presence.odds_weight, presence.peak_weight) >= 0
    problem = f"presence must be two weights of 0 or more, a bias and a threshold in [0, 1], got {[*presence]}."
    return {problem: possible and 0 <= presence.threshold <= 1}


def _read_names(names: object) -> tuple[str, ...]:
    """Return class names; numbers become text, as version 0.1.0 stored them."""
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) or is_number(name) for name in names):
        raise TypeError(f"class_names must be a list of names, got {type(names).__name__}.")
    return tuple(str(name) for name in names)
