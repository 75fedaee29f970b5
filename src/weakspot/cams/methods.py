"""CAM methods by name: the function, its inputs and the default threshold of its boxes."""

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
from weakspot.errors import no_such_method

Inputs = Literal[
    "weights", "gradients", "activations", "masked images", "ablated activations", "image gradients", "branches"
]


@dataclass(frozen=True)
class Method:
    """A method that computes class maps of a classifier.

    Attributes:
        function: Pure function that computes the maps.
        inputs: What the function needs in addition to the activations.
        threshold: Default threshold of the boxes, a fraction of the heatmap's maximum: 20 % for maps of any sign, as in
            the CAM paper; 15 % for the others, as in the Grad-CAM paper.
        network: Training method whose networks have the branches that the function needs; empty for any network.
        can_propagate: Whether a quality preset may change its maps; box maps must not be changed.
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
    """Return the method with this name.

    Raises:
        InputError: ``unknown-method``.

    Example:
        >>> find_method("cam").threshold
        0.2
    """
    if name not in METHODS:
        raise no_such_method(name, METHODS)
    return METHODS[name]
