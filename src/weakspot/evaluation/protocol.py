"""Evaluate and compare: a data set and what finds boxes in, figures out."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any

from torch import nn

from weakspot.cams import find_method
from weakspot.data import Dataset
from weakspot.errors import InputError
from weakspot.evaluation.aggregate import OnOutcome
from weakspot.evaluation.config import EvaluationConfig, split_kwargs
from weakspot.evaluation.eval_set import EvaluationSet, load_evaluation_set, measure_on
from weakspot.evaluation.external_boxes import outcomes_of_boxes, read_boxes
from weakspot.evaluation.external_maps import refuse_unusable_maps
from weakspot.evaluation.map_scores import Regions, baselines
from weakspot.evaluation.predictions import Prediction, predictions_of_maps, predictions_of_model
from weakspot.evaluation.results import Evaluation, MethodResult
from weakspot.evaluation.samples import EvaluationSample, refuse
from weakspot.inference.localizer import Localizer

Model = str | Path | nn.Module | Localizer

# Those that need one forward pass and no more.
METHODS = ("cam", "gradcam", "gradcam++", "layercam", "xgradcam", "hirescam", "eigencam")
_FOR_FILES = 0.2  # the threshold of maps from files where there is no validation split


def evaluate(
    model: Model,
    data: str | Path | Dataset,
    *,
    method: str | None = None,
    setting: EvaluationConfig = EvaluationConfig(),
    on_outcome: OnOutcome | None = None,
    **options: Any,
) -> Evaluation:
    """Measure how well a classifier's maps localize, by the field's protocol.

    Args:
        model: A Localizer, or what it takes.
        data: Folder of the data set, in any of the layouts that :func:`weakspot.data.read_dataset` reads.
        method: Name of the method, unless ``model`` is a Localizer.
        setting: How to evaluate.
        on_outcome: Called with each scored image and the fixed thresholds.
        options: Fields of :class:`EvaluationConfig`, and what Localizer takes. ``boxes`` is the file of the true boxes.

    Returns:
        Figures with both thresholds and intervals, beside the two baselines.

    Raises:
        InputError: If the data set cannot be scored, or its classes are not the model's.
        ModelError: If the model cannot be used.
    """
    setting, others = split_kwargs(setting, options)
    localizer = _localizer(model, others if isinstance(model, Localizer) else {"method": method, **others})
    ground = load_evaluation_set(data, setting, localizer)
    _adapt(localizer, ground)
    return _of_localizer(ground, localizer, {localizer.method: localizer.method}, baselines(), on_outcome, groups=True)


def compare(
    models: Sequence[Model],
    data: str | Path | Dataset,
    *,
    methods: Sequence[str] | None = None,
    qualities: Sequence[str | None] = (None,),
    output_strides: Sequence[int | None] = (None,),
    setting: EvaluationConfig = EvaluationConfig(),
    on_outcome: OnOutcome | None = None,
    **options: Any,
) -> Evaluation:
    """Measure several methods, strides and classifiers side by side: one forward pass an image for all methods.

    Args:
        models: Localizers, or what they take.
        data: As for :func:`evaluate`.
        methods: Names of the methods; those that do not fit a classifier are left out, which is noted. None takes all
            that need one forward pass, and that which a run was trained for; where there are several qualities, only
            the latter, or ``"gradcam"``.
        qualities: Names of the qualities; None is the model's own.
        output_strides: Of models given by name; None is the model's own.
        setting: How to evaluate.
        on_outcome: As for :func:`evaluate`.
        options: Fields of :class:`EvaluationConfig`, and what Localizer takes.

    Returns:
        A row for each, the best GT-known Loc at the fixed threshold first, then the two baselines, whose Top-1 and
        Top-5 Loc are with the first classifier's predictions. Several qualities are also measured by size of object.

    Raises:
        InputError: As :func:`evaluate`; or if no method fits.
        ModelError: If a model cannot be used.
    """
    setting, others = split_kwargs(setting, options)
    found: list[Evaluation] = []
    names = _names_of(models)
    for number, model in enumerate(models):
        for quality, stride in product(qualities, output_strides):
            chosen = {name: value for name, value in (("quality", quality), ("output_stride", stride)) if value}
            localizer = _localizer(model, {**others, **chosen})
            before = f"{names[number]}, " if len(models) > 1 else ""
            after = "".join((f", {quality}" if len(qualities) > 1 else "", f", stride {stride}" if stride else ""))
            every = METHODS if len(qualities) == 1 else ()
            own = dict.fromkeys((localizer.method, *every)) if methods is None else methods
            renamed, notes = _fitting(localizer, {f"{before}{method}{after}": method for method in own})
            ground = load_evaluation_set(data, setting, localizer)
            _adapt(localizer, ground)
            base, by_size = {} if found else baselines(), len(qualities) > 1
            one = _of_localizer(ground, localizer, renamed, base, on_outcome, groups=by_size)
            found.append(replace(one, notes=(*one.notes, *notes)))
    return _together(found)


def evaluate_maps(
    folder: str | Path,
    data: str | Path | Dataset,
    *,
    setting: EvaluationConfig = EvaluationConfig(),
    on_outcome: OnOutcome | None = None,
) -> Evaluation:
    """Measure score maps that somebody else's code has written, as :func:`evaluate` does a classifier's.

    Args:
        folder: Of ``.npy`` files, one of each image, 224 x 224 in [0, 1], named as its id.
        data: As for :func:`evaluate`.
        setting: How to evaluate.
        on_outcome: As for :func:`evaluate`.

    Raises:
        InputError: If the data set cannot be scored, or maps are missing or no score maps.
    """
    ground, name, base = load_evaluation_set(data, setting), Path(folder).name or str(folder), baselines()
    refuse_unusable_maps(Path(folder), [*ground.cases, *ground.validation])

    def outcomes_of(cases: Sequence[EvaluationSample]) -> Iterator[Prediction]:
        return predictions_of_maps(Path(folder), cases, name, base, workers=setting.workers)

    return measure_on(ground, outcomes_of, (name, *base), {name: _FOR_FILES}, on_outcome, groups=True)


def evaluate_boxes(
    file: str | Path,
    data: str | Path | Dataset,
    *,
    setting: EvaluationConfig = EvaluationConfig(),
    on_outcome: OnOutcome | None = None,
) -> Evaluation:
    """Measure boxes that somebody else's code has found; the one with the highest score stands for its image.

    Args:
        file: COCO results, CSV, or the rows of ``weakspot localize``; see :func:`weakspot.evaluation.read_boxes`.
        data: As for :func:`evaluate`.
        setting: How to evaluate; boxes have no threshold.
        on_outcome: As for :func:`evaluate`.

    Raises:
        InputError: If the data set cannot be scored, or the boxes are not of its images.
    """
    ground, name, base = load_evaluation_set(data, setting), Path(file).name, baselines()
    truth, images = (None if path is None else Path(path) for path in (setting.boxes, setting.images))
    found = read_boxes(Path(file), ground.dataset, truth, images)
    refuse(
        [] if any(len(found.of(case)) for case in ground.cases) else [case.example.image_id for case in ground.cases],
        f"images of the split {setting.split!r} have no box in {file}, which is all of them",
        "Name the split that the boxes were found in with --test-split.",
    )

    def outcomes_of(cases: Sequence[EvaluationSample]) -> Iterator[Prediction]:
        return outcomes_of_boxes(found, cases, name, base)

    measured = measure_on(ground, outcomes_of, (name, *base), {name: 1.0}, on_outcome, groups=True)
    without = sum(not len(found.of(case)) for case in ground.cases)
    note = f"{without} images have no found box and count as wrong."
    return replace(measured, notes=(*measured.notes, note)) if without else measured


def _adapt(localizer: Localizer, ground: EvaluationSet) -> None:
    """Let a model learn from the validation photos, without their labels, what foreground looks like, if it shall."""
    if localizer.adapts:
        localizer.adapt(case.example.path for case in ground.validation)


def _localizer(model: Model, options: Mapping[str, Any]) -> Localizer:
    if not isinstance(model, Localizer):
        return Localizer(model, **options)
    if options:
        raise InputError(f"A Localizer has its own {next(iter(options))}.", "Make it with that, or give the model.")
    return model


def _names_of(models: Sequence[Model]) -> list[str]:
    """The models' names; those without one, or with that of another, are numbered."""
    return [
        str(model) if isinstance(model, str | Path) and models.count(model) == 1 else f"model {number}"
        for number, model in enumerate(models, start=1)
    ]


def _fitting(localizer: Localizer, renamed: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """Those methods that fit a classifier, by the name of their row, and a note on each that does not."""
    refused = {name: problem for name, method in renamed.items() if (problem := _refusal(localizer, method))}
    if len(refused) == len(renamed):
        raise InputError("None of the methods fits the model.", next(iter(refused.values()), "Name some."))
    notes = [f"{name} is left out: {problem}" for name, problem in refused.items()]
    return {name: method for name, method in renamed.items() if name not in refused}, notes


def _refusal(localizer: Localizer, method: str) -> str:
    """Why a method does not fit; empty if it does."""
    find_method(method)
    try:
        localizer.check(method)
    except InputError as error:
        return error.problem
    return ""


def _of_localizer(
    ground: EvaluationSet,
    localizer: Localizer,
    renamed: Mapping[str, str],
    base: Mapping[str, Regions],
    on_outcome: OnOutcome | None,
    *,
    groups: bool = False,
) -> Evaluation:
    """Measure a classifier's maps, the methods by the names of their rows."""

    def outcomes_of(cases: Sequence[EvaluationSample]) -> Iterator[Prediction]:
        setting = ground.setting
        return predictions_of_model(
            localizer, cases, renamed, base, batch_size=setting.batch_size, workers=setting.workers
        )

    defaults = {name: localizer.threshold_of(method) for name, method in renamed.items()}
    return measure_on(ground, outcomes_of, (*renamed, *base), defaults, on_outcome, groups=groups)


def _together(found: Sequence[Evaluation]) -> Evaluation:
    """Put the rows of several evaluations into one, the best first, the baselines last."""
    rows = {name: row for one in found for name, row in one.rows.items()}
    base = baselines()
    ranked = sorted((name for name in rows if name not in base), key=lambda name: _rank(rows[name]))
    notes = dict.fromkeys(note for one in found for note in one.notes)
    return replace(found[0], rows={name: rows[name] for name in (*ranked, *base)}, notes=tuple(notes))


def _rank(row: MethodResult) -> tuple[float, ...]:
    """By GT-known Loc at the fixed threshold, the oracle's where none was fixed; by PxAP where only masks are."""
    figure = row.figures.get("GT-known Loc") or row.figures["PxAP"]
    return (-figure.oracle,) if figure.fixed != figure.fixed else (-figure.fixed, -figure.oracle)
