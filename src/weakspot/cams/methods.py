"""The methods by name: the function, what it reads, and its default threshold for boxes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from weakspot.cams.ablationcam import ablationcam
from weakspot.cams.acol import acol, acol_a, acol_b
from weakspot.cams.cam import cam
from weakspot.cams.eigencam import eigencam
from weakspot.cams.gradcam import counterfactual, gradcam
from weakspot.cams.gradcam_plus_plus import gradcam_plus_plus
from weakspot.cams.guided_gradcam import guided_gradcam
from weakspot.cams.hirescam import hirescam
from weakspot.cams.layercam import layercam
from weakspot.cams.psol import BOX_LEVEL, psol
from weakspot.cams.scorecam import scorecam
from weakspot.cams.ts_cam import ts_cam
from weakspot.cams.xgradcam import xgradcam
from weakspot.errors import InputError, suggest

Inputs = Literal[
    "weights", "gradients", "activations", "masked images", "ablated activations", "image gradients", "branches"
]


@dataclass(frozen=True)
class Method:
    """A way to read a class map out of a classifier.

    Attributes:
        function: The pure function that computes it.
        inputs: What the function needs besides the activations.
        threshold: Default threshold for boxes, a fraction of the heatmap's peak: the 20 % of CAM's paper for maps of
            any sign, the 15 % of Grad-CAM's for the others.
        network: Name of the kind of network that has the branches which the function reads; empty for the others.
        can_propagate: Whether a quality may do something to its maps; drawn boxes are what they are.
    """

    function: Callable[..., Tensor]
    inputs: Inputs
    threshold: float = 0.15
    network: str = ""
    can_propagate: bool = True


METHODS: dict[str, Method] = {
    "cam": Method(cam, "weights", threshold=0.2),
    "gradcam": Method(gradcam, "gradients"),
    "gradcam++": Method(gradcam_plus_plus, "gradients"),
    "layercam": Method(layercam, "gradients"),
    "xgradcam": Method(xgradcam, "gradients"),
    "hirescam": Method(hirescam, "gradients", threshold=0.2),
    "scorecam": Method(scorecam, "masked images"),
    "ablationcam": Method(ablationcam, "ablated activations"),
    "eigencam": Method(eigencam, "activations"),
    "guided_gradcam": Method(guided_gradcam, "image gradients"),
    "counterfactual": Method(counterfactual, "gradients"),
    "acol": Method(acol, "branches", threshold=0.2, network="acol"),
    "acol_a": Method(acol_a, "branches", threshold=0.2, network="acol"),
    "acol_b": Method(acol_b, "branches", threshold=0.2, network="acol"),
    "ts_cam": Method(ts_cam, "branches", threshold=0.2, network="ts_cam"),
    "psol": Method(psol, "branches", threshold=BOX_LEVEL, network="psol", can_propagate=False),
}


def find_method(name: str) -> Method:
    """Look a method up by name.

    Raises:
        InputError: If there is none of that name; near matches are listed.

    Example:
        >>> find_method("cam").threshold
        0.2
    """
    if name not in METHODS:
        raise InputError(f"There is no method {name!r}.", suggest(name, METHODS, f"Take one of: {', '.join(METHODS)}."))
    return METHODS[name]
