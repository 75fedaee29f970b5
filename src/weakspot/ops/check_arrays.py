"""What is no array of numbers is refused."""

import numpy as np

from weakspot.errors import InputError


def check_array(name: str, values: object) -> None:
    """Refuse what is not a numpy array of real numbers.

    Args:
        name: What it should be, to begin a sentence.
        values: What was given.

    Raises:
        InputError: If it is something else.

    Example:
        >>> check_array("A heatmap", np.zeros((2, 3)))
    """
    if not isinstance(values, np.ndarray):
        hint = "Give a numpy array: np.asarray of a list, tensor.detach().cpu().numpy() of a tensor."
        raise InputError(f"{name} must be an array; this is of type {type(values).__name__}.", hint)
    if values.dtype.kind not in "fiub":
        raise InputError(f"{name} must hold real numbers; these are {values.dtype}.", "Give an array of floats.")
