"""What processes that train together must have in common."""

from dataclasses import fields
from hashlib import sha256

from weakspot.errors import InputError
from weakspot.training.options import TrainOptions
from weakspot.training.rendezvous import AllGather
from weakspot.training.setup import TrainingSetup

# What may differ from node to node: places, and what changes no weight.
_OWN = ("teacher", "weights", "labels", "images", "output", "device", "workers", "save_every", "logger")


def check_same_config(prepared: TrainingSetup, options: TrainOptions, share: AllGather) -> None:
    """Refuse to train together on different images, or in different ways.

    Args:
        prepared: What this process trains, and on what.
        options: How.
        share: Gives what all processes say.

    Raises:
        InputError: If another process trains otherwise.
    """
    if len(set(share(_digest(prepared, options)))) > 1:
        raise InputError(
            "The processes do not train alike: their options or their images differ.",
            "Start the same command on each node, on the same data.",
        )


def _digest(prepared: TrainingSetup, options: TrainOptions) -> str:
    """Stands for the options, and the names of the images in their order."""
    chosen = [getattr(options, field.name) for field in fields(options) if field.name not in _OWN]
    found = (prepared.frozen, prepared.epochs, prepared.lr, prepared.grounds.labels.class_names)
    looked = (prepared.grounds.training, prepared.grounds.validation)
    images = [[example.path.parts[-2:] for example in one.readable] for one in looked]
    return sha256(repr((chosen, found, images)).encode(errors="backslashreplace")).hexdigest()
