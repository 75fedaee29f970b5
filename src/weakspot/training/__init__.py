"""Train a classifier on image-level labels, and choose the threshold of its heatmaps."""

from typing import TYPE_CHECKING

import lazy_loader as lazy

if TYPE_CHECKING:
    from weakspot.training.start import train as train

__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "start": ["train"],
    },
)
