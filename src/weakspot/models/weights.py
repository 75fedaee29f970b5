"""Read weights files without running any code that they contain."""

import pickle
import warnings
from argparse import Namespace
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from weakspot.errors import ModelError, suggest
from weakspot.models.run_files import check_weights
from weakspot.models.state_dicts import find_state_dict, is_counter, match_names


def read_weights(file: Path) -> dict[str, Tensor]:
    """Read a state dict from safetensors or from a PyTorch file of plain tensors.

    The state dict may be an entry of a checkpoint, see :func:`weakspot.models.state_dicts.find_state_dict`.

    Args:
        file: ``.safetensors``, or ``.pth`` / ``.pt`` / ``.bin`` as written by ``torch.save(model.state_dict())``.
    """
    check_weights(file)
    content = _read_safetensors(file) if file.suffix == ".safetensors" else _read_torch(file)
    weights = find_state_dict(content)
    if weights is None:
        hint = "Save one with torch.save(model.state_dict(), file)."
        raise ModelError("not-a-state-dict", f"{file} does not contain a state dict.", hint)
    return weights


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], file: Path) -> None:
    """Load weights into a model; all names, without prefixes of wrappers, and shapes must agree.

    Args:
        model: The model, unchanged if the weights do not fit.
        weights: The weights.
        file: The file that they were read from, for the message.
    """
    expected, hint = model.state_dict(), "Name the model that the weights were trained with."
    counters = {name: value for name, value in expected.items() if is_counter(name)}
    weights = counters | match_names(weights, expected)
    for name in expected:
        if name not in weights:
            problem = f"{file} does not fit the model: it has no {name}."
            raise ModelError("weights-mismatch", problem, suggest(name, weights, hint))
        shape, expected_shape = tuple(weights[name].shape), tuple(expected[name].shape)
        if shape != expected_shape:
            problem = f"{file} does not fit the model: {name} must be of shape {expected_shape}, got {shape}."
            raise ModelError("weights-mismatch", problem, hint)
    unknown = next((name for name in weights if name not in expected), None)
    if unknown:
        raise ModelError("weights-mismatch", f"{file} does not fit the model, which has no {unknown}.", hint)
    model.load_state_dict(weights)


def _read_safetensors(file: Path) -> dict[str, Tensor]:
    try:
        return load_file(file)
    except (SafetensorError, OSError) as error:
        raise _damaged(file) from error


def _read_torch(file: Path) -> object:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with _plain_values():
                return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            "unsafe-pickle",
            f"{file} is a pickle that could run code and is not loaded.",
            "Save the state dict as safetensors: safetensors.torch.save_file(model.state_dict(), file).",
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        raise _damaged(file) from error


def _plain_values() -> AbstractContextManager[Any]:
    """Allow what training scripts store besides tensors and what cannot run code: options and numbers of numpy."""
    numbers = [type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)]
    scalar: Any = np.float64(0).__reduce__()[0]
    scalars: list[Any] = [(scalar, f"{module}.multiarray.scalar") for module in ("numpy.core", "numpy._core")]
    return torch.serialization.safe_globals([Namespace, np.dtype, *scalars, *numbers])


def _damaged(file: Path) -> ModelError:
    return ModelError("damaged-file", f"{file} is damaged or is not a weights file.")
