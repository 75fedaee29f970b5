"""Evaluate and compare models, score maps and predicted boxes on a data set."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from math import isnan
from pathlib import Path
from typing import Any

from torch import nn

from weakspot.cams import find_method
from weakspot.data import Dataset
from weakspot.errors import InputError
from weakspot.evaluation.aggregate import OnPrediction
from weakspot.evaluation.config import EvaluationConfig, split_kwargs
from weakspot.evaluation.eval_set import evaluate_set, load_evaluation_set, without_unmapped_normals
from weakspot.evaluation.external_boxes import predictions_of_boxes, read_boxes
from weakspot.evaluation.external_maps import check_maps
from weakspot.evaluation.image_scores import describe_image_score
from weakspot.evaluation.map_scores import Regions, baselines
from weakspot.evaluation.normal_images import normals_of_boxes, normals_of_maps, normals_of_model
from weakspot.evaluation.predictions import Prediction, predictions_of_maps, predictions_of_model
from weakspot.evaluation.results import Evaluation, MethodResult
from weakspot.evaluation.samples import EvaluationSample, raise_if_any
from weakspot.inference.localizer import Localizer

Model = str | Path | nn.Module | Localizer

# The methods that need a single forward pass.
METHODS = ("cam", "gradcam", "gradcam++", "layercam", "xgradcam", "hirescam", "eigencam")
_DEFAULT_MAP_THRESHOLD = 0.2  # threshold of maps from files without a validation split


def evaluate(
    model: Model,
    data: str | Path | Dataset,
    *,
    method: str | None = None,
    config: EvaluationConfig = EvaluationConfig(),
    on_prediction: OnPrediction | None = None,
    **options: Any,
) -> Evaluation:
    """Measure how well a classifier's maps localize objects, by the WSOL protocol (Choe et al., 2020).

    Args:
        model: A Localizer, or a model that Localizer accepts.
        data: Folder of the data set, in any layout that :func:`weakspot.data.read_dataset` reads.
        method: Name of the method, unless ``model`` is a Localizer.
        config: Splits, thresholds and bootstrap.
        on_prediction: Called with each scored prediction and the fixed threshold indices.
        options: Fields of :class:`EvaluationConfig`, and options of Localizer. ``boxes`` is the ground-truth file.

    Returns:
        Metrics at both thresholds with confidence intervals, and those of the two baselines.

    Raises:
        InputError: If the data set cannot be scored, or its classes are not those of the model.
        ModelError: If the model cannot be used.
    """
    config, others = split_kwargs(config, options)
    localizer = _localizer(model, others if isinstance(model, Localizer) else {"method": method, **others})
    methods = {localizer.method: localizer.method}
    return _evaluate_methods(localizer, data, config, methods, baselines(), on_prediction, groups=True)


def compare(
    models: Sequence[Model],
    data: str | Path | Dataset,
    *,
    methods: Sequence[str] | None = None,
    qualities: Sequence[str | None] = (None,),
    output_strides: Sequence[int | None] = (None,),
    config: EvaluationConfig = EvaluationConfig(),
    on_prediction: OnPrediction | None = None,
    **options: Any,
) -> Evaluation:
    """Measure several methods, strides and classifiers, with one forward pass per image for all methods.

    Args:
        models: Localizers, or models that Localizer accepts.
        data: As for :func:`evaluate`.
        methods: Names of the methods; those that a classifier does not support are skipped with a note. Default: all
            methods that need a single forward pass, and the one a run was trained for; with several qualities only the
            latter, or ``"gradcam"``.
        qualities: Names of the quality presets; None is the default of the model.
        output_strides: Output strides of models that are given by name; None is the default of the model.
        config: Splits, thresholds and bootstrap.
        on_prediction: As for :func:`evaluate`.
        options: Fields of :class:`EvaluationConfig`, and options of Localizer.

    Returns:
        A row for each combination, ordered by GT-known Loc at the fixed threshold, then the two baselines, whose Top-1
        and Top-5 Loc use the predictions of the first classifier. With several qualities, also metrics by object size.

    Raises:
        InputError: As :func:`evaluate`; ``method-mismatch`` if a classifier supports none of the methods.
        ModelError: If a model cannot be used.
    """
    config, others = split_kwargs(config, options)
    evaluations: list[Evaluation] = []
    several_qualities = len(qualities) > 1
    for name, model in zip(_model_names(models), models, strict=True):
        for quality, stride in product(qualities, output_strides):
            presets = {key: value for key, value in (("quality", quality), ("output_stride", stride)) if value}
            localizer = _localizer(model, {**others, **presets})
            prefix = f"{name}, " if len(models) > 1 else ""
            suffix = (f", {quality}" if several_qualities else "") + (f", stride {stride}" if stride else "")
            defaults = dict.fromkeys((localizer.method, *(() if several_qualities else METHODS)))
            rows = {f"{prefix}{method}{suffix}": method for method in (defaults if methods is None else methods)}
            supported, notes = _supported(localizer, rows)
            base = {} if evaluations else baselines()
            result = _evaluate_methods(
                localizer, data, config, supported, base, on_prediction, groups=several_qualities
            )
            evaluations.append(replace(result, notes=(*result.notes, *notes)))
    return _merge(evaluations)


def evaluate_maps(
    folder: str | Path,
    data: str | Path | Dataset,
    *,
    config: EvaluationConfig = EvaluationConfig(),
    on_prediction: OnPrediction | None = None,
) -> Evaluation:
    """Measure score maps of another tool, as :func:`evaluate` measures those of a classifier, with the same arguments.

    The folder has a ``.npy`` file per image, 224 x 224 in [0, 1], named after the image id.

    Raises:
        InputError: If the data set cannot be scored, or maps are missing or invalid.
    """
    folder, base = Path(folder), baselines()
    eval_set, name = load_evaluation_set(data, config), folder.name or str(folder)
    check_maps(folder, [*eval_set.samples, *eval_set.val_samples])
    eval_set = without_unmapped_normals(eval_set, folder)
    normals = normals_of_maps(folder, eval_set.normals, name, base)

    def predict(samples: Sequence[EvaluationSample]) -> Iterator[Prediction]:
        return predictions_of_maps(folder, samples, name, base, workers=config.workers)

    return evaluate_set(
        eval_set,
        predict,
        (name, *base),
        {name: _DEFAULT_MAP_THRESHOLD},
        on_prediction,
        groups=True,
        normals=normals,
        image_score="the peak of the map",
    )


def evaluate_boxes(
    file: str | Path,
    data: str | Path | Dataset,
    *,
    config: EvaluationConfig = EvaluationConfig(),
    on_prediction: OnPrediction | None = None,
) -> Evaluation:
    """Measure predicted boxes of another tool; the box with the highest score is the prediction of its image.

    Boxes of a class that an image does not have, and all boxes in an image without an object, are false positives in
    precision and F1; a note says how many there are and what the precision is without them. The other metrics are those
    of the classes that the image has.

    The file has COCO results, CSV, or the rows of ``weakspot localize``; see :func:`weakspot.evaluation.read_boxes`.
    The other arguments are those of :func:`evaluate`; boxes have no threshold.

    Raises:
        InputError: If the data set cannot be scored, or the boxes do not belong to its images.
    """
    eval_set, name, base = load_evaluation_set(data, config), Path(file).name, baselines()
    with_masks_only = [one.image.image_id for one in eval_set.samples if not any(len(a.boxes) for a in one.annotations)]
    raise_if_any(
        with_masks_only if len(with_masks_only) == len(eval_set.samples) else [],
        "missing-annotations",
        "images have masks, but no boxes that predicted ones could be compared with",
        "Add the boxes to the data set, or evaluate --score-maps.",
    )
    ground_truth, images = (None if path is None else Path(path) for path in (config.boxes, config.images))
    boxes = read_boxes(Path(file), eval_set.dataset, ground_truth, images)
    without = [sample.image.image_id for sample in eval_set.samples if not len(boxes.of(sample))]
    raise_if_any(
        without if len(without) == len(eval_set.samples) else [],
        "split-mismatch",
        f"images, all of the split {config.test_split!r}, have no box in {file}",
        "Name the split of the boxes with --test-split.",
    )

    def predict(samples: Sequence[EvaluationSample]) -> Iterator[Prediction]:
        return predictions_of_boxes(boxes, samples, name, base)

    normals = normals_of_boxes([boxes.count([image]) for image in eval_set.normals], name, base)
    result = evaluate_set(eval_set, predict, (name, *base), {name: 1.0}, on_prediction, groups=True, normals=normals)
    empty = [image for image in eval_set.dataset.of_split(result.split) if not image.objects]
    result = replace(result, rows={**result.rows, name: result.first.with_wrong_boxes(boxes.count(empty))})
    missing = f"{len(without)} images have no predicted box and count as wrong."
    masks = f"{len(with_masks_only)} images have masks, but no boxes, and count as wrong."
    notes = (*boxes.notes, *([missing] if without else []), *([masks] if with_masks_only else []))
    notes = (*notes, *_absent_note(result.first))
    return replace(result, notes=(*result.notes, *notes))


def _absent_note(row: MethodResult) -> list[str]:
    """Say how many boxes of a file are of classes that their images do not have, and what the precision is without."""
    if not row.absent:
        return []
    present = row.precision_of_present()
    without = "no box is left" if isnan(present) else f"the precision is {present:.1f} %"
    which = f"{row.absent} predicted boxes are of classes that their images do not have, and count as wrong"
    return [f"{which} in precision and F1; without them, {without}."]


def _evaluate_methods(
    localizer: Localizer,
    data: str | Path | Dataset,
    config: EvaluationConfig,
    methods: Mapping[str, str],
    base: Mapping[str, Regions],
    on_prediction: OnPrediction | None,
    *,
    groups: bool,
) -> Evaluation:
    """Measure the maps of a classifier, the methods by the names of their rows.

    If the quality preset adapts to images, the foreground head is first fitted to the validation images, without their
    labels.
    """
    eval_set, info = load_evaluation_set(data, config, localizer), localizer.config.info
    if localizer.needs_adaptation:
        localizer.adapt(sample.image.path for sample in eval_set.val_samples)
    sizes = {"batch_size": config.batch_size, "workers": config.workers}

    def predict(samples: Sequence[EvaluationSample]) -> Iterator[Prediction]:
        peaks = info.background_index is None and len(eval_set.normals) > 0 and samples is eval_set.samples
        return predictions_of_model(localizer, samples, methods, base, **sizes, with_peaks=peaks)

    defaults = {name: localizer.threshold_of(method) for name, method in methods.items()}
    return evaluate_set(
        eval_set,
        predict,
        (*methods, *base),
        defaults,
        on_prediction,
        groups=groups,
        normals=normals_of_model(localizer, eval_set.normals, methods, base, **sizes),
        image_score=describe_image_score(info),
    )


def _localizer(model: Model, options: Mapping[str, Any]) -> Localizer:
    if not isinstance(model, Localizer):
        return Localizer(model, **options)
    if options:
        name = next(iter(options))
        raise InputError("options-conflict", f"{name} must be passed to the Localizer itself.")
    return model


def _model_names(models: Sequence[Model]) -> list[str]:
    """Return the names of the models; those without a name, or with a repeated one, are numbered."""
    return [
        str(model) if isinstance(model, str | Path) and models.count(model) == 1 else f"model {number}"
        for number, model in enumerate(models, start=1)
    ]


def _supported(localizer: Localizer, methods: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Return the methods that a classifier supports, by the name of their row, and a note on each of the others."""
    problems = {}
    for name, method in methods.items():
        find_method(method)
        try:
            localizer.validate_method(method)
        except InputError as error:
            problems[name] = error.problem
    if len(problems) == len(methods):
        raise InputError(
            "method-mismatch", "The model supports none of the methods.", next(iter(problems.values()), "")
        )
    notes = [f"{name} was skipped: {problem}" for name, problem in problems.items()]
    return {name: method for name, method in methods.items() if name not in problems}, notes


def _merge(evaluations: Sequence[Evaluation]) -> Evaluation:
    """Merge the rows of several evaluations, the best first, the baselines last."""
    rows = {name: row for evaluation in evaluations for name, row in evaluation.rows.items()}
    base = baselines()
    ranked = sorted((name for name in rows if name not in base), key=lambda name: _sort_key(rows[name]))
    notes = dict.fromkeys(note for evaluation in evaluations for note in evaluation.notes)
    return replace(evaluations[0], rows={name: rows[name] for name in (*ranked, *base)}, notes=tuple(notes))


def _sort_key(row: MethodResult) -> tuple[float, ...]:
    """Sort by GT-known Loc at the fixed threshold, or the oracle threshold without one; by PxAP without boxes."""
    value = row.metrics.get("GT-known Loc") or row.metrics["PxAP"]
    return (-value.oracle,) if value.fixed != value.fixed else (-value.fixed, -value.oracle)
