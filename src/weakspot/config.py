"""Version, defaults, and the choices that options of several commands share."""

from typing import Literal

__version__ = "0.2.0"

DEFAULT_MODEL = "tf_efficientnet_lite0"
DEFAULT_METHOD = "gradcam"
# Weights that come with a model's name.
PRETRAINED = "pretrained"

BackendName = Literal["auto", "torch", "onnx"]
BoxesName = Literal["largest", "all", "split"]
QualityName = Literal["plain", "fast", "balanced", "best"]
RefinementName = Literal["grabcut", "random_walker", "superpixels"]
