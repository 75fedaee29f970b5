"""What runs a classifier on photos: PyTorch, or onnxruntime where no torch is needed. Arrays in, arrays out."""

from weakspot.inference.backends.base import Asked, Backend, Opened, Seen

__all__ = ["Asked", "Backend", "Opened", "Seen"]
