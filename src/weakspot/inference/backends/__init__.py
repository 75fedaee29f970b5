"""What runs a classifier on photos: PyTorch, or onnxruntime where no torch is needed. Arrays in, arrays out."""

from weakspot.inference.backends.base import Asked, Backend, ClassifierOutput, LoadedModel

__all__ = ["Asked", "Backend", "ClassifierOutput", "LoadedModel"]
