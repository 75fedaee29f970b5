"""What synthetic scenes are like."""

from dataclasses import dataclass
from numbers import Integral

from weakspot.data.synthetic.textures import CLASS_NAMES
from weakspot.errors import InputError

BACKGROUND = "background"  # the label of a scene without an object


@dataclass(frozen=True)
class SceneSettings:
    """What the scenes are like.

    Attributes:
        classes: Number of classes, 2 to 10: the first ones of ``CLASS_NAMES``.
        size: Side of the square image in pixels, 32 to 1024.
        discriminative_part: Give each object a badge on 5 to 10 % of its pixels, which carries the class's texture in
            the class's colour, and leave but a faint trace of that texture on the rest. A classifier needs no more
            than the badge, so CAM highlights only that; ACoL was made for this case.
        distractors: Number of shapes of no class behind the object, 0 to 8.
        background_share: Share of scenes without an object, 0 to 1; each scene is decided by chance.
        seed: 0 or more; another seed gives other scenes.

    Raises:
        InputError: If a value is outside its range.

    Example:
        >>> SceneSettings(classes=8, discriminative_part=True).names
        ('stripes', 'checks', 'dots', 'rings', 'bricks', 'zigzag', 'marble', 'triangles')
    """

    classes: int = 4
    size: int = 224
    discriminative_part: bool = False
    distractors: int = 2
    background_share: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        check_integer("classes", self.classes, 2, len(CLASS_NAMES))
        check_integer("size", self.size, 32, 1024)
        check_integer("distractors", self.distractors, 0, 8)
        check_integer("seed", self.seed, 0)
        if not 0 <= self.background_share <= 1:
            raise InputError(f"background_share {self.background_share} is no share.", "Give a number from 0 to 1.")

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the classes; ``BACKGROUND`` is none of them."""
        return CLASS_NAMES[: self.classes]


def check_integer(name: str, value: object, low: int, high: int | None = None) -> None:
    """Refuse what is no whole number within bounds.

    Raises:
        InputError: If it is not.

    Example:
        >>> check_integer("size", 224, 32, 1024)
    """
    if not isinstance(value, Integral) or int(value) < low or (high is not None and int(value) > high):
        bounds = f"of at least {low}" if high is None else f"from {low} to {high}"
        raise InputError(f"{name} {value} cannot be used.", f"Give a whole number {bounds}.")
