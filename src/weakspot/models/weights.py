"""Read a weights file without running anything that it holds."""

import pickle
import warnings
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from weakspot.errors import ModelError, suggest


def read_weights(file: Path) -> dict[str, Tensor]:
    """Read a state dict from safetensors or from a PyTorch file of plain tensors.

    A ``state_dict`` or ``model`` entry around it is opened, and a ``module.`` in front of every name is dropped.

    Args:
        file: ``.safetensors``, or ``.pth`` / ``.pt`` / ``.bin`` as ``torch.save(model.state_dict())`` writes it.

    Raises:
        ModelError: If the file is missing, damaged, or a pickle of anything but tensors, which could run code.
    """
    if not file.is_file():
        raise ModelError(f"The weights file {file} does not exist.", "Check the path.")
    content = _read_safetensors(file) if file.suffix == ".safetensors" else _read_torch(file)
    if isinstance(content, dict):
        content = next((content[key] for key in ("state_dict", "model") if isinstance(content.get(key), dict)), content)
    if not isinstance(content, dict) or not all(_is_entry(name, value) for name, value in content.items()):
        raise ModelError(f"{file} does not hold a state dict.", "Save one with torch.save(model.state_dict(), file).")
    return {name.removeprefix("module."): value for name, value in content.items()}


def fit_weights(model: nn.Module, theirs: dict[str, Tensor], file: Path) -> None:
    """Load weights into a model whose names and shapes they must have, all of them.

    Args:
        model: The model, unchanged when the weights do not fit.
        theirs: The weights.
        file: Where they came from, for the message.

    Raises:
        ModelError: If the weights do not fit.
    """
    ours = model.state_dict()
    for name in ours:
        if name not in theirs:
            raise ModelError(
                "weights-mismatch",
                f"{file} does not fit the model: it has no {name}.",
                suggest(name, theirs, "Name the model that the weights were trained with."),
            )
        if ours[name].shape != theirs[name].shape:
            raise ModelError(
                "weights-mismatch",
                f"{file} does not fit the model: {name} is {tuple(theirs[name].shape)}, not {tuple(ours[name].shape)}.",
                "Name the model that the weights were trained with.",
            )
    unknown = next((name for name in theirs if name not in ours), None)
    if unknown:
        raise ModelError(
            "weights-mismatch",
            f"{file} does not fit the model: it has {unknown}, which the model has not.",
            "Name the model that the weights were trained with.",
        )
    model.load_state_dict(theirs)


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
            f"{file} is a pickle that could run code: it is not loaded.",
            "Save the state dict as safetensors: safetensors.torch.save_file(model.state_dict(), file).",
        ) from error
    except Exception as error:  # what a damaged pickle raises is up to its bytes
        raise _damaged(file) from error


def _is_entry(name: object, value: object) -> bool:
    return isinstance(name, str) and isinstance(value, Tensor)


def _damaged(file: Path) -> ModelError:
    return ModelError(f"{file} is damaged or not a weights file.", "Copy it again, or save it as safetensors.")
