"""Compare the saved state of a run that did not record its data with the present data."""

from collections.abc import Sequence
from pathlib import Path

import torch

from weakspot.io.folders import STATE
from weakspot.training.data_record import data_changed
from weakspot.training.fit import steps_per_epoch
from weakspot.training.options import TrainOptions
from weakspot.training.run_config import damaged_state
from weakspot.training.setup import TrainingSetup


def check_state(folder: Path, setup: TrainingSetup, options: TrainOptions) -> None:
    """Raise InputError (``data-changed``) if a saved state is of other classes or of more or fewer training images.

    Images are compared by the number of steps in an epoch. A folder without a state passes.
    """
    file = folder / STATE
    if not file.exists():
        return
    weights = setup.built.network.state_dict()
    try:
        saved = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
        shapes = {name: tuple(value.shape) for name, value in saved["state_dict"].items()}
        epochs = saved["rows"]
        before = epochs[0]["step"] // epochs[0]["epoch"] if epochs else None
    except Exception as error:  # a damaged pickle may raise anything
        raise damaged_state(file) from error
    for name, shape in shapes.items():
        now = weights.get(name.removeprefix("network."))
        if name.startswith("network.") and now is not None and now.shape != shape:
            raise data_changed(folder, f"it has {_length(now.shape)} classes instead of {_length(shape)}")
    if before is None:
        return
    steps = steps_per_epoch(len(setup.data.training.samples), options, world_size=options.devices * options.nodes)
    if steps != before:
        raise data_changed(folder, f"an epoch has {steps} steps instead of {before}")


def _length(shape: Sequence[int]) -> int:
    """Return the length of the first axis, 1 without axes."""
    return shape[0] if shape else 1
