"""A classifier made ready for a quality: how fine it sees, and where it is cut."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from weakspot.cams import find_method
from weakspot.config import DEFAULT_METHOD
from weakspot.data import Preprocessing
from weakspot.errors import InputError, ModelError
from weakspot.inference.backends import LoadedModel
from weakspot.inference.backends.onnx_cache import select_backend
from weakspot.inference.backends.torch import ClassThresholds, TorchBackend
from weakspot.inference.class_names import choose_class_names
from weakspot.inference.options import LocalizerOptions
from weakspot.inference.quality import DEFAULT_QUALITY, Quality, find_quality
from weakspot.models import Classifier, SplitClassifier, check_method, split_model
from weakspot.models.checkpoint import is_run, resolve_model

# Sides that all strides divide.
_STEP = 32


def load_torch_model(model: str | Path | nn.Module, options: LocalizerOptions) -> LoadedModel:
    """Load a classifier, and make it ready for a method and a quality.

    Args:
        model: As for :func:`weakspot.models.checkpoint.resolve_model`.
        options: What is known better than the model does.

    Raises:
        InputError: If an option is out of its range or does not fit the model.
        ModelError: If the model, its weights or its layer cannot be used.
    """
    _refuse_unknown(options)
    classifier = load_for_quality(
        model, options.quality, device=options.device, weights=options.weights, output_stride=options.output_stride
    )
    name = options.method or classifier.info.method or DEFAULT_METHOD
    method = find_method(name)
    # A drawn box is the same in all of them.
    quality = (options.quality or classifier.info.quality or DEFAULT_QUALITY) if method.can_propagate else "plain"
    looks = find_quality(quality)
    if classifier.foreground is not None:  # taught by a whole training set: it looks once
        looks = replace(looks, zooms=())
    given_by_name = not isinstance(model, nn.Module) and not classifier.info.method
    frame, cut = _cut(classifier, looks, options, enlarge=options.input_size is None and given_by_name)
    names = choose_class_names(options.class_names, classifier.info.class_names, cut.num_classes)
    check_method(cut, method)
    known = _reads_alike(classifier, name, quality)
    levels = _levels(classifier, name) if known and not looks.zooms else None
    in_torch = TorchBackend(cut, frame, _like(classifier.module), levels)
    default = in_torch.default_threshold(name)
    # A module's weights may be changed by its owner, and random ones will not come again.
    stays = not isinstance(model, nn.Module) and options.weights is not None
    backend, may_export = select_backend(in_torch, options.backend, stays=stays)
    threshold = (classifier.info.threshold if known else None) or default
    return LoadedModel(
        backend,
        name,
        quality,
        looks,
        threshold,
        default,
        names,
        classifier.info.multi_label,
        classifier.info.background_index,
        drawn=not method.can_propagate,
        may_export=may_export,
    )


def _refuse_unknown(options: LocalizerOptions) -> None:
    """Before anything is loaded."""
    if options.method is not None:
        find_method(options.method)
    if options.quality is not None:
        find_quality(options.quality)
    if options.channels is not None and options.channels < 1:
        raise InputError(f"channels={options.channels} asks for nothing.", "Give 1 or more.")


def _cut(
    classifier: Classifier, looks: Quality, options: LocalizerOptions, *, enlarge: bool
) -> tuple[Preprocessing, SplitClassifier]:
    return cut_for_quality(
        classifier.module,
        classifier.info.preprocessing.changed(mean=options.mean, std=options.std, input_size=options.input_size),
        looks,
        enlarge=enlarge,
        like=_like(classifier.module),
        layers=options.layer or (),
        channels=options.channels,
        foreground=classifier.foreground,
    )


def _like(module: nn.Module) -> Tensor:
    """A tensor of the type that a model's images have, on its device."""
    floating = (parameter for parameter in module.parameters() if parameter.is_floating_point())
    parameter = next(floating, torch.empty(0))
    return torch.empty(0, device=parameter.device, dtype=parameter.dtype)


def _reads_alike(classifier: Classifier, method: str, quality: str) -> bool:
    """Whether a run's thresholds were found for such maps: those of all qualities but plain are alike by its head."""
    qualities = {classifier.info.quality, quality}
    alike = len(qualities) == 1 or (classifier.foreground is not None and "plain" not in qualities)
    return classifier.info.method == method and alike


def _levels(classifier: Classifier, method: str) -> ClassThresholds | None:
    """What a run knows of its classes."""
    if not classifier.info.class_thresholds or classifier.info.threshold is None:
        return None
    return ClassThresholds(method, classifier.info.class_thresholds, classifier.info.threshold)


def load_for_quality(
    model: str | Path | nn.Module, quality: str | None, *, output_stride: int | None, **options: Any
) -> Classifier:
    """Load a classifier with the output stride of a quality, unless another is given, or the model cannot have it.

    Args:
        model: As for :func:`weakspot.models.checkpoint.resolve_model`; runs and modules keep the stride that they were
            trained with.
        quality: Name of the quality; None for the default.
        output_stride: What a user has chosen, or None.
        options: Further ones of :func:`weakspot.models.checkpoint.resolve_model`.

    Raises:
        InputError: As there.
        ModelError: As there.
    """
    wanted = find_quality(quality or DEFAULT_QUALITY).output_stride
    named = isinstance(model, str | Path) and not is_run(model)
    if named and output_stride is None and wanted is not None:
        try:
            return resolve_model(model, output_stride=wanted, **options)
        except InputError:  # the model cannot have it; whatever else is wrong shows again
            pass
    return resolve_model(model, output_stride=output_stride, **options)


def cut_for_quality(
    model: nn.Module, frame: Preprocessing, quality: Quality, *, enlarge: bool, like: Tensor, **options: Any
) -> tuple[Preprocessing, SplitClassifier]:
    """Find where to cut a classifier, and how large it may see its images.

    Args:
        model: The classifier.
        frame: What it was trained on.
        quality: What is wanted of it.
        enlarge: Whether it may see images larger than that.
        like: A tensor of its device and type.
        options: Further ones of :func:`weakspot.models.split_classifier`.

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
            return larger, split_model(model, _noise(larger, like), propagate=quality.spread, **options)
        except ModelError:
            pass
    return frame, split_model(model, _noise(frame, like), propagate=quality.spread, **options)


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
