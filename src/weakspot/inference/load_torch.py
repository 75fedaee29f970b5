"""Load a classifier in PyTorch for a quality preset: output stride, input size, target layers and thresholds."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from weakspot.cams import find_method
from weakspot.config import DEFAULT_METHOD
from weakspot.data import Preprocessing
from weakspot.errors import InputError, ModelError, check_positive
from weakspot.inference.backends import LoadedModel
from weakspot.inference.backends.base import ClassThresholds
from weakspot.inference.backends.onnx_cache import select_backend
from weakspot.inference.backends.torch import TorchBackend
from weakspot.inference.class_names import choose_class_names, read_class_names
from weakspot.inference.options import LocalizerOptions
from weakspot.inference.quality import DEFAULT_QUALITY, Quality, find_quality
from weakspot.models import Classifier, SplitClassifier, check_method, split_model
from weakspot.models.checkpoint import resolve_model
from weakspot.models.run_files import is_run
from weakspot.models.two_class_logits import TwoClassLogits

# Enlarged input sizes are multiples of this: all strides divide it.
_MULTIPLE = 32


def load_torch_model(model: str | Path | nn.Module, options: LocalizerOptions) -> LoadedModel:
    """Load a classifier for a method and a quality preset; options take precedence over the model's metadata."""
    _check_options(options)
    classifier = load_for_quality(
        model, options.quality, device=options.device, weights=options.weights, output_stride=options.output_stride
    )
    info = classifier.info
    method_name = options.method or info.method or DEFAULT_METHOD
    method = find_method(method_name)
    # A regressed box does not depend on the quality.
    quality = (options.quality or info.quality or DEFAULT_QUALITY) if method.can_propagate else "plain"
    preset = find_quality(quality)
    is_name = not isinstance(model, nn.Module) and not info.method
    preprocessing, split = _split(classifier, preset, options, enlarge=options.input_size is None and is_name)
    multi_label = info.multi_label if options.multi_label is None else options.multi_label
    if split.num_classes == 1 and not info.method:
        multi_label = multi_label or (
            options.class_names is not None and len(read_class_names(options.class_names)) == 1
        )
        split = split if multi_label else _as_two_classes(split, preprocessing, preset)
    class_names = choose_class_names(options.class_names, info.class_names, split.num_classes)
    check_method(split, method)
    tuned = _is_tuned_for(classifier, method_name, quality)
    class_thresholds = ClassThresholds.of(info) if tuned else None
    device, dtype = _device_and_dtype(classifier.module)
    torch_backend = TorchBackend(split, preprocessing, device, dtype, class_thresholds)
    default_threshold = torch_backend.default_threshold(method_name)
    # The owner of a module may change its weights, and random weights are never the same again.
    weights_frozen = not isinstance(model, nn.Module) and options.weights is not None
    backend, may_export = select_backend(torch_backend, options.backend, weights_frozen=weights_frozen)
    return LoadedModel(
        backend,
        replace(
            info,
            class_names=class_names,
            preprocessing=preprocessing,
            multi_label=multi_label,
            method=method_name,
            quality=quality,
            threshold=(info.threshold if tuned else None) or default_threshold,
            calibration=info.calibration if tuned else (),
            presence=info.presence if tuned and not multi_label else None,
            zooms=info.zooms if tuned else 0,
        ),
        default_threshold,
        is_box_regressor=not method.can_propagate,
        may_export=may_export,
    )


def _check_options(options: LocalizerOptions) -> None:
    """Check what can be checked before anything is loaded."""
    if options.method is not None:
        find_method(options.method)
    if options.quality is not None:
        find_quality(options.quality)
    if options.channels is not None:
        check_positive(options.channels, "channels")


def _split(
    classifier: Classifier, preset: Quality, options: LocalizerOptions, *, enlarge: bool
) -> tuple[Preprocessing, SplitClassifier]:
    return split_for_quality(
        classifier.module,
        classifier.info.preprocessing.changed(mean=options.mean, std=options.std, input_size=options.input_size),
        preset,
        enlarge=enlarge,
        layers=options.layer or (),
        channels=options.channels,
        foreground=classifier.foreground,
    )


def _has_one_name(options: LocalizerOptions) -> bool:
    return options.class_names is not None and len(read_class_names(options.class_names)) == 1


def _as_two_classes(split: SplitClassifier, preprocessing: Preprocessing, preset: Quality) -> SplitClassifier:
    """Split a classifier with one logit again, as one with two classes."""
    model = TwoClassLogits(split.model)
    layers = [model.prefix + layer.name for layer in split.layers]
    example = _noise(model, preprocessing)
    return split_model(model, example, layers=layers, channels=split.channels, propagate=preset.propagate)


def _device_and_dtype(module: nn.Module) -> tuple[torch.device, torch.dtype]:
    floating = (parameter for parameter in module.parameters() if parameter.is_floating_point())
    parameter = next(floating, torch.empty(0))
    return parameter.device, parameter.dtype


def _is_tuned_for(classifier: Classifier, method: str, quality: str) -> bool:
    """Return whether the thresholds of a run apply: with a foreground head, all qualities but plain are the same."""
    qualities = {classifier.info.quality, quality}
    same_maps = len(qualities) == 1 or (classifier.foreground is not None and "plain" not in qualities)
    return classifier.info.method == method and same_maps


def load_for_quality(
    model: str | Path | nn.Module, quality: str | None, *, output_stride: int | None, **options: Any
) -> Classifier:
    """Load a classifier with the output stride of a quality preset, if the model supports it and the user chose none.

    Runs and modules keep their own stride.
    """
    preset_stride = find_quality(quality or DEFAULT_QUALITY).output_stride
    is_name = isinstance(model, str | Path) and not is_run(model)
    if is_name and output_stride is None and preset_stride is not None:
        try:
            return resolve_model(model, output_stride=preset_stride, **options)
        except InputError:  # the model does not support the stride; any other error is raised again below
            pass
    return resolve_model(model, output_stride=output_stride, **options)


def split_for_quality(
    model: nn.Module, preprocessing: Preprocessing, quality: Quality, *, enlarge: bool, **options: Any
) -> tuple[Preprocessing, SplitClassifier]:
    """Split a classifier at its target layers, at the input size of a quality preset if the model supports it.

    With ``enlarge``, the input size may be larger than the training size; a model with a fixed input size (most
    transformers) keeps it.

    Source:
        Touvron et al., "Fixing the train-test resolution discrepancy", NeurIPS 2019: a classifier is most accurate at
        about 1.3 times its training size.
    """
    larger = scale_input_size(preprocessing, quality.resolution_scale) if enlarge else preprocessing
    if larger != preprocessing:
        try:
            return larger, split_model(model, _noise(model, larger), propagate=quality.propagate, **options)
        except ModelError:
            pass
    return preprocessing, split_model(model, _noise(model, preprocessing), propagate=quality.propagate, **options)


def scale_input_size(preprocessing: Preprocessing, scale: float) -> Preprocessing:
    """Scale an input size, rounded to multiples of 32.

    Example:
        >>> scale_input_size(Preprocessing(), 9 / 7).height
        288
    """
    if scale == 1:
        return preprocessing
    height, width = (
        max(round(side * scale / _MULTIPLE) * _MULTIPLE, side) for side in (preprocessing.height, preprocessing.width)
    )
    return replace(preprocessing, height=height, width=width)


def _noise(model: nn.Module, preprocessing: Preprocessing) -> torch.Tensor:
    """Return the same noise of the input's shape every time, for finding layers."""
    shape = (1, len(preprocessing.mean), preprocessing.height, preprocessing.width)
    return torch.randn(shape, generator=torch.Generator().manual_seed(0)).to(*_device_and_dtype(model))
