"""Names that options of several commands choose from."""

from typing import Literal

BackendName = Literal["auto", "torch", "onnx"]
BoxesName = Literal["largest", "all", "split"]
QualityName = Literal["plain", "fast", "balanced", "best"]
RefinementName = Literal["grabcut", "random_walker", "superpixels"]
