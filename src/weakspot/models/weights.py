"""Read weights files without running any code that they contain."""

import pickle
import warnings
from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from weakspot.errors import ModelError, suggest


def read_weights(file: Path) -> dict[str, Tensor]:
    """Read a state dict from safetensors or from a PyTorch file of plain tensors.

    A nested ``state_dict`` or ``model`` entry is used if there is one; the prefix ``module.`` of names is removed.

    Args:
        file: ``.safetensors``, or ``.pth`` / ``.pt`` / ``.bin`` as written by ``torch.save(model.state_dict())``.
    """
    if not file.is_file():
        raise ModelError("weights-not-found", f"The weights file {file} does not exist.")
    content = _read_safetensors(file) if file.suffix == ".safetensors" else _read_torch(file)
    if isinstance(content, dict):
        content = next((content[key] for key in ("state_dict", "model") if isinstance(content.get(key), dict)), content)
    if not isinstance(content, dict) or not all(_is_entry(name, value) for name, value in content.items()):
        hint = "Save one with torch.save(model.state_dict(), file)."
        raise ModelError("not-a-state-dict", f"{file} does not contain a state dict.", hint)
    return {name.removeprefix("module."): value for name, value in content.items()}


def load_weights(model: nn.Module, weights: Mapping[str, Tensor], file: Path) -> None:
    """Load weights into a model; all names and shapes must agree.

    Args:
        model: The model, unchanged if the weights do not fit.
        weights: The weights.
        file: The file that they were read from, for the message.
    """
    expected, hint = model.state_dict(), "Name the model that the weights were trained with."
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
            return torch.load(file, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            "unsafe-pickle",
            f"{file} is a pickle that could run code and is not loaded.",
            "Save the state dict as safetensors: safetensors.torch.save_file(model.state_dict(), file).",
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        raise _damaged(file) from error


def _is_entry(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor)


def _damaged(file: Path) -> ModelError:
    return ModelError("damaged-file", f"{file} is damaged or is not a weights file.")
