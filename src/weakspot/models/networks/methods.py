"""Names of training methods, and which of them can be combined."""

from dataclasses import dataclass

from weakspot.errors import InputError, suggest

# Methods with a head of their own, of which a network has one.
HEADS = ("cam", "acol", "spg", "ts_cam", "psol", "mil")
# Methods that augment the training images: at most one.
AUGMENTATIONS = ("has", "cutmix")
# A method that adds layers to the backbone.
_ADL = "adl"


@dataclass(frozen=True)
class TrainingMethod:
    """A combination of training methods.

    Attributes:
        head: One of ``HEADS``.
        augmentation: One of ``AUGMENTATIONS``, or empty.
        adl: Whether to use attention-based dropout.
    """

    head: str = "cam"
    augmentation: str = ""
    adl: bool = False

    @property
    def class_map_method(self) -> str:
        """Name of the method that computes its class maps."""
        return self.head if self.head in ("acol", "ts_cam", "psol") else "cam"


def parse_method(text: str, *, frozen: bool = False) -> TrainingMethod:
    """Parse the name of a training method, or several names with ``+`` between them.

    Args:
        text: Such as ``"cam"``, ``"has"`` or ``"acol+cutmix"``; the head is that of CAM unless named.
        frozen: Whether the backbone is frozen.

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
            hint = suggest(word, known, f"The methods are {', '.join(known)}.")
            raise InputError("unknown-method", f"Training method {word!r} does not exist.", hint)
    heads, augmentations = ([word for word in dict.fromkeys(words) if word in kind] for kind in (HEADS, AUGMENTATIONS))
    _check_single(heads, "each has a head of its own")
    _check_single(augmentations, "CutMix mixes labels by visible area, and HaS hides some of it")
    method = TrainingMethod(heads[0] if heads else "cam", augmentations[0] if augmentations else "", _ADL in words)
    _check_combination(method, frozen)
    return method


def _check_single(words: list[str], reason: str) -> None:
    if len(words) > 1:
        raise InputError("options-conflict", f"{' and '.join(words)} cannot be combined: {reason}.")


def _check_combination(method: TrainingMethod, frozen: bool) -> None:
    spg = method.head == "spg"
    conflicts = (
        (
            method.adl and method.head == "ts_cam",
            "adl and ts_cam cannot be combined: ADL needs a convolutional network, TS-CAM a transformer.",
            "",
        ),
        (
            spg and method.augmentation == "cutmix",
            "spg and cutmix cannot be combined: SPG's branches would learn the boxes that CutMix pastes.",
            "",
        ),
        (
            method.head == "psol" and bool(method.adl or method.augmentation),
            "psol cannot be combined with other methods: it is trained on boxes, not on labels.",
            "Train its teacher run with them.",
        ),
        (
            spg and frozen,
            "spg needs a trainable backbone: with a frozen one its class maps would be those of CAM.",
            "Add --freeze none.",
        ),
    )
    for conflict, problem, hint in conflicts:
        if conflict:
            raise InputError("options-conflict", problem, hint)
