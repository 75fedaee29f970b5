"""What a run leaves behind: the model with its threshold, and the learning curves."""

from pathlib import Path

from weakspot.inference.localizer import Localizer
from weakspot.inference.quality import find_quality
from weakspot.io.atomic import atomic_write
from weakspot.io.rows import write_rows
from weakspot.io.run_files import CURVES, METRICS, STATE
from weakspot.models.checkpoint import MODEL_FILE, CheckpointMetadata, write_checkpoint
from weakspot.models.model_info import ModelInfo
from weakspot.models.networks.cam import CamHead
from weakspot.training.curves import learning_curves
from weakspot.training.foreground import fit_run_foreground
from weakspot.training.lightning_module import WsolModule
from weakspot.training.progress import Say
from weakspot.training.setup import TrainingSetup
from weakspot.training.thresholds import choose_thresholds


def finalize(
    prepared: TrainingSetup, learner: WsolModule, folder: Path, say: Say, *, quality: str, seed: int
) -> CheckpointMetadata:
    """Learn the foreground, choose the threshold, and write curves and model; the model last, to stand for all of it.

    Args:
        prepared: What was trained, and on what.
        learner: With the weights that are kept.
        folder: The run folder; its saved state goes.
        say: Takes what a user should know.
        quality: Name of the quality to read maps in.
        seed: Of the foreground head.
    """
    grounds, built = prepared.grounds, prepared.built
    learner.eval()
    if isinstance(built.network.head, CamHead) and not built.config.multi_label:
        built.network.head.center()
    localizer = _localizer(prepared, quality)
    foreground, spread = None, find_quality(localizer.quality).propagate
    if spread:
        say("Learning what foreground looks like in the training images.")
        foreground = fit_run_foreground(localizer, grounds.training.readable, grounds.labels, seed=seed)
        localizer.set_foreground_head(foreground)
    images = grounds.validation.readable or grounds.training.readable
    say(f"Looking for the threshold on {len(images)} heatmaps.")
    cuts = choose_thresholds(localizer, grounds.dataset, images)
    info = ModelInfo(
        grounds.labels.class_names,
        built.preprocessing,
        method=prepared.recipe.class_map_method,
        quality=localizer.quality,
        threshold=cuts.value,
        class_thresholds=cuts.of_classes if spread else (),  # in quality plain maps stay as they were published
        multi_label=built.config.multi_label,
        background_index=grounds.labels.background,
    )
    trained = CheckpointMetadata(built.config, info, cuts.found_by)
    write_rows(folder / METRICS, learner.rows)
    with atomic_write(folder / CURVES) as file:
        file.write(learning_curves(learner.rows))
    write_checkpoint(folder / MODEL_FILE, built.network.state_dict(), trained, foreground)
    (folder / STATE).unlink(missing_ok=True)
    say(f"{_kept(learner)}; threshold {cuts.value:.2f}: {cuts.found_by}")
    return trained


def _localizer(prepared: TrainingSetup, quality: str) -> Localizer:
    frame = prepared.built.preprocessing
    return Localizer(
        prepared.built.network.to(prepared.device),
        method=prepared.recipe.class_map_method,
        class_names=prepared.grounds.labels.class_names,
        mean=frame.mean,
        std=frame.std,
        input_size=(frame.height, frame.width),
        quality=quality,
    )


def _kept(learner: WsolModule) -> str:
    """Which epoch's weights these are, and how well they tell classes apart."""
    best = min(learner.rows, key=lambda row: row.get("val_loss", -row["epoch"]))
    score = f", {learner.score_name.removeprefix('val_')} {best[learner.score_name]:.3f}" if "val_loss" in best else ""
    return f"epoch {best['epoch']} is kept{score}"
