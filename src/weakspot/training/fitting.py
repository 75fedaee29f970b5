"""Fit a prepared network with lightning's Trainer."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.utilities.exceptions import MisconfigurationException
from lightning.pytorch import Trainer
from lightning.pytorch.callbacks import Callback, EarlyStopping
from torch.utils.data import DataLoader, Dataset

from weakspot.errors import InputError
from weakspot.networks import Criterion
from weakspot.networks.criterion import class_weights
from weakspot.training.batches import Batches
from weakspot.training.features import Features, compute_features, fit_in_memory, gathered
from weakspot.training.learner import Learner, Row, Rule
from weakspot.training.loaders import Loaders
from weakspot.training.loggers import make_loggers
from weakspot.training.options import TrainOptions
from weakspot.training.photos import Photos
from weakspot.training.preparing import Prepared
from weakspot.training.reporting import Reporting, Say, quiet
from weakspot.training.run_folder import STATE
from weakspot.training.saving import Saving


def fit(
    prepared: Prepared, options: TrainOptions, folder: Path, say: Say, on_epoch: Callable[[list[Row]], None]
) -> tuple[Learner, Trainer]:
    """Train, from the saved state of an interrupted run if there is one.

    Args:
        prepared: What is trained, and on what.
        options: How.
        folder: Where states are saved and loggers write.
        say: Takes what a user should know.
        on_epoch: Called with the rows of all epochs when one more is done.

    Returns:
        The learner, with the trained weights, and the trainer.

    Raises:
        InterruptionError: At Ctrl-C; the state is saved.
        KeyboardInterrupt: At the second Ctrl-C.
        InputError: If a logger, a strategy or a precision cannot be used.
    """
    network, labels = prepared.built.network, prepared.grounds.labels
    network.to(prepared.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    saving, reporting = Saving(folder / STATE, options.save_every), Reporting(say, prepared.epochs)
    with quiet():
        trainer = _trainer(prepared, options, folder, [saving, reporting])
        # A head that pools first is given means, unless attention is to be dropped before.
        pooled = prepared.frozen and network.head.pools_first and not prepared.recipe.adl
        training, validation, in_memory = _images(prepared, options, pooled, say)
        loaders = Loaders(
            training,
            validation,
            batch_size=options.batch_size,
            seed=options.seed,
            workers=0 if in_memory else options.workers,
        )
        rule = Rule(
            prepared.recipe,
            prepared.frozen,
            prepared.lr,
            options.weight_decay,
            options.seed,
            prepared.epochs * _steps(len(prepared.grounds.training.readable), trainer, options),
            pooled,
        )

        def epoch_done(rows: list[Row]) -> None:
            if trainer.is_global_zero:
                on_epoch(rows)
                reporting.epoch_done(rows[-1])

        learner = Learner(
            network,
            _criterion(prepared, options),
            prepared.built.preprocessing,
            rule,
            len(labels.class_names),
            epoch_done,
        )
        state = folder / STATE
        try:
            with saving.listening():
                trainer.fit(learner, loaders, ckpt_path=state if state.exists() else None, weights_only=True)
        except SystemExit as end:  # that is what lightning makes of it
            raise KeyboardInterrupt from end
    network.load_state_dict({**network.state_dict(), **learner.best})
    return learner, trainer


def _trainer(prepared: Prepared, options: TrainOptions, folder: Path, callbacks: list[Callback]) -> Trainer:
    if options.patience is not None and prepared.grounds.validation.readable:
        callbacks = [EarlyStopping("val_loss", patience=options.patience), *callbacks]
    device = prepared.device
    one = device.index is not None and options.devices == 1
    try:
        return Trainer(
            accelerator=device.type,
            devices=[device.index] if one else options.devices,
            strategy=options.strategy,
            precision=options.precision,  # type: ignore[arg-type]
            max_epochs=prepared.epochs,
            accumulate_grad_batches=options.accumulate,
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


def _images(
    prepared: Prepared, options: TrainOptions, pooled: bool, say: Say
) -> tuple[Dataset[Any], Dataset[Any] | None, bool]:
    """What is trained on, what validates, and whether both lie in memory: feature maps if they can be computed once."""
    grounds, frame, network = prepared.grounds, prepared.built.preprocessing, prepared.built.network
    looked = (grounds.training, grounds.validation)
    sets = [
        Photos(one, grounds.labels.targets(one.readable), squashed, frame, options.seed)
        for one, squashed in zip(looked, (grounds.squashed, frame), strict=True)
    ]
    images = sum(len(one) for one in sets)
    if prepared.frozen and not prepared.recipe.augmentation:
        if fit_in_memory(network, frame, images, pooled=pooled):
            training, *validation = [_features(one, prepared, options, pooled) for one in sets if len(one)]
            return training, validation[0] if validation else None, True
        say("The features are too many to be kept: the backbone runs in each epoch.")
    return sets[0], sets[1] if len(sets[1]) else None, all(one.pixels is not None for one in looked)


def _features(photos: Photos, prepared: Prepared, options: TrainOptions, pooled: bool) -> Features:
    batches = Batches(len(photos), options.batch_size, seed=None)
    loader = DataLoader(photos, batch_sampler=batches, num_workers=0 if photos.in_memory else options.workers)
    frame = prepared.built.preprocessing
    return gathered(compute_features(prepared.built.network, loader, frame, pooled=pooled))


def _criterion(prepared: Prepared, options: TrainOptions) -> Criterion:
    labels = prepared.grounds.labels
    targets = torch.from_numpy(labels.targets(prepared.grounds.training.readable))
    balanced = options.class_weights == "balanced"
    weights = class_weights(targets, multi_label=labels.multi_label) if balanced else None
    return Criterion(multi_label=labels.multi_label, weights=weights)


def _steps(images: int, trainer: Trainer, options: TrainOptions) -> int:
    """Steps of the optimizer in an epoch."""
    batches = len(Batches(images, options.batch_size, seed=options.seed, processes=trainer.world_size))
    return -(-batches // options.accumulate)
