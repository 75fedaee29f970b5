"""Find classes whose boxes cover the whole image: a sign of a threshold that does not fit."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from weakspot.inference.localization import Localization

# A box is wide if it covers this fraction of the image, or touches three of its sides.
_WIDE = 0.9
# A class is reported if it has at least this many boxes, and more than this fraction of them is wide.
_MIN_BOXES, _MAX_FRACTION = 5, 0.2
_ADVICE = "The threshold may not fit: raise --threshold, or correct a few boxes and run weakspot threshold RUN DATA."


@dataclass
class WideBoxes:
    """Counts the boxes of each class, and those that are wide."""

    boxes: Counter[str] = field(default_factory=Counter)
    wide: Counter[str] = field(default_factory=Counter)

    def add(self, localization: Localization) -> None:
        """Count the boxes of an image."""
        for item in localization:
            self.boxes[item.label] += len(item.boxes)
            self.wide[item.label] += sum(is_wide(box, item.width, item.height) for box in item.boxes.tolist())

    def notes(self) -> tuple[str, ...]:
        """Return a sentence for each class of which more than a fifth of the boxes is wide, and what to do.

        Example:
            >>> WideBoxes(Counter(cat=10, dog=10), Counter(cat=3, dog=2)).notes()[0]
            '3 of 10 boxes of cat cover the image or touch three of its sides.'
        """
        sentences = tuple(
            f"{self.wide[label]} of {count} boxes of {label} cover the image or touch three of its sides."
            for label, count in self.boxes.items()
            if count >= _MIN_BOXES and self.wide[label] > _MAX_FRACTION * count
        )
        return (*sentences, _ADVICE) if sentences else ()


def is_wide(box: Sequence[float], width: int, height: int) -> bool:
    """Return whether a box covers 90 % of the image or touches three of its sides, to a pixel.

    Example:
        >>> is_wide((0, 0, 95, 99), 100, 100), is_wide((0, 0, 100, 20), 100, 100), is_wide((0, 0, 50, 50), 100, 100)
        (True, True, False)
    """
    x1, y1, x2, y2 = box
    touching = (x1 < 1) + (y1 < 1) + (x2 > width - 1) + (y2 > height - 1)
    return touching >= 3 or (x2 - x1) * (y2 - y1) >= _WIDE * width * height
