"""A classifier and its class maps as one ONNX file, checked against PyTorch on photos."""

from weakspot.exporting.exporting import Exported, export

__all__ = ["Exported", "export"]
