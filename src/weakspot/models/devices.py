"""Where a model runs."""

import torch

from weakspot.errors import InputError


def find_device(device: str) -> torch.device:
    """Find a device by name; ``"auto"`` is a GPU where there is one.

    Raises:
        InputError: If the device is not there.

    Example:
        >>> find_device("cpu")
        device(type='cpu')
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        return torch.empty(0, device=device).device
    except (RuntimeError, AssertionError) as error:
        hint = "Take auto, cpu, or cuda on a machine that has it."
        raise InputError(f"The device {device!r} is not there.", hint) from error
