"""CAM methods: pure functions from activations to class maps, one paper per file."""

from weakspot.cams.ablationcam import ablationcam
from weakspot.cams.acol import acol
from weakspot.cams.cam import cam
from weakspot.cams.eigencam import eigencam
from weakspot.cams.gradcam import counterfactual, gradcam
from weakspot.cams.gradcam_plus_plus import gradcam_plus_plus, gradcam_plus_plus_weights
from weakspot.cams.guided_gradcam import guided_gradcam
from weakspot.cams.hirescam import hirescam
from weakspot.cams.layercam import fuse, layercam
from weakspot.cams.methods import METHODS, Method, find_method
from weakspot.cams.scorecam import scorecam
from weakspot.cams.self_correlation import self_correlation, unit_features
from weakspot.cams.ts_cam import ts_cam
from weakspot.cams.xgradcam import xgradcam

__all__ = [
    "METHODS",
    "Method",
    "ablationcam",
    "acol",
    "cam",
    "counterfactual",
    "eigencam",
    "find_method",
    "fuse",
    "gradcam",
    "gradcam_plus_plus",
    "gradcam_plus_plus_weights",
    "guided_gradcam",
    "hirescam",
    "layercam",
    "scorecam",
    "self_correlation",
    "ts_cam",
    "unit_features",
    "xgradcam",
]
