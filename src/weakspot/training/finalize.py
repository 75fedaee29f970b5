"""Finish a run: fit the foreground head, choose thresholds, and write the model and the learning curves."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from weakspot.data import Sample
from weakspot.data.annotation_kinds import is_located
from weakspot.errors import InputError
from weakspot.inference.localizer import Localizer
from weakspot.inference.quality import find_quality
from weakspot.inference.wide_boxes import WideBoxes
from weakspot.io.atomic import atomic_write
from weakspot.io.folders import CURVES, DATA, METRICS, STATE
from weakspot.io.rows import write_rows
from weakspot.models.checkpoint import CheckpointMetadata, read_metadata, write_checkpoint
from weakspot.models.foreground_head import ForegroundHead
from weakspot.models.model_info import ModelInfo
from weakspot.models.networks.cam import CamHead
from weakspot.models.run_files import MODEL_FILE
from weakspot.training.box_areas import typical_areas
from weakspot.training.calibration import MIN_BOXES, calibrate_run
from weakspot.training.foreground import fit_run_foreground
from weakspot.training.labels import MIN_ANNOTATED
from weakspot.training.lightning_module import EpochMetrics, WsolModule
from weakspot.training.options import TrainOptions
from weakspot.training.positions import fit_run_positions
from weakspot.training.presence import fit_run_presence
from weakspot.training.setup import TrainingSetup
from weakspot.training.teach import describe_taught, teach_held_run
from weakspot.training.thresholds import choose_thresholds, choose_zooms
from weakspot.training.validation_images import write_validation
from weakspot.training.wide_boxes import count_wide_boxes
from weakspot.visualization import COLORS, chart_to_svg, new_chart

logger = logging.getLogger(__name__)

_CURVES = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "val_accuracy": "validation accuracy",
    "val_f1": "validation F1",
    "val_iou": "validation IoU",
}
_SCORES = ("val_accuracy", "val_f1", "val_iou")


def finalize(setup: TrainingSetup, module: WsolModule, folder: Path, options: TrainOptions) -> CheckpointMetadata:
    """Fit the heads, choose thresholds, and write curves and model.

    Args:
        setup: What was trained.
        module: The module with the weights of the best epoch.
        folder: The run folder; its saved state and the record of its images are removed.
        options: The quality for which thresholds are chosen, the seed of the heads, and from what they learn.
    """
    data, built = setup.data, setup.built
    module.eval()
    if isinstance(built.network.head, CamHead) and not built.config.multi_label:
        built.network.head.center()
    localizer = _localizer(setup, options.quality)
    propagate = find_quality(localizer.quality).propagate
    foreground = _fit_heads(setup, localizer, options) if propagate else None
    samples = data.validation.samples or data.training.samples
    logger.info("Choosing the threshold on %d heatmaps.", len(samples))
    has_positions = foreground is not None and foreground.positions is not None
    thresholds = (choose_zooms if has_positions else choose_thresholds)(localizer, data.dataset, samples)
    info = ModelInfo(
        data.labels.class_names,
        built.preprocessing,
        method=setup.method.class_map_method,
        quality=localizer.quality,
        threshold=thresholds.value,
        class_thresholds=thresholds.per_class if propagate else (),  # quality plain keeps the maps as published
        multi_label=built.config.multi_label,
        background_index=data.labels.background_index,
        typical_areas=typical_areas((*data.training.samples, *data.validation.samples), data.labels.class_names),
        zooms=localizer.config.info.zooms,
    )
    if has_positions:
        presence = fit_run_presence(localizer.torch_backend, info, data.validation.samples, data.labels)
        info = replace(info, presence=presence)
    metadata = CheckpointMetadata(built.config, info, thresholds.source)
    write_rows(folder / METRICS, module.history)
    with atomic_write(folder / CURVES) as file:
        file.write(learning_curves(module.history))
    write_checkpoint(folder / MODEL_FILE, built.network.state_dict(), metadata, foreground)
    write_validation(folder, data.validation.samples)
    held_out: Sequence[Sample] = data.validation.samples
    if foreground is not None and foreground.positions is None and options.learn_from == "all":
        held_out = _learn_from_boxes(folder, data.training.samples, held_out, seed=options.seed)
        metadata = read_metadata(folder)
    wide = WideBoxes()
    calibrate_run(folder, held_out, on_localization=wide.add)
    if not wide.boxes:  # too few images have boxes
        wide = count_wide_boxes(folder, samples)
    for name in (STATE, f".{STATE}", DATA):  # needed to resume only; the second one is left if saving was killed
        (folder / name).unlink(missing_ok=True)
    for note in wide.notes():
        logger.info(note)
    logger.info("%s; threshold %.2f: %s", _best_epoch(module), metadata.info.threshold, metadata.threshold_from)
    return metadata


def _fit_heads(setup: TrainingSetup, localizer: Localizer, options: TrainOptions) -> ForegroundHead | None:
    """Fit a foreground head to the training images, and a position head if the method has one; the localizer gets them.

    None without intermediate features, or if no map has an object.
    """
    data = setup.data
    logger.info("Fitting the foreground head on the training images.")
    foreground = fit_run_foreground(localizer, data.training.samples, data.labels, seed=options.seed)
    localizer.set_foreground_head(foreground)
    if setup.method.head != "mil":
        return foreground
    if foreground is None:
        logger.warning("No map has an object, so no position head is fitted: the maps are those of cam.")
        return None
    logger.info("Fitting the position head on the training images.")
    use_boxes = options.learn_from == "all"
    foreground.positions = fit_run_positions(
        localizer, data.training.samples, data.labels, seed=options.seed, use_boxes=use_boxes
    )
    localizer.set_foreground_head(foreground)
    return foreground


def _learn_from_boxes(
    folder: Path, training: Sequence[Sample], validation: Sequence[Sample], *, seed: int
) -> list[Sample]:
    """Teach the run with the boxes of the training images, and with validation images that need not be held out.

    Returns:
        The validation images that did not teach it.
    """
    held_out = _held_out(training, validation, seed)
    paths = {sample.path for sample in held_out}
    teaching = [*training, *(sample for sample in validation if sample.path not in paths)]
    if sum(map(_is_located, teaching)) < MIN_ANNOTATED:
        return list(validation)
    logger.info("Teaching a head with boxes.")
    try:
        result = teach_held_run(folder, teaching, seed=seed)
    except InputError as error:  # too few boxes of the classes, or a backbone without intermediate features
        logger.info("%s The run learns from labels alone.", error.problem)
        return list(validation)
    logger.info("%s", describe_taught(result))
    return held_out


def _held_out(training: Sequence[Sample], validation: Sequence[Sample], seed: int) -> list[Sample]:
    """Return the validation images with boxes on which the uncertainty of boxes is calibrated.

    These are all if the training images have boxes, and as few as are needed, at random, if they have none; none if
    that would leave fewer to teach.
    """
    located = [sample for sample in validation if _is_located(sample)]
    if sum(map(_is_located, training)) >= MIN_ANNOTATED:
        return located if len(located) >= MIN_BOXES else []
    chosen = np.random.default_rng(seed).permutation(len(located))[:MIN_BOXES]
    return [located[i] for i in sorted(chosen)] if len(located) >= 2 * MIN_BOXES else []


def _is_located(sample: Sample) -> bool:
    return any(map(is_located, sample.objects))


def _localizer(setup: TrainingSetup, quality: str) -> Localizer:
    preprocessing = setup.built.preprocessing
    return Localizer(
        setup.built.network.to(setup.device),
        method=setup.method.class_map_method,
        class_names=setup.data.labels.class_names,
        mean=preprocessing.mean,
        std=preprocessing.std,
        input_size=(preprocessing.height, preprocessing.width),
        quality=quality,
    )


def _best_epoch(module: WsolModule) -> str:
    """Describe the epoch whose weights are kept, with its validation score."""
    best = min(module.history, key=lambda row: row.get("val_loss", -row["epoch"]))
    name = module.score_name
    score = f", validation {name.removeprefix('val_')} {best[name]:.3f}" if "val_loss" in best else ""
    return f"Best epoch: {best['epoch']}{score}"


def learning_curves(history: Sequence[EpochMetrics]) -> bytes:
    """Plot losses and validation score against epochs as SVG, with a line at the best epoch."""
    figure, axes = new_chart("epoch", "loss")
    score_axes = axes.twinx()
    score_axes.set(ylim=(0, 1), ylabel="fraction of validation images")
    score_axes.spines[["top"]].set_visible(False)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    for key, name in _CURVES.items():
        color = COLORS[2 if key in _SCORES else list(_CURVES).index(key)]
        points = [(row["epoch"], row[key]) for row in history if key in row]
        if points:
            (score_axes if key in _SCORES else axes).plot(*zip(*points, strict=True), color=color, marker=".")
            axes.plot([], [], color=color, marker=".", label=name)
    validated = [row for row in history if "val_loss" in row]
    if validated:
        best = min(validated, key=lambda row: row["val_loss"])
        axes.axvline(best["epoch"], color="black", linewidth=0.8, linestyle=":", label=f"best: epoch {best['epoch']}")
    axes.set_ylim(bottom=0)
    return chart_to_svg(figure, axes, legend_x=1.15)
