"""Training methods by name, and which of them go together."""

from dataclasses import dataclass

from weakspot.errors import InputError, suggest

# A head each: they take one another's place.
HEADS = ("cam", "acol", "spg", "ts_cam", "psol")
# What is done to the training images: at most one.
AUGMENTATIONS = ("has", "cutmix")
# What is put between the backbone's layers.
_ADL = "adl"


@dataclass(frozen=True)
class TrainingMethod:
    """How a network is built and trained.

    Attributes:
        head: One of ``HEADS``.
        augmentation: One of ``AUGMENTATIONS``, or empty.
        adl: Whether attention is dropped between the layers.
    """

    head: str = "cam"
    augmentation: str = ""
    adl: bool = False

    @property
    def class_map_method(self) -> str:
        """Name of the method that reads its class maps."""
        return self.head if self.head in ("acol", "ts_cam", "psol") else "cam"


def parse_method(text: str, *, frozen: bool = False) -> TrainingMethod:
    """Read the name of a training method, or several with ``+`` between them.

    Args:
        text: Such as ``"cam"``, ``"has"`` or ``"acol+cutmix"``; without a head it is that of CAM.
        frozen: Whether the backbone does not learn.

    Raises:
        InputError: If there is no such method, or some of them do not go together.

    Example:
        >>> parse_method("acol+cutmix")
        TrainingMethod(head='acol', augmentation='cutmix', adl=False)
        >>> parse_method("has").class_map_method
        'cam'
    """
    words = [word.strip().lower() for word in text.split("+")]
    known = (*HEADS, _ADL, *AUGMENTATIONS)
    for word in words:
        if word not in known:
            raise InputError(
                "unknown-method",
                f"There is no training method {word!r}.",
                suggest(word, known, f"Take some of: {', '.join(known)}."),
            )
    heads, augmentations = ([word for word in dict.fromkeys(words) if word in kind] for kind in (HEADS, AUGMENTATIONS))
    _refuse_more_than_one(heads, "each is another head")
    _refuse_more_than_one(augmentations, "CutMix mixes labels by the area that is seen, and HaS hides some of it")
    recipe = TrainingMethod(heads[0] if heads else "cam", augmentations[0] if augmentations else "", _ADL in words)
    _refuse_senseless(recipe, frozen)
    return recipe


def _refuse_more_than_one(words: list[str], reason: str) -> None:
    if len(words) > 1:
        raise InputError(f"{' and '.join(words)} do not go together: {reason}.", "Take one of them.")


def _refuse_senseless(recipe: TrainingMethod, frozen: bool) -> None:
    spg, apart = recipe.head == "spg", "Leave one of them out."
    refusals = (
        (
            recipe.adl and recipe.head == "ts_cam",
            "ADL drops channel means of a convolutional network, and TS-CAM's backbone is a transformer.",
            apart,
        ),
        (
            spg and recipe.augmentation == "cutmix",
            "SPG's branches would learn the masks that CutMix cuts out.",
            apart,
        ),
        (
            recipe.head == "psol" and bool(recipe.adl or recipe.augmentation),
            "PSOL learns from boxes, not from labels: nothing goes with it.",
            "Train the run that teaches it so.",
        ),
        (
            spg and frozen,
            "SPG teaches the backbone, which is frozen: its class maps would be those of CAM.",
            "Add --freeze none.",
        ),
    )
    for holds, problem, hint in refusals:
        if holds:
            raise InputError(problem, hint)
