"""Fit a prepared network with lightning's Trainer."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping
from torch.utils.data import DataLoader

from weakspot.errors import InputError
from weakspot.io.run_files import STATE
from weakspot.models.networks import Criterion
from weakspot.models.networks.losses import class_weights
from weakspot.models.networks.psol import BoxCriterion
from weakspot.training.checkpointing import IntervalCheckpoint
from weakspot.training.datamodule import WsolDataModule
from weakspot.training.dataset import ImageDataset
from weakspot.training.feature_cache import CachedFeatures, collect_features, compute_features, fits_in_memory
from weakspot.training.lightning_module import EpochMetrics, OptimizerConfig, WsolModule
from weakspot.training.loggers import make_loggers
from weakspot.training.options import TrainOptions
from weakspot.training.progress import Log, ProgressCallback, Say, quiet_lightning
from weakspot.training.sampler import EpochBatchSampler
from weakspot.training.setup import TrainingSetup


@dataclass(frozen=True)
class Fitting:
    """Where a fit writes to.

    Attributes:
        folder: Where states are saved and loggers write.
        say: Takes what a user should know.
        on_epoch: Called with the rows of all epochs when one more is done.
        goes_on: Whether it goes on from the saved state in the folder, if there is one.
    """

    folder: Path
    say: Log
    on_epoch: Callable[[list[EpochMetrics]], None]
    goes_on: bool = False


def fit(prepared: TrainingSetup, options: TrainOptions, fitting: Fitting) -> tuple[WsolModule, Trainer]:
    """Train, from the saved state of an interrupted run if there is one.

    Args:
        prepared: What is trained, and on what.
        options: How.
        fitting: Where it writes to.

    Returns:
        The learner, with the trained weights, and the trainer.

    Raises:
        InterruptionError: At Ctrl-C; the state is saved.
        KeyboardInterrupt: At the second Ctrl-C.
        InputError: If a logger, a strategy or a precision cannot be used.
    """
    network, state = prepared.built.network, fitting.folder / STATE
    network.to(prepared.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    saving, reporting = IntervalCheckpoint(state, options.save_every), ProgressCallback(fitting.say, prepared.epochs)
    with quiet_lightning():
        trainer = _trainer(prepared, options, fitting.folder, [saving, reporting])

        def epoch_done(rows: list[EpochMetrics]) -> None:
            if trainer.is_global_zero:
                fitting.on_epoch(rows)
                reporting.epoch_done(rows[-1])

        rule = _rule(prepared, options, trainer)
        learner = _learner(prepared, options, rule, epoch_done)
        loaders = _loaders(prepared, options, rule, fitting.say)
        begin = state if fitting.goes_on and state.exists() else None
        try:
            with saving.listening():
                trainer.fit(learner, loaders, ckpt_path=begin, weights_only=True)
        except SystemExit as end:  # that is what lightning makes of it
            raise KeyboardInterrupt from end
    network.load_state_dict({**network.state_dict(), **learner.best})
    return learner, trainer


def _rule(prepared: TrainingSetup, options: TrainOptions, trainer: Trainer) -> OptimizerConfig:
    steps = _steps(len(prepared.grounds.training.readable), trainer, options)
    return OptimizerConfig(
        prepared.recipe,
        prepared.frozen,
        prepared.lr,
        options.weight_decay,
        options.seed,
        steps * prepared.epochs,
        # A head that pools first is given means, unless attention is to be dropped before.
        pooled=prepared.frozen and prepared.built.network.head.pools_first and not prepared.recipe.adl,
    )


def _learner(
    prepared: TrainingSetup,
    options: TrainOptions,
    rule: OptimizerConfig,
    on_epoch: Callable[[list[EpochMetrics]], None],
) -> WsolModule:
    built, classes = prepared.built, len(prepared.grounds.labels.class_names)
    return WsolModule(built.network, _criterion(prepared, options), built.preprocessing, rule, classes, on_epoch)


def _trainer(prepared: TrainingSetup, options: TrainOptions, folder: Path, callbacks: list[Callback]) -> Trainer:
    if options.patience is not None and prepared.grounds.validation.readable:
        callbacks = [EarlyStopping("val_loss", patience=options.patience), *callbacks]
    device = prepared.device
    one = device.index is not None and options.devices == 1
    try:
        return Trainer(
            accelerator=device.type,
            devices=[device.index] if one else options.devices,
            num_nodes=options.nodes,
            strategy=options.strategy,
            precision=options.precision,  # type: ignore[arg-type]
            max_epochs=prepared.epochs,
            accumulate_grad_batches=options.accumulate_grad_batches,
            logger=make_loggers(options.logger or (), folder),
            callbacks=callbacks,
            default_root_dir=folder,
            enable_checkpointing=True,
            enable_progress_bar=False,
            enable_model_summary=False,
            use_distributed_sampler=False,
            num_sanity_val_steps=0,
            log_every_n_steps=1,
            deterministic=device.type == "cpu",
        )
    except (ValueError, MisconfigurationException) as error:
        reason = " ".join(str(error).split())
        raise InputError(
            f"lightning cannot train so: {reason}", "Change --devices, --strategy or --precision."
        ) from error


def _loaders(prepared: TrainingSetup, options: TrainOptions, rule: OptimizerConfig, say: Say) -> WsolDataModule:
    """EpochBatchSampler of feature maps if they can be computed once, else of images."""
    grounds, frame = prepared.grounds, prepared.built.preprocessing
    photos = [
        ImageDataset(one, targets, squashed, frame, options.seed)
        for one, targets, squashed in zip(
            (grounds.training, grounds.validation), prepared.targets, (grounds.squashed, frame), strict=True
        )
    ]
    sets: list[ImageDataset | CachedFeatures] = [*photos]
    once = prepared.frozen and not prepared.recipe.augmentation
    if once and fits_in_memory(prepared.built.network, frame, sum(map(len, sets)), pooled=rule.pooled):
        sets = [_features(one, prepared, options, rule.pooled) if len(one) else one for one in photos]
    elif once:
        say("The features are too many to be kept: the backbone runs in each epoch.")
    training, validation = sets
    return WsolDataModule(
        training,
        validation if len(validation) else None,
        batch_size=options.batch_size,
        seed=options.seed,
        workers=0 if all(one.in_memory for one in sets) else options.workers,
    )


def _features(photos: ImageDataset, prepared: TrainingSetup, options: TrainOptions, pooled: bool) -> CachedFeatures:
    batches = EpochBatchSampler(len(photos), options.batch_size, seed=None)
    loader = DataLoader(photos, batch_sampler=batches, num_workers=0 if photos.in_memory else options.workers)
    frame = prepared.built.preprocessing
    return collect_features(compute_features(prepared.built.network, loader, frame, pooled=pooled))


def _criterion(prepared: TrainingSetup, options: TrainOptions) -> Criterion:
    if prepared.teacher is not None:
        return BoxCriterion()
    labels, targets = prepared.grounds.labels, torch.from_numpy(prepared.targets[0])
    balanced = options.class_weights == "balanced"
    weights = class_weights(targets, multi_label=labels.multi_label) if balanced else None
    return Criterion(multi_label=labels.multi_label, weights=weights)


def _steps(images: int, trainer: Trainer, options: TrainOptions) -> int:
    """Steps of the optimizer in an epoch."""
    batches = len(EpochBatchSampler(images, options.batch_size, seed=options.seed, processes=trainer.world_size))
    return -(-batches // options.accumulate_grad_batches)
