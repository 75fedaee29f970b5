"""Fit a network with Lightning's Trainer."""

import logging
from collections.abc import Callable
from pathlib import Path
from traceback import walk_tb

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping
from lightning.pytorch.trainer.connectors import checkpoint_connector
from torch.utils.data import DataLoader

from weakspot.errors import InputError, WeakspotError
from weakspot.io.folders import STATE
from weakspot.models.networks import Criterion
from weakspot.models.networks.losses import class_weights
from weakspot.models.networks.psol import BoxCriterion
from weakspot.training.checkpointing import IntervalCheckpoint
from weakspot.training.datamodule import EpochBatchSampler, WsolDataModule
from weakspot.training.dataset import ImageDataset
from weakspot.training.feature_cache import CachedFeatures, collect_features, compute_features, fits_in_memory
from weakspot.training.lightning_module import EpochMetrics, OptimizerConfig, WsolModule
from weakspot.training.loggers import make_loggers
from weakspot.training.options import TrainOptions
from weakspot.training.progress import ProgressCallback, quiet_lightning
from weakspot.training.run_config import damaged_state
from weakspot.training.setup import TrainingSetup

logger = logging.getLogger(__name__)


def fit(
    setup: TrainingSetup,
    options: TrainOptions,
    folder: Path,
    *,
    on_epoch: Callable[[list[EpochMetrics]], None],
    resume: bool,
) -> tuple[WsolModule, Trainer]:
    """Train, or resume from the saved state of an interrupted run.

    Args:
        setup: What is trained, and on what.
        options: Options of the run.
        folder: Run folder, to which states and loggers are written.
        on_epoch: Called on rank 0 after each epoch with the metrics of all epochs.
        resume: Whether to resume from the saved state in the folder, if there is one.

    Returns:
        The module, with the weights of the best epoch, and the trainer.
    """
    network, state = setup.built.network, folder / STATE
    network.to(setup.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    checkpoint, progress = IntervalCheckpoint(state, options.save_every), ProgressCallback(setup.epochs)
    with quiet_lightning():
        trainer = _trainer(setup, options, folder, [checkpoint, progress])

        def report_epoch(history: list[EpochMetrics]) -> None:
            if trainer.is_global_zero:
                on_epoch(history)
                progress.report_epoch(history[-1])

        config = _optimizer_config(setup, options, trainer)
        module = _module(setup, options, config, report_epoch)
        datamodule = _datamodule(setup, options, config)
        ckpt_path = state if resume and state.exists() else None
        try:
            with checkpoint.handle_sigint():
                trainer.fit(module, datamodule, ckpt_path=ckpt_path, weights_only=True)
        except WeakspotError:
            raise
        except Exception as error:
            is_restoring = ckpt_path is not None and not checkpoint.has_started and trainer.world_size == 1
            if not (is_restoring and _is_of_state(error)):
                raise
            raise damaged_state(state) from error
        except SystemExit as exit_:  # Lightning turns a second Ctrl-C into this
            raise KeyboardInterrupt from exit_
    network.load_state_dict({**network.state_dict(), **module.best_weights})
    return module, trainer


def _is_of_state(error: Exception) -> bool:
    """Return whether Lightning raised an error, which may be any, because it cannot read or restore a saved state."""
    modules = {frame.f_globals.get("__name__") for frame, _ in walk_tb(error.__traceback__)}
    return checkpoint_connector.__name__ in modules and not isinstance(error, MemoryError | torch.OutOfMemoryError)


def _optimizer_config(setup: TrainingSetup, options: TrainOptions, trainer: Trainer) -> OptimizerConfig:
    steps = steps_per_epoch(len(setup.data.training.samples), options, world_size=trainer.world_size)
    return OptimizerConfig(
        setup.method,
        setup.frozen,
        setup.lr,
        options.weight_decay,
        options.seed,
        steps * setup.epochs,
        # A head that pools first gets the means of the feature maps, unless ADL has to drop attention before.
        pooled=setup.frozen and setup.built.network.head.pools_first and not setup.method.adl,
    )


def _module(
    setup: TrainingSetup,
    options: TrainOptions,
    config: OptimizerConfig,
    on_epoch: Callable[[list[EpochMetrics]], None],
) -> WsolModule:
    built, num_classes = setup.built, len(setup.data.labels.class_names)
    return WsolModule(built.network, _criterion(setup, options), built.preprocessing, config, num_classes, on_epoch)


def _trainer(setup: TrainingSetup, options: TrainOptions, folder: Path, callbacks: list[Callback]) -> Trainer:
    if options.patience is not None and setup.data.validation.samples:
        callbacks = [EarlyStopping("val_loss", patience=options.patience), *callbacks]
    device = setup.device
    use_index = device.index is not None and options.devices == 1
    try:
        return Trainer(
            accelerator=device.type,
            devices=[device.index] if use_index else options.devices,
            num_nodes=options.nodes,
            strategy=options.strategy,
            precision=options.precision,  # type: ignore[arg-type]
            max_epochs=setup.epochs,
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
        problem = f"Lightning rejected these settings: {' '.join(str(error).split())}"
        hint = "Change devices, strategy or precision."
        raise InputError("lightning-options-invalid", problem, hint) from error


def _datamodule(setup: TrainingSetup, options: TrainOptions, config: OptimizerConfig) -> WsolDataModule:
    """Return batches of feature maps if they can be computed once, otherwise batches of images."""
    data, preprocessing = setup.data, setup.built.preprocessing
    images = [
        ImageDataset(split, targets, resized, preprocessing, options.seed)
        for split, targets, resized in zip(
            (data.training, data.validation), setup.targets, (data.resized, preprocessing), strict=True
        )
    ]
    datasets: list[ImageDataset | CachedFeatures] = [*images]
    cacheable = setup.frozen and not setup.method.augmentation
    num_images = sum(map(len, datasets))
    if cacheable and fits_in_memory(setup.built.network, preprocessing, num_images, pooled=config.pooled):
        datasets = [_features(split, setup, options, config.pooled) if len(split) else split for split in images]
    elif cacheable:
        logger.info("The features do not fit into memory: the backbone runs in each epoch.")
    training, validation = datasets
    return WsolDataModule(
        training,
        validation if len(validation) else None,
        batch_size=options.batch_size,
        seed=options.seed,
        workers=0 if all(dataset.in_memory for dataset in datasets) else options.workers,
    )


def _features(images: ImageDataset, setup: TrainingSetup, options: TrainOptions, pooled: bool) -> CachedFeatures:
    batches = EpochBatchSampler(len(images), options.batch_size, seed=None)
    loader = DataLoader(images, batch_sampler=batches, num_workers=0 if images.in_memory else options.workers)
    return collect_features(compute_features(setup.built.network, loader, setup.built.preprocessing, pooled=pooled))


def _criterion(setup: TrainingSetup, options: TrainOptions) -> Criterion:
    if setup.teacher is not None:
        return BoxCriterion()
    labels, targets = setup.data.labels, torch.from_numpy(setup.targets[0])
    balanced = options.class_weights == "balanced"
    weights = class_weights(targets, multi_label=labels.multi_label) if balanced else None
    return Criterion(multi_label=labels.multi_label, weights=weights)


def steps_per_epoch(num_images: int, options: TrainOptions, *, world_size: int) -> int:
    """Return the number of optimizer steps in an epoch."""
    sampler = EpochBatchSampler(num_images, options.batch_size, seed=options.seed, world_size=world_size)
    return -(-len(sampler) // options.accumulate_grad_batches)
