"""Compare the saved state of a run that did not record its data with the present data."""

from pathlib import Path

import torch

from weakspot.io.folders import STATE
from weakspot.training.data_record import data_changed
from weakspot.training.fit import steps_per_epoch
from weakspot.training.options import TrainOptions
from weakspot.training.setup import TrainingSetup


def check_state(folder: Path, setup: TrainingSetup, options: TrainOptions) -> None:
    """Raise InputError (``data-changed``) if a saved state is of other classes or of more or fewer training images.

    Images are compared by the number of steps in an epoch. A folder without a state passes.
    """
    file = folder / STATE
    if not file.exists():
        return
    saved = torch.load(file, map_location="cpu", weights_only=True, mmap=True)
    weights = setup.built.network.state_dict()
    for name, value in saved["state_dict"].items():
        now = weights.get(name.removeprefix("network."))
        if name.startswith("network.") and now is not None and now.shape != value.shape:
            raise data_changed(folder, f"it has {now.shape[0]} classes instead of {value.shape[0]}")
    epochs = saved["rows"]
    if not epochs:
        return
    before = epochs[0]["step"] // epochs[0]["epoch"]
    steps = steps_per_epoch(len(setup.data.training.samples), options, world_size=options.devices * options.nodes)
    if steps != before:
        raise data_changed(folder, f"an epoch has {steps} steps instead of {before}")
