"""Fit a classifier to image-level labels, and find the threshold to cut its heatmaps at."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from weakspot.training.running import train

__all__ = ["train"]


def __getattr__(name: str) -> Any:
    # The options are read by the command line's help, which must not wait for torch.
    if name == "train":
        from weakspot.training.running import train

        return train
    raise AttributeError(f"module 'weakspot.training' has no attribute {name!r}")
