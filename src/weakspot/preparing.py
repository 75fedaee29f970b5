"""A classifier made ready for a quality: how fine it sees, and where it is cut."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from weakspot.data import Preprocessing
from weakspot.errors import InputError, ModelError
from weakspot.models import Classifier, Cut, cut_model
from weakspot.qualities import DEFAULT_QUALITY, Quality, find_quality
from weakspot.runs import is_run, take_model

# Sides that all strides divide.
_STEP = 32


def take_for_quality(
    model: str | Path | nn.Module, quality: str | None, *, output_stride: int | None, **options: Any
) -> Classifier:
    """Load a classifier with the output stride of a quality, unless another is given, or the model cannot have it.

    Args:
        model: As for :func:`weakspot.runs.take_model`; runs and modules keep the stride that they were trained with.
        quality: Name of the quality; None for the default.
        output_stride: What a user has chosen, or None.
        options: Further ones of :func:`weakspot.runs.take_model`.

    Raises:
        InputError: As there.
        ModelError: As there.
    """
    wanted = find_quality(quality or DEFAULT_QUALITY).output_stride
    named = isinstance(model, str | Path) and not is_run(model)
    if named and output_stride is None and wanted is not None:
        try:
            return take_model(model, output_stride=wanted, **options)
        except InputError:  # the model cannot have it; whatever else is wrong shows again
            pass
    return take_model(model, output_stride=output_stride, **options)


def cut_for_quality(
    model: nn.Module, frame: Preprocessing, quality: Quality, *, enlarge: bool, like: Tensor, **options: Any
) -> tuple[Preprocessing, Cut]:
    """Find where to cut a classifier, and how large it may see its images.

    Args:
        model: The classifier.
        frame: What it was trained on.
        quality: What is wanted of it.
        enlarge: Whether it may see images larger than that.
        like: A tensor of its device and type.
        options: Further ones of :func:`weakspot.models.cut_model`.

    Returns:
        What it shall see, and the cut. A model that takes one size only (most transformers) keeps it.

    Raises:
        ModelError: If the model cannot be cut.

    Source:
        Touvron et al., "Fixing the train-test resolution discrepancy", NeurIPS 2019: a classifier sees best what is
        about 1.3 times as large as it was trained on.
    """
    larger = enlarged(frame, quality.enlarged) if enlarge else frame
    if larger != frame:
        try:
            return larger, cut_model(model, _noise(larger, like), spread=quality.spread, **options)
        except ModelError:
            pass
    return frame, cut_model(model, _noise(frame, like), spread=quality.spread, **options)


def enlarged(frame: Preprocessing, times: float) -> Preprocessing:
    """Enlarge a frame to sides that are multiples of 32.

    Example:
        >>> enlarged(Preprocessing(), 9 / 7).height
        288
    """
    if times == 1:
        return frame
    height, width = (max(round(side * times / _STEP) * _STEP, side) for side in (frame.height, frame.width))
    return replace(frame, height=height, width=width)


def _noise(frame: Preprocessing, like: Tensor) -> Tensor:
    """Noise of the input's shape, the same every time: it finds layers, and says nothing about them."""
    noise = torch.randn(1, len(frame.mean), frame.height, frame.width, generator=torch.Generator().manual_seed(0))
    return noise.to(like)
