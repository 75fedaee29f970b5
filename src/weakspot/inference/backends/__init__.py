"""Backends that run a classifier: PyTorch, or ONNX Runtime without torch. Arrays in, arrays out."""

from weakspot.inference.backends.base import Backend, ClassifierOutput, ClassSelection, LoadedModel

__all__ = ["Backend", "ClassSelection", "ClassifierOutput", "LoadedModel"]
